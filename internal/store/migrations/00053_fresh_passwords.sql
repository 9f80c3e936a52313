-- +goose Up
-- Verifiers that a fork's users get while it is made, by their names; null: they keep theirs. It is empty again when the fork is made.
ALTER TABLE tine.clusters ADD COLUMN fresh_verifiers jsonb;
