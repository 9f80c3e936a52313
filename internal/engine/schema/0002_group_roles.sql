-- All work of users runs as one of two roles, whoever the user is. The gateway's table of privileges decides what a user
-- may do; these are the second barrier: what runs as tine_reader cannot write, whatever the gateway has overlooked.
CREATE ROLE tine_reader NOLOGIN;
GRANT documentdb_readonly_role, pg_read_all_data TO tine_reader WITH INHERIT TRUE, SET FALSE;

-- It makes collections whose tables belong to documentdb_admin_role, so it must be able to be that.
CREATE ROLE tine_writer NOLOGIN;
GRANT documentdb_admin_role TO tine_writer WITH INHERIT TRUE, SET TRUE;

GRANT tine_reader, tine_writer TO tine_gateway WITH ADMIN FALSE, INHERIT FALSE, SET TRUE;

-- What tine_gateway could become or hand on before.
REVOKE documentdb_admin_role, documentdb_readonly_role, pg_read_all_data FROM tine_gateway;
ALTER ROLE tine_gateway RESET createrole_self_grant;
ALTER ROLE tine_gateway NOCREATEROLE;
