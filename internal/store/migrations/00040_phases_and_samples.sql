-- +goose Up
-- The last step of the making that is complete, for who watches it.
ALTER TABLE tine.clusters ADD COLUMN phase text NOT NULL DEFAULT '';

-- What clusters did, span by span: minutes at first, which are summed up when they are older. See package insights.
CREATE TABLE tine.samples (
    cluster_id    uuid        NOT NULL REFERENCES tine.clusters ON DELETE CASCADE,
    at            timestamptz NOT NULL, -- end of the span
    span_seconds  integer     NOT NULL,
    connections   integer     NOT NULL, -- at the end, or the most there were
    reads         bigint      NOT NULL,
    writes        bigint      NOT NULL,
    commands      bigint      NOT NULL,
    busy_micros   bigint      NOT NULL, -- of all operations together
    slow_micros   bigint      NOT NULL, -- 95 of 100 operations took no longer
    cpu_micros    bigint      NOT NULL,
    memory_bytes  bigint      NOT NULL,
    storage_bytes bigint      NOT NULL,
    lsn           bigint      NOT NULL, -- where the write-ahead log ended
    PRIMARY KEY (cluster_id, at)
);
CREATE INDEX samples_at ON tine.samples (at);
