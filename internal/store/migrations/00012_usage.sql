-- +goose Up
-- What a cluster was, from when to when, and what that cost then: the meter. A row is open while the cluster is that.
CREATE TABLE tine.usage (
    id            bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    -- Copies, without foreign keys: an invoice outlives its clusters.
    cluster_id    uuid        NOT NULL,
    cluster_name  text        NOT NULL,
    project_id    text        NOT NULL,
    source_id     uuid,
    source_name   text        NOT NULL,
    shared_bytes  bigint      NOT NULL,
    size          text        NOT NULL,
    num_nodes     integer     NOT NULL,
    storage_mib   bigint      NOT NULL,
    monthly_price bigint      NOT NULL, -- millionths of a US dollar
    from_at       timestamptz NOT NULL,
    to_at         timestamptz,
    CHECK (to_at >= from_at)
);
CREATE UNIQUE INDEX usage_open ON tine.usage (cluster_id) WHERE to_at IS NULL;
CREATE INDEX usage_time ON tine.usage (to_at, from_at);
