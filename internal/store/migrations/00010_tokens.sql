-- +goose Up
-- A token has scopes in DigitalOcean's names; the former three become sets of them, so that what was made goes on working.
ALTER TABLE tine.tokens
    ADD COLUMN scopes       text[] NOT NULL DEFAULT '{}',
    ADD COLUMN expires_at   timestamptz,
    ADD COLUMN last_used_at timestamptz;
UPDATE tine.tokens SET scopes = CASE scope
    WHEN 'admin' THEN ARRAY['admin']
    WHEN 'write' THEN ARRAY['account:read', 'billing:read', 'database:create', 'database:delete', 'database:read', 'database:update',
        'database:view_credentials', 'project:read', 'regions:read', 'sizes:read', 'tag:create', 'tag:delete', 'tag:read']
    ELSE ARRAY['account:read', 'billing:read', 'database:read', 'project:read', 'regions:read', 'sizes:read', 'tag:read']
END;
ALTER TABLE tine.tokens DROP COLUMN scope, ALTER COLUMN scopes DROP DEFAULT;
