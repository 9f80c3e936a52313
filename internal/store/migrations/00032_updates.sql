-- +goose Up
-- Whether the cluster's node was started with an older engine or older settings than there are now.
ALTER TABLE tine.clusters ADD COLUMN update_pending boolean NOT NULL DEFAULT false;
