-- +goose Up
-- Whether nothing is deleted by TTL indexes in the cluster's node. It belongs to the data, and moves with the node.
ALTER TABLE tine.clusters ADD COLUMN ttl_paused boolean NOT NULL DEFAULT false;
