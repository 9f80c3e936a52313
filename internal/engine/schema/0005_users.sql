-- Users are rows, not roles: see docs/decisions/0007-users-are-rows.md.
CREATE TABLE tine.users (
    name        text PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 63),
    id          uuid NOT NULL DEFAULT gen_random_uuid(), -- whoever gets the name later has another one
    verifier    text CHECK (verifier LIKE 'SCRAM-SHA-256$%'),
    custom_data bytea,
    created_at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tine.users (name, verifier)
    SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname IN (SELECT user_name FROM tine.grants);

-- A user may have several roles on a database. All databases are one thing, and so is root.
ALTER TABLE tine.grants
    DROP CONSTRAINT grants_pkey,
    ADD PRIMARY KEY (user_name, database_name, role),
    ADD FOREIGN KEY (user_name) REFERENCES tine.users (name) ON DELETE CASCADE,
    ADD CHECK (role <> 'root' OR database_name = 'admin');

DROP FUNCTION tine.verifier(text);
GRANT SELECT, INSERT, UPDATE, DELETE ON tine.users, tine.grants TO tine_gateway;

-- Work runs as tine_reader or tine_writer; nobody is doadmin any more.
REASSIGN OWNED BY doadmin TO documentdb_admin_role;
DROP OWNED BY doadmin;
DROP ROLE doadmin;
