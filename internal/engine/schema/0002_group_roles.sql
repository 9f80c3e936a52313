-- All work of users runs as one of two roles, whoever the user is. The gateway's table of privileges decides what a user
-- may do; these are the second barrier: what runs as tine_reader cannot write, whatever the gateway has overlooked.
CREATE ROLE tine_reader NOLOGIN;
GRANT documentdb_readonly_role TO tine_reader WITH INHERIT TRUE, SET FALSE;
-- That role alone cannot read what collections hold. The engine adds pg_read_all_data, by which a reader could also read
-- the passwords' verifiers in pg_authid; this gives it the collections, those to come included, whoever makes them.
GRANT USAGE ON SCHEMA documentdb_core TO tine_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA documentdb_data TO tine_reader;

-- It makes collections whose tables belong to documentdb_admin_role, so it must be able to be that.
CREATE ROLE tine_writer NOLOGIN;
GRANT documentdb_admin_role TO tine_writer WITH INHERIT TRUE, SET TRUE;

ALTER DEFAULT PRIVILEGES FOR ROLE tine_writer, documentdb_admin_role, documentdb_bg_worker_role, doadmin, postgres
    IN SCHEMA documentdb_data GRANT SELECT ON TABLES TO tine_reader;

GRANT tine_reader, tine_writer TO tine_gateway WITH ADMIN FALSE, INHERIT FALSE, SET TRUE;

-- What tine_gateway could become or hand on before.
REVOKE documentdb_admin_role, documentdb_readonly_role, pg_read_all_data FROM tine_gateway;
ALTER ROLE tine_gateway RESET createrole_self_grant;
ALTER ROLE tine_gateway NOCREATEROLE;
