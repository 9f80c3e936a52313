-- What numbered writes cost: a driver numbers every write, so their record must be nearly free.

-- Makes the first record of a session.
CREATE FUNCTION tine.remember_first(of_session bytea, of_number bigint, with_reply bytea, is_clean boolean) RETURNS void
    LANGUAGE plpgsql VOLATILE
    AS $$
        BEGIN
            INSERT INTO tine.numbered (session, number, reply, clean) VALUES (of_session, of_number, with_reply, is_clean)
            ON CONFLICT (session) DO NOTHING;
            IF NOT FOUND THEN -- the record is of this number or of a later one: what was written is undone
                RAISE EXCEPTION USING ERRCODE = 'M00F5',
                    MESSAGE = format('txnNumber %s is not greater than the latest txnNumber of this session', of_number);
            END IF;
        END
    $$;

-- The engine's writes with a record. Who calls them knows whether the number is a new one: it has seen a lesser one of the session. Then
-- there is no record to be asked for, but a write of a number before may still be under way. The record is made here and not by a function
-- with other rights: to change roles and settings twice for each write costs as much as the record itself.
DROP FUNCTION tine.insert_once, tine.update_once, tine.delete_once, tine.find_and_modify_once, tine.bulk_write_once;

CREATE FUNCTION tine.insert_once(
    db text, spec bytea, documents bytea, of_session bytea, of_number bigint, is_new boolean,
    OUT reply bytea, OUT clean boolean, OUT known boolean)
    LANGUAGE plpgsql VOLATILE
    AS $$
        BEGIN
            known := false;
            IF NOT is_new THEN
                SELECT r.known, r.reply, r.clean INTO known, reply, clean FROM tine.recall(of_session, of_number) r;
            ELSIF NOT pg_try_advisory_xact_lock(hashtextextended(encode(of_session, 'hex'), 0)) THEN
                PERFORM pg_advisory_xact_lock(hashtextextended(encode(of_session, 'hex'), 0));
            END IF;
            IF NOT known THEN
                SELECT w.p_result::bytea, w.p_success INTO reply, clean
                FROM documentdb_api.insert(db, spec::documentdb_core.bson, documents::documentdb_core.bsonsequence) w;
                UPDATE tine.numbered n SET number = of_number, reply = insert_once.reply, clean = insert_once.clean, written_at = now()
                WHERE n.session = of_session AND n.number < of_number;
                IF NOT FOUND THEN
                    PERFORM tine.remember_first(of_session, of_number, reply, clean);
                END IF;
            END IF;
        END
    $$;

CREATE FUNCTION tine.update_once(
    db text, spec bytea, updates bytea, of_session bytea, of_number bigint, is_new boolean,
    OUT reply bytea, OUT clean boolean, OUT known boolean)
    LANGUAGE plpgsql VOLATILE
    AS $$
        BEGIN
            known := false;
            IF NOT is_new THEN
                SELECT r.known, r.reply, r.clean INTO known, reply, clean FROM tine.recall(of_session, of_number) r;
            ELSIF NOT pg_try_advisory_xact_lock(hashtextextended(encode(of_session, 'hex'), 0)) THEN
                PERFORM pg_advisory_xact_lock(hashtextextended(encode(of_session, 'hex'), 0));
            END IF;
            IF NOT known THEN
                SELECT w.p_result::bytea, w.p_success INTO reply, clean
                FROM documentdb_api.update(db, spec::documentdb_core.bson, updates::documentdb_core.bsonsequence) w;
                UPDATE tine.numbered n SET number = of_number, reply = update_once.reply, clean = update_once.clean, written_at = now()
                WHERE n.session = of_session AND n.number < of_number;
                IF NOT FOUND THEN
                    PERFORM tine.remember_first(of_session, of_number, reply, clean);
                END IF;
            END IF;
        END
    $$;

CREATE FUNCTION tine.delete_once(
    db text, spec bytea, deletes bytea, of_session bytea, of_number bigint, is_new boolean,
    OUT reply bytea, OUT clean boolean, OUT known boolean)
    LANGUAGE plpgsql VOLATILE
    AS $$
        BEGIN
            known := false;
            IF NOT is_new THEN
                SELECT r.known, r.reply, r.clean INTO known, reply, clean FROM tine.recall(of_session, of_number) r;
            ELSIF NOT pg_try_advisory_xact_lock(hashtextextended(encode(of_session, 'hex'), 0)) THEN
                PERFORM pg_advisory_xact_lock(hashtextextended(encode(of_session, 'hex'), 0));
            END IF;
            IF NOT known THEN
                SELECT w.p_result::bytea, w.p_success INTO reply, clean
                FROM documentdb_api.delete(db, spec::documentdb_core.bson, deletes::documentdb_core.bsonsequence) w;
                UPDATE tine.numbered n SET number = of_number, reply = delete_once.reply, clean = delete_once.clean, written_at = now()
                WHERE n.session = of_session AND n.number < of_number;
                IF NOT FOUND THEN
                    PERFORM tine.remember_first(of_session, of_number, reply, clean);
                END IF;
            END IF;
        END
    $$;

CREATE FUNCTION tine.find_and_modify_once(
    db text, spec bytea, of_session bytea, of_number bigint, is_new boolean,
    OUT reply bytea, OUT clean boolean, OUT known boolean)
    LANGUAGE plpgsql VOLATILE
    AS $$
        BEGIN
            known := false;
            IF NOT is_new THEN
                SELECT r.known, r.reply, r.clean INTO known, reply, clean FROM tine.recall(of_session, of_number) r;
            ELSIF NOT pg_try_advisory_xact_lock(hashtextextended(encode(of_session, 'hex'), 0)) THEN
                PERFORM pg_advisory_xact_lock(hashtextextended(encode(of_session, 'hex'), 0));
            END IF;
            IF NOT known THEN
                SELECT w.p_result::bytea, w.p_success INTO reply, clean
                FROM documentdb_api.find_and_modify(db, spec::documentdb_core.bson) w;
                UPDATE tine.numbered n SET number = of_number, reply = find_and_modify_once.reply, clean = find_and_modify_once.clean, written_at = now()
                WHERE n.session = of_session AND n.number < of_number;
                IF NOT FOUND THEN
                    PERFORM tine.remember_first(of_session, of_number, reply, clean);
                END IF;
            END IF;
        END
    $$;

CREATE FUNCTION tine.bulk_write_once(
    kinds text[], dbs text[], specs bytea[], sequences bytea[], is_ordered boolean,
    of_session bytea, of_number bigint, is_new boolean,
    OUT reply bytea, OUT clean boolean, OUT known boolean)
    LANGUAGE plpgsql VOLATILE
    AS $$
        BEGIN
            known := false;
            IF NOT is_new THEN
                SELECT r.known, r.reply, r.clean INTO known, reply, clean FROM tine.recall(of_session, of_number) r;
            ELSIF NOT pg_try_advisory_xact_lock(hashtextextended(encode(of_session, 'hex'), 0)) THEN
                PERFORM pg_advisory_xact_lock(hashtextextended(encode(of_session, 'hex'), 0));
            END IF;
            IF NOT known THEN
                SELECT w.reply, w.clean INTO reply, clean FROM tine.bulk_write(kinds, dbs, specs, sequences, is_ordered) w;
                UPDATE tine.numbered n SET number = of_number, reply = bulk_write_once.reply, clean = bulk_write_once.clean, written_at = now()
                WHERE n.session = of_session AND n.number < of_number;
                IF NOT FOUND THEN
                    PERFORM tine.remember_first(of_session, of_number, reply, clean);
                END IF;
            END IF;
        END
    $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tine FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tine.insert_once, tine.update_once, tine.delete_once, tine.find_and_modify_once, tine.bulk_write_once,
    tine.remember_first TO tine_writer;
GRANT INSERT, UPDATE, SELECT (session, number) ON tine.numbered TO tine_writer;
