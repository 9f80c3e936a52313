-- +goose Up
ALTER TABLE tine.clusters
    DROP CONSTRAINT clusters_status_check,
    ADD CONSTRAINT clusters_status_check CHECK (status IN
        ('creating', 'forking', 'online', 'resizing', 'migrating', 'restoring', 'swapping', 'failed', 'destroying')),
    -- When it is destroyed by itself, and whether its events say so already.
    ADD COLUMN expires_at       timestamptz,
    ADD COLUMN expiry_announced boolean NOT NULL DEFAULT false;
CREATE INDEX clusters_expiry ON tine.clusters (expires_at) WHERE expires_at IS NOT NULL;

-- Two clusters that exchange their nodes: a row from the request to the end of the work.
CREATE TABLE tine.exchanges (
    cluster_id   uuid        PRIMARY KEY REFERENCES tine.clusters,
    other_id     uuid        NOT NULL UNIQUE REFERENCES tine.clusters,
    kind         text        NOT NULL CHECK (kind IN ('restore', 'reset', 'swap')),
    -- The moment whose state the cluster gets; null for the latest, and for swaps.
    at           timestamptz,
    -- How long the other one lives afterwards; null for ever.
    keep         interval,
    -- When clients were cut off; null until the nodes are exchanged.
    exchanged_at timestamptz,
    CHECK (cluster_id <> other_id)
);
