-- +goose Up
-- After how many seconds without work a cluster's node is suspended, 0 for never; since when it is; and what was in the cluster then, as JSON.
ALTER TABLE tine.clusters
    ADD COLUMN suspend_after_seconds bigint NOT NULL DEFAULT 0,
    ADD COLUMN suspended_at          timestamptz,
    ADD COLUMN suspended_contents    jsonb;
