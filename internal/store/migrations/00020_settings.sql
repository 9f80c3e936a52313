-- +goose Up
-- Trusted sources are read and replaced as a whole, with the cluster: no table of their own. Each change of what the gateway is
-- told counts the revision up, so that each has its job.
ALTER TABLE tine.clusters
    ADD COLUMN trusted_sources   jsonb  NOT NULL DEFAULT '[]',
    ADD COLUMN settings_revision bigint NOT NULL DEFAULT 0;
