-- In a node that was recovered the engine's job that deletes what has expired connects to the node itself, as its own user, and pg_ident.conf has no
-- way in for postgres from the inside: nothing expired in a fork. This role may log in, and may delete.
UPDATE cron.job SET username = 'documentdb_bg_worker_role' WHERE command LIKE 'CALL documentdb_api_internal.delete_expired_rows(%';
