package gateway_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// backend is a connection as the gateway makes them for a role: without its table of privileges before it.
func backend(tb testing.TB, role string) *pgx.Conn {
	tb.Helper()
	conn := must(pgx.Connect(tb.Context(), "host="+socketDir(tb)+" user=tine_gateway dbname=postgres"))(tb)
	tb.Cleanup(func() { _ = conn.Close(tb.Context()) })
	if _, err := conn.Exec(tb.Context(), "SET ROLE "+role); err != nil {
		tb.Fatal(err)
	}
	return conn
}

// wantDenied fails the test if a statement failed because it is not a proper one: then it would show nothing.
func wantDenied(tb testing.TB, sql string, err error) {
	tb.Helper()
	if pe, ok := errors.AsType[*pgconn.PgError](err); err != nil && (!ok || pe.Code != "42501") {
		tb.Errorf("%s failed for another reason than rights: %v", sql, err)
	}
}

// engineWrites are the engine's functions that change something, each with a command that would.
func engineWrites(tb testing.TB) map[string][]any {
	tb.Helper()
	raw := func(d bson.D) []byte { return must(bson.Marshal(d))(tb) }
	out := raw(pipelineOn("c", kv("$out", "stolen")))
	return map[string][]any{
		"SELECT p_success FROM documentdb_api.insert('mine', $1::bytea)":                            {raw(kv("insert", "c", "documents", bson.A{kv("by", "barrier")}))},
		"SELECT p_success FROM documentdb_api.update('mine', $1::bytea)":                            {raw(kv("update", "c", "updates", bson.A{kv("q", kv(), "u", kv("$set", kv("by", "barrier")))}))},
		"SELECT p_success FROM documentdb_api.delete('mine', $1::bytea)":                            {raw(kv("delete", "c", "deletes", bson.A{kv("q", kv(), "limit", 0)}))},
		"SELECT p_success FROM documentdb_api.find_and_modify('mine', $1::bytea)":                   {raw(kv("findAndModify", "c", "query", kv(), "remove", true))},
		"SELECT cursorid = 0 FROM documentdb_api.aggregate_cursor_first_page('mine', $1::bytea, 0)": {out},
		"SELECT documentdb_api.create_collection_view('mine', $1::bytea) IS NOT NULL":               {raw(kv("create", "made"))},
		"SELECT documentdb_api.coll_mod('mine', 'c', $1::bytea) IS NOT NULL":                        {raw(kv("collMod", "c", "validator", kv("a", 1)))},
		"SELECT documentdb_api.drop_collection('mine', 'c')":                                        nil,
		"SELECT documentdb_api.drop_database('mine') IS NULL":                                       nil,
		"SELECT documentdb_api.rename_collection('mine', 'c', 'd') IS NULL":                         nil,
		"SELECT known FROM tine.insert_once('mine', $1::bytea, NULL, '\\x01', 1)":                   {raw(kv("insert", "c", "documents", bson.A{kv()}))},
		"DELETE FROM documentdb_data.documents_1":                                                   nil,
	}
}

// Were there a hole in the table of privileges, PostgreSQL would still keep who may only read from writing.
func TestEngineRefusesWritesOfReadersWithoutTheTable(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	g.roleUsers(t)
	conn := backend(t, "tine_reader")
	for sql, args := range engineWrites(t) {
		var done *bool
		// The engine reports some refusals as a reply that says so.
		err := conn.QueryRow(t.Context(), sql, args...).Scan(&done)
		if err == nil && (done == nil || *done) {
			t.Errorf("a reader's %s was carried out", sql)
		}
		wantDenied(t, sql, err)
	}
	docs := must(g.client(t).Database("mine").Collection("c").Find(t.Context(), kv()))(t)
	var all []bson.M
	if err := docs.All(t.Context(), &all); err != nil || len(all) != 1 || all[0]["by"] != nil {
		t.Errorf("mine.c is now %v, %v", all, err)
	}
	if names := must(g.client(t).Database("mine").ListCollectionNames(t.Context(), kv()))(t); len(names) != 1 {
		t.Errorf("mine now has %v", names)
	}
}

// Neither role that work runs under reaches users, PostgreSQL's catalogs of secrets, files, programs or other roles.
func TestEngineRolesReachNothingButDocuments(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"tine_reader", "tine_writer"} {
		conn := backend(t, role)
		for _, sql := range []string{
			"SELECT * FROM tine.users", "SELECT * FROM tine.grants", "UPDATE tine.grants SET role = 'root'", "DELETE FROM tine.users", "DROP TABLE tine.users",
			"INSERT INTO tine.users (name, verifier) VALUES ('x', 'SCRAM-SHA-256$1:a$b:c')", "SELECT * FROM tine.numbered",
			"SELECT rolpassword FROM pg_authid", "SELECT pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('/')", "COPY (SELECT 1) TO '/tmp/x'",
			"COPY (SELECT 1) TO PROGRAM 'true'", "ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()", "CREATE ROLE x SUPERUSER",
			"ALTER ROLE tine_gateway SUPERUSER", "CREATE EXTENSION dblink", "CREATE FUNCTION public.f() RETURNS int LANGUAGE internal AS 'pg_backend_pid'",
			"SELECT lo_import('/etc/passwd')", "CREATE TABLE public.x (a int)", "SET SESSION AUTHORIZATION postgres", "CREATE DATABASE x",
		} {
			_, err := conn.Exec(t.Context(), sql)
			if err == nil {
				t.Errorf("%s can %s", role, sql)
			}
			wantDenied(t, sql, err)
		}
		for _, other := range []string{"postgres", "pg_read_all_data", "pg_execute_server_program", "pg_write_server_files"} {
			if _, err := conn.Exec(t.Context(), "SET ROLE "+other); err == nil {
				t.Errorf("%s can become %s", role, other)
			}
		}
	}
}
