-- +goose Up
-- An exchange can be asked for at a transaction, as a fork can; its end says which, when the fork that was made for it no longer does.
ALTER TABLE tine.exchanges
    ADD COLUMN fork_lsn   bigint  NOT NULL DEFAULT 0,
    ADD COLUMN fork_after boolean NOT NULL DEFAULT false;
