-- +goose Up
-- What each host's pool has left, as the host saw it last, and what it does because of that. See package host.
CREATE TABLE tine.pools (
    host            text        PRIMARY KEY,
    level           text        NOT NULL CHECK (level IN ('ample', 'tight', 'short', 'critical')),
    total_bytes     bigint      NOT NULL,
    free_bytes      bigint      NOT NULL,
    free_share      float8      NOT NULL, -- of data or metadata, whichever is scarcer
    required_share  float8      NOT NULL, -- that must be free before new clusters are made
    measured_at     timestamptz NOT NULL
);
