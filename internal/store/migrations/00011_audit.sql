-- +goose Up
-- Who asked for which change. A row is written before the change is tried, its outcome after: a row without an outcome is a
-- change that was interrupted, and may have happened.
CREATE TABLE tine.audit (
    id         bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at         timestamptz NOT NULL,
    -- Copies, without foreign keys: the log outlives what it speaks of.
    token_id   uuid        NOT NULL,
    token_name text        NOT NULL,
    remote     text        NOT NULL,
    request_id text        NOT NULL,
    action     text        NOT NULL,
    path       text        NOT NULL,
    cluster_id uuid
);
CREATE INDEX audit_cluster ON tine.audit (cluster_id, id) WHERE cluster_id IS NOT NULL;
CREATE TABLE tine.audit_outcomes (
    audit_id   bigint      PRIMARY KEY REFERENCES tine.audit,
    at         timestamptz NOT NULL,
    status     integer     NOT NULL,
    message    text        NOT NULL,
    -- The cluster that the change made.
    cluster_id uuid
);
CREATE INDEX audit_outcomes_cluster ON tine.audit_outcomes (cluster_id, audit_id) WHERE cluster_id IS NOT NULL;

-- +goose StatementBegin
CREATE FUNCTION tine.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the table % is append-only', TG_TABLE_NAME;
    END
$$;
-- +goose StatementEnd
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tine.audit
    FOR EACH STATEMENT EXECUTE FUNCTION tine.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tine.audit_outcomes
    FOR EACH STATEMENT EXECUTE FUNCTION tine.refuse_change();
