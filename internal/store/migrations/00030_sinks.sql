-- +goose Up
-- Where the logs of clusters are delivered to. Keys are sealed with a key that is not in this database.
CREATE TABLE tine.log_sinks (
    id         uuid        PRIMARY KEY,
    cluster_id uuid        NOT NULL REFERENCES tine.clusters ON DELETE CASCADE,
    name       text        NOT NULL,
    type       text        NOT NULL,
    site       text        NOT NULL,
    api_key    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT log_sinks_name_key UNIQUE (cluster_id, name)
);

-- The one user of /metrics; the password is sealed.
CREATE TABLE tine.metrics_credentials (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    username text    NOT NULL,
    password bytea   NOT NULL
);

-- Names that clients reach a cluster by, beside the gateway's own.
ALTER TABLE tine.clusters ADD COLUMN service_names text[] NOT NULL DEFAULT '{}';
