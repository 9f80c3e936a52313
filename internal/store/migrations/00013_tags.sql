-- +goose Up
-- Tags that exist, whether or not a cluster has them. A cluster's own list is what counts for it.
CREATE TABLE tine.tags (
    name       text        PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tine.tags (name) SELECT DISTINCT unnest(tags) FROM tine.clusters;
