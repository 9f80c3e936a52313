-- +goose Up
-- A fork can be made at a transaction: where its commit record begins in the source's log, and whether the fork has it.
ALTER TABLE tine.clusters
    ADD COLUMN fork_lsn   bigint  NOT NULL DEFAULT 0,
    ADD COLUMN fork_after boolean NOT NULL DEFAULT false;
