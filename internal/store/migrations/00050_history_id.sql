-- +goose Up
-- A history belongs to data, not to a cluster: what names it moves with the node when two clusters exchange theirs. The constraints are
-- checked at the commit, because an exchange has two rows with one id for a moment.
ALTER TABLE tine.clusters ADD COLUMN history_id uuid;
UPDATE tine.clusters SET history_id = id;
ALTER TABLE tine.clusters
    ALTER COLUMN history_id SET NOT NULL,
    ADD CONSTRAINT clusters_history_id_key UNIQUE (history_id) DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT clusters_node_id_key UNIQUE (node_id) DEFERRABLE INITIALLY DEFERRED;
