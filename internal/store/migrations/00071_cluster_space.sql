-- +goose Up
-- What each cluster occupies, as its host measured it last, and whether its data may grow. A cluster that was never measured has no row.
CREATE TABLE tine.cluster_space (
    cluster_id      uuid        PRIMARY KEY REFERENCES tine.clusters ON DELETE CASCADE,
    over_storage    boolean     NOT NULL DEFAULT false, -- the data have reached the plan's storage: they may not grow
    exclusive_bytes bigint      NOT NULL DEFAULT 0,     -- what would be free without the cluster
    shared_bytes    bigint      NOT NULL DEFAULT 0,     -- what other clusters refer to as well
    points_bytes    bigint      NOT NULL DEFAULT 0,     -- of both: what only its restore points refer to, not its data
    wal_bytes       bigint      NOT NULL DEFAULT 0,     -- of the history's write-ahead log, which is exclusive
    measured_at     timestamptz                         -- of the bytes
);
