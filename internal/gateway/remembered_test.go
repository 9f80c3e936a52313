package gateway_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// A backend whose statement began before a name was given up, and reads the name after that, does not remember it: once the command is over, it finds nothing there.
func TestBackendsDoNotRememberWhatANameWas(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	admin, onlooker := db.Client().Database("admin"), superuser(t)
	must(db.Collection("base").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}))(t)
	for name, tt := range map[string]struct {
		make, end bson.D
	}{
		"dropped": {
			bson.D{{Key: "create", Value: "dropped"}, {Key: "viewOn", Value: "base"}, {Key: "pipeline", Value: bson.A{}}},
			bson.D{{Key: "drop", Value: "dropped"}},
		},
		"changed": {
			bson.D{{Key: "create", Value: "changed"}, {Key: "viewOn", Value: "base"}, {Key: "pipeline", Value: bson.A{}}},
			bson.D{{Key: "collMod", Value: "changed"}, {Key: "viewOn", Value: "none"}, {Key: "pipeline", Value: bson.A{}}},
		},
		"renamed": {
			bson.D{{Key: "insert", Value: "renamed"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}}}}},
			bson.D{{Key: "renameCollection", Value: db.Name() + ".renamed"}, {Key: "to", Value: db.Name() + ".other"}},
		},
	} {
		if err := db.RunCommand(t.Context(), tt.make).Err(); err != nil {
			t.Fatal(name, err)
		}
		catalog := func() (row string) {
			err := onlooker.QueryRow(t.Context(), `SELECT coalesce(string_agg(c::text, ''), '') FROM documentdb_api_catalog.collections c
				WHERE database_name = $1 AND collection_name = $2`, db.Name(), name).Scan(&row)
			if err != nil {
				t.Fatal(name, err)
			}
			return row
		}
		before, spec := catalog(), must(bson.Marshal(bson.D{{Key: "find", Value: name}}))(t)
		backend := superuser(t)
		old := must(backend.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead}))(t)
		must(old.Exec(t.Context(), "SELECT count(*) FROM documentdb_api_catalog.collections"))(t) // it has its snapshot from here on
		done := make(chan error, 1)
		go func() {
			on := db
			if tt.end[0].Key == "renameCollection" {
				on = admin
			}
			done <- on.RunCommand(t.Context(), tt.end).Err()
		}()
		for deadline := time.Now().Add(20 * time.Second); catalog() == before; {
			if time.Now().After(deadline) {
				t.Fatal(name, " stays as it was")
			}
		}
		const find = "SELECT document FROM documentdb_api_catalog.bson_aggregation_find($1, $2::bytea::documentdb_core.bson)"
		count := func(rows pgx.Rows, err error) (n int) {
			t.Helper()
			if err != nil {
				t.Fatal(name, err)
			}
			for rows.Next() {
				n++
			}
			if rows.Err() != nil {
				t.Fatal(name, rows.Err())
			}
			return n
		}
		if n := count(old.Query(t.Context(), find, pgx.QueryExecModeExec, db.Name(), spec)); n != 1 {
			t.Errorf("%s: who began before finds %d documents, want 1", name, n)
		}
		if err := old.Commit(t.Context()); err != nil {
			t.Fatal(name, err)
		}
		if err := <-done; err != nil {
			t.Fatal(name, err)
		}
		if n := count(backend.Query(t.Context(), find, pgx.QueryExecModeExec, db.Name(), spec)); n != 0 {
			t.Errorf("%s: a backend remembers it: it finds %d documents", name, n)
		}
	}
}
