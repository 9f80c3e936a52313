-- +goose Up
-- In which of its host's pools a cluster is kept: the slug of the region whose pool it is, or empty for the one of all regions that have none.
ALTER TABLE tine.clusters ADD COLUMN pool text NOT NULL DEFAULT '';

ALTER TABLE tine.pools
    ADD COLUMN pool text NOT NULL DEFAULT '',
    DROP CONSTRAINT pools_pkey,
    ADD PRIMARY KEY (host, pool);

-- What is being sent from one pool to another: a fork, or a cluster that migrates. The row is there from the request to the end of the work.
CREATE TABLE tine.transfers (
    cluster_id       uuid        PRIMARY KEY REFERENCES tine.clusters ON DELETE CASCADE,
    from_region      text        NOT NULL,
    to_region        text        NOT NULL,
    to_pool          text        NOT NULL,
    sent_bytes       bigint      NOT NULL DEFAULT 0,
    kept_bytes       bigint      NOT NULL DEFAULT 0, -- of those, what need not be sent again after an interruption
    total_bytes      bigint      NOT NULL DEFAULT 0, -- an estimate; 0 while there is none
    bytes_per_second bigint      NOT NULL DEFAULT 0, -- of late
    started_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
