-- Taking a job, which River does in a transaction of its own, need not wait for the disk: a crash of the database that loses it leaves the job to be taken again, and every job can be begun again.
DO $do$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'tine.river_job'::regclass AND tgname = 'taken_lazily') THEN
		CREATE FUNCTION tine.commit_lazily() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM set_config('synchronous_commit', 'off', true);
			RETURN NULL;
		END
		$$;
		CREATE TRIGGER taken_lazily AFTER UPDATE ON tine.river_job
			FOR EACH ROW WHEN (OLD.state = 'available' AND NEW.state = 'running') EXECUTE FUNCTION tine.commit_lazily();
	END IF;
END
$do$;
