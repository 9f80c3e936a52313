-- +goose Up
CREATE TABLE tine.clusters (
    id                   uuid        PRIMARY KEY,
    name                 text        NOT NULL CONSTRAINT clusters_name_key UNIQUE,
    engine               text        NOT NULL,
    version              text        NOT NULL,
    region               text        NOT NULL,
    size                 text        NOT NULL,
    num_nodes            integer     NOT NULL,
    storage_mib          bigint      NOT NULL,
    status               text        NOT NULL CHECK (status IN ('creating', 'forking', 'online', 'failed', 'destroying')),
    failure              text        NOT NULL DEFAULT '',
    tags                 text[]      NOT NULL DEFAULT '{}',
    created_at           timestamptz NOT NULL,
    requested_at         timestamptz NOT NULL,
    host                 text        NOT NULL,
    port                 integer     NOT NULL,
    -- No foreign key: a fork outlives its source.
    source_id            uuid,
    source_name          text        NOT NULL DEFAULT '',
    fork_at              timestamptz,
    doadmin_verifier     text        NOT NULL,
    node_id              uuid        NOT NULL,
    node_restarts        integer     NOT NULL DEFAULT 0,
    settings             jsonb       NOT NULL DEFAULT '{}',
    project_id           text        NOT NULL DEFAULT '',
    private_network_uuid text        NOT NULL DEFAULT '',
    CONSTRAINT clusters_host_port_key UNIQUE (host, port)
);
CREATE INDEX clusters_list ON tine.clusters (created_at, id);
CREATE INDEX clusters_tags ON tine.clusters USING gin (tags);
CREATE INDEX clusters_source ON tine.clusters (source_id) WHERE source_id IS NOT NULL;

CREATE TABLE tine.events (
    id           bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    -- No foreign key: events outlive their cluster.
    cluster_id   uuid        NOT NULL,
    cluster_name text        NOT NULL,
    type         text        NOT NULL,
    message      text        NOT NULL,
    created_at   timestamptz NOT NULL
);
CREATE INDEX events_cluster ON tine.events (cluster_id, id);
CREATE INDEX events_created_at ON tine.events (created_at);

CREATE TABLE tine.restore_points (
    id           bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    cluster_id   uuid        NOT NULL REFERENCES tine.clusters ON DELETE CASCADE,
    volume       text        NOT NULL,
    started_at   timestamptz NOT NULL,
    completed_at timestamptz NOT NULL,
    -- LSNs as integers, not pg_lsn: the host computes with them.
    redo_lsn     bigint      NOT NULL,
    end_lsn      bigint      NOT NULL,
    marker_lsn   bigint      NOT NULL,
    timeline     integer     NOT NULL,
    size_bytes   bigint      NOT NULL
);
CREATE INDEX restore_points_history ON tine.restore_points (cluster_id, completed_at, id);

CREATE TABLE tine.tokens (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text        NOT NULL CONSTRAINT tokens_name_key UNIQUE,
    scope      text        NOT NULL CHECK (scope IN ('admin', 'write', 'read')),
    hash       bytea       NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
