-- Drivers number the writes and transactions of a session, and send one again if its connection broke. The record of the latest
-- number is made in the transaction of the write itself, so that neither the end of the gateway nor that of the node, at
-- whatever moment, makes a repetition count twice.
CREATE TABLE tine.numbered (
    session    bytea       PRIMARY KEY, -- the user's and the session's name
    number     bigint      NOT NULL,
    reply      bytea,                   -- NULL for a transaction that committed
    clean      boolean     NOT NULL,    -- without write errors
    written_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50); -- an update finds room in its page, and needs no new index entry

-- The record of a number, if there is one. It waits for a write of the session that is under way in whatever backend: one whose gateway
-- has died may still be running. A number less than the latest is an error, MongoDB's TransactionTooOld.
CREATE FUNCTION tine.recall(of_session bytea, of_number bigint, OUT known boolean, OUT reply bytea, OUT clean boolean)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
        DECLARE
            latest bigint;
        BEGIN
            PERFORM pg_advisory_xact_lock(hashtextextended(encode(of_session, 'hex'), 0));
            -- A statement of its own sees what was committed while we waited.
            SELECT n.number, n.reply, n.clean INTO latest, reply, clean FROM tine.numbered n WHERE n.session = of_session;
            IF latest > of_number THEN
                RAISE EXCEPTION USING ERRCODE = 'M00F5',
                    MESSAGE = format('txnNumber %s is less than the latest txnNumber %s of this session', of_number, latest);
            END IF;
            known := coalesce(latest = of_number, false);
        END
    $$;

-- Makes the record, for a write that recall did not know, or for a transaction.
CREATE FUNCTION tine.remember(of_session bytea, of_number bigint, with_reply bytea, is_clean boolean) RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
        SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 0));
        INSERT INTO tine.numbered AS n (session, number, reply, clean) VALUES ($1, $2, $3, $4)
        ON CONFLICT (session) DO UPDATE
            SET number = excluded.number, reply = excluded.reply, clean = excluded.clean, written_at = excluded.written_at
    $$;

-- Removes records older than a session lives, and says whether there are others.
CREATE FUNCTION tine.forget_records(older_than interval) RETURNS boolean
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
        DELETE FROM tine.numbered WHERE written_at < now() - $1;
        SELECT EXISTS (SELECT FROM tine.numbered)
    $$;

-- The engine's writes with a record, for the roles under which users' work runs.
CREATE FUNCTION tine.insert_once(
    db text, spec bytea, documents bytea, of_session bytea, of_number bigint,
    OUT reply bytea, OUT clean boolean, OUT known boolean)
    LANGUAGE plpgsql VOLATILE
    AS $$
        BEGIN
            SELECT r.known, r.reply, r.clean INTO known, reply, clean FROM tine.recall(of_session, of_number) r;
            IF NOT known THEN
                SELECT w.p_result::bytea, w.p_success INTO reply, clean
                FROM documentdb_api.insert(db, spec::documentdb_core.bson, documents::documentdb_core.bsonsequence) w;
                PERFORM tine.remember(of_session, of_number, reply, clean);
            END IF;
        END
    $$;

CREATE FUNCTION tine.update_once(
    db text, spec bytea, updates bytea, of_session bytea, of_number bigint,
    OUT reply bytea, OUT clean boolean, OUT known boolean)
    LANGUAGE plpgsql VOLATILE
    AS $$
        BEGIN
            SELECT r.known, r.reply, r.clean INTO known, reply, clean FROM tine.recall(of_session, of_number) r;
            IF NOT known THEN
                SELECT w.p_result::bytea, w.p_success INTO reply, clean
                FROM documentdb_api.update(db, spec::documentdb_core.bson, updates::documentdb_core.bsonsequence) w;
                PERFORM tine.remember(of_session, of_number, reply, clean);
            END IF;
        END
    $$;

CREATE FUNCTION tine.delete_once(
    db text, spec bytea, deletes bytea, of_session bytea, of_number bigint,
    OUT reply bytea, OUT clean boolean, OUT known boolean)
    LANGUAGE plpgsql VOLATILE
    AS $$
        BEGIN
            SELECT r.known, r.reply, r.clean INTO known, reply, clean FROM tine.recall(of_session, of_number) r;
            IF NOT known THEN
                SELECT w.p_result::bytea, w.p_success INTO reply, clean
                FROM documentdb_api.delete(db, spec::documentdb_core.bson, deletes::documentdb_core.bsonsequence) w;
                PERFORM tine.remember(of_session, of_number, reply, clean);
            END IF;
        END
    $$;

CREATE FUNCTION tine.find_and_modify_once(
    db text, spec bytea, of_session bytea, of_number bigint,
    OUT reply bytea, OUT clean boolean, OUT known boolean)
    LANGUAGE plpgsql VOLATILE
    AS $$
        BEGIN
            SELECT r.known, r.reply, r.clean INTO known, reply, clean FROM tine.recall(of_session, of_number) r;
            IF NOT known THEN
                SELECT w.p_result::bytea, w.p_success INTO reply, clean
                FROM documentdb_api.find_and_modify(db, spec::documentdb_core.bson) w;
                PERFORM tine.remember(of_session, of_number, reply, clean);
            END IF;
        END
    $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tine FROM PUBLIC;
GRANT USAGE ON SCHEMA tine TO tine_writer;
GRANT EXECUTE ON FUNCTION tine.recall, tine.remember TO tine_writer, tine_gateway;
GRANT EXECUTE ON FUNCTION tine.forget_records TO tine_gateway;
GRANT EXECUTE ON FUNCTION tine.insert_once, tine.update_once, tine.delete_once, tine.find_and_modify_once TO tine_writer;

-- The gateway removes the files of cursors, those without a time-out at their proper time. The engine's own job, every minute, knows
-- one limit for all of them, and cost an idle node a new backend each time.
UPDATE cron.job SET active = false WHERE command LIKE '%cursor_directory_cleanup%';
