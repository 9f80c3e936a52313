-- +goose Up
ALTER TABLE tine.clusters
    DROP CONSTRAINT clusters_status_check,
    ADD CONSTRAINT clusters_status_check
        CHECK (status IN ('creating', 'forking', 'online', 'resizing', 'migrating', 'failed', 'destroying')),
    -- What the node was last started with: a resize that is interrupted knows from it what is left to do.
    ADD COLUMN node_size              text    NOT NULL DEFAULT '',
    ADD COLUMN maintenance_day        text    NOT NULL DEFAULT 'sunday',
    ADD COLUMN maintenance_hour       text    NOT NULL DEFAULT '03:00:00',
    ADD COLUMN autoscale_enabled      boolean NOT NULL DEFAULT false,
    ADD COLUMN autoscale_threshold    integer NOT NULL DEFAULT 80,
    ADD COLUMN autoscale_increment    integer NOT NULL DEFAULT 10;
UPDATE tine.clusters SET node_size = size;
ALTER TABLE tine.clusters ALTER COLUMN node_size DROP DEFAULT;
