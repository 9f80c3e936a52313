-- Run once, as superuser, in the database postgres of the golden volume, after initdb.
-- It is version 1 of what a cluster holds of ours, and stays as it is: a change here would reach new clusters only. What comes
-- after it is a file in schema/, which every cluster gets, the golden volume included.

CREATE EXTENSION documentdb CASCADE;
-- Without this access method (see documentdb.alternate_index_handler_name) no index serves a sort.
CREATE EXTENSION documentdb_extended_rum;

-- The gateway builds an index right after queueing it; two jobs polling every 2 s cost an idle node 1.5 % of a core.
UPDATE cron.job SET active = false WHERE command LIKE 'CALL documentdb_api_internal.build_index_concurrently(%';

-- The gateway's login has no data access of its own: every trap of SET ROLE fails closed.
CREATE ROLE tine_gateway LOGIN CREATEROLE NOINHERIT;
GRANT documentdb_admin_role, documentdb_readonly_role TO tine_gateway WITH ADMIN TRUE, INHERIT FALSE, SET TRUE;
GRANT pg_read_all_data TO tine_gateway WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
GRANT USAGE ON SCHEMA documentdb_core, documentdb_api, documentdb_api_internal, documentdb_api_catalog TO tine_gateway;
ALTER ROLE tine_gateway SET createrole_self_grant = 'set';

-- Users cannot log in to PostgreSQL. doadmin gets its password when a cluster is created or forked.
CREATE ROLE doadmin NOLOGIN;
GRANT documentdb_admin_role TO doadmin;
GRANT doadmin TO tine_gateway WITH ADMIN TRUE, INHERIT FALSE, SET TRUE;

CREATE SCHEMA tine;

-- Who may do what. It lives in the cluster's own data, so that a fork at T has the grants of T.
-- The database "admin" stands for all databases, as in MongoDB.
CREATE TABLE tine.grants (
    user_name     text NOT NULL,
    database_name text NOT NULL,
    role          text NOT NULL CHECK (role IN ('root', 'readOnly', 'readWrite', 'dbAdmin')),
    PRIMARY KEY (user_name, database_name)
);
INSERT INTO tine.grants VALUES ('doadmin', 'admin', 'root');

-- The SCRAM verifier of a user of this cluster, NULL for everybody else (PostgreSQL's own roles included).
CREATE FUNCTION tine.verifier(name text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT a.rolpassword FROM pg_catalog.pg_authid a
        WHERE a.rolname = $1 AND EXISTS (SELECT FROM tine.grants g WHERE g.user_name = $1)
    $$;

REVOKE ALL ON SCHEMA tine FROM PUBLIC;
REVOKE ALL ON FUNCTION tine.verifier(text) FROM PUBLIC;
GRANT USAGE ON SCHEMA tine TO tine_gateway;
GRANT SELECT ON tine.grants TO tine_gateway;
GRANT EXECUTE ON FUNCTION tine.verifier(text) TO tine_gateway;

-- A database exists once it has had a collection, and stays until it is dropped: defaultdb is always there.
-- The engine connects to itself as the session's user, and pg_ident.conf has no way in for postgres from the inside.
SET SESSION AUTHORIZATION tine_gateway;
SET ROLE doadmin;
SELECT documentdb_api.create_collection('defaultdb', 'init');
SELECT documentdb_api.drop_collection('defaultdb', 'init');
RESET ROLE;
RESET SESSION AUTHORIZATION;
