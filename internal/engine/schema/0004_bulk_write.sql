-- The writes of a bulkWrite, one after the other, in one transaction: either all that it reports is there or nothing is. The replies
-- follow each other in the result; a BSON document says where it ends.
CREATE FUNCTION tine.bulk_write(
    kinds text[], dbs text[], specs bytea[], sequences bytea[], is_ordered boolean,
    OUT reply bytea, OUT clean boolean)
    LANGUAGE plpgsql VOLATILE
    AS $$
        DECLARE
            w       record;
            one     bytea;
            done    boolean;
            replies bytea[] := '{}';
        BEGIN
            clean := true;
            FOR w IN SELECT u.kind, u.db, u.spec, u.seq FROM unnest(kinds, dbs, specs, sequences) AS u(kind, db, spec, seq) LOOP
                CASE w.kind
                    WHEN 'insert' THEN
                        SELECT r.p_result::bytea, r.p_success INTO one, done FROM documentdb_api.insert(
                            w.db, w.spec::documentdb_core.bson, w.seq::documentdb_core.bsonsequence) r;
                    WHEN 'update' THEN
                        SELECT r.p_result::bytea, r.p_success INTO one, done FROM documentdb_api.update(
                            w.db, w.spec::documentdb_core.bson, w.seq::documentdb_core.bsonsequence) r;
                    WHEN 'delete' THEN
                        SELECT r.p_result::bytea, r.p_success INTO one, done FROM documentdb_api.delete(
                            w.db, w.spec::documentdb_core.bson, w.seq::documentdb_core.bsonsequence) r;
                END CASE;
                replies := replies || one;
                clean := clean AND done;
                EXIT WHEN is_ordered AND NOT done;
            END LOOP;
            SELECT coalesce(string_agg(r.one, ''::bytea ORDER BY r.place), '') INTO reply
            FROM unnest(replies) WITH ORDINALITY AS r(one, place);
        END
    $$;

-- The same with a record, as tine.insert_once.
CREATE FUNCTION tine.bulk_write_once(
    kinds text[], dbs text[], specs bytea[], sequences bytea[], is_ordered boolean, of_session bytea, of_number bigint,
    OUT reply bytea, OUT clean boolean, OUT known boolean)
    LANGUAGE plpgsql VOLATILE
    AS $$
        BEGIN
            SELECT r.known, r.reply, r.clean INTO known, reply, clean FROM tine.recall(of_session, of_number) r;
            IF NOT known THEN
                SELECT w.reply, w.clean INTO reply, clean FROM tine.bulk_write(kinds, dbs, specs, sequences, is_ordered) w;
                PERFORM tine.remember(of_session, of_number, reply, clean);
            END IF;
        END
    $$;

REVOKE ALL ON FUNCTION tine.bulk_write, tine.bulk_write_once FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tine.bulk_write, tine.bulk_write_once TO tine_writer;
