package gateway_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// givenUp is a name that a command gives up, or changes what it stands for.
type givenUp struct {
	// make makes what has the name "given", beside a collection "base" of one document.
	make func(db *mongo.Database) bson.D
	// end is the command.
	end func(db *mongo.Database) bson.D
	// before is how many documents who began before the command finds after it.
	before int
	// taken says that the name stands for something still.
	taken bool
}

// A backend whose statement began before a name was given up, and reads the name after that, does not remember it: once the command is over, it finds nothing there,
// and can make a collection of that name.
func TestBackendsDoNotRememberWhatANameWas(t *testing.T) {
	t.Parallel()
	command := func(d bson.D) func(*mongo.Database) bson.D { return func(*mongo.Database) bson.D { return d } }
	collection := command(bson.D{{Key: "insert", Value: "given"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}}}}})
	view := func(on string, stages ...any) func(*mongo.Database) bson.D {
		return command(bson.D{{Key: "create", Value: "given"}, {Key: "viewOn", Value: on}, {Key: "pipeline", Value: append(bson.A{}, stages...)}})
	}
	// It needs no collection to find something.
	facet := bson.D{{Key: "$facet", Value: bson.D{{Key: "all", Value: bson.A{bson.D{{Key: "$limit", Value: 1}}}}}}}
	db := open(t, nil).database(t)
	for name, of := range map[string]givenUp{
		"drop": {make: view("base"), end: command(bson.D{{Key: "drop", Value: "given"}}), before: 1},
		"collMod": {make: view("base"), end: command(bson.D{
			{Key: "collMod", Value: "given"}, {Key: "viewOn", Value: "none"}, {Key: "pipeline", Value: bson.A{}},
		}), before: 1, taken: true},
		"rename": {make: collection, end: func(db *mongo.Database) bson.D {
			return bson.D{{Key: "renameCollection", Value: db.Name() + ".given"}, {Key: "to", Value: db.Name() + ".other"}}
		}, before: 1},
		"dropDatabase of a view":       {make: view("base", facet), end: command(bson.D{{Key: "dropDatabase", Value: 1}}), before: 1},
		"dropDatabase of a collection": {make: collection, end: command(bson.D{{Key: "dropDatabase", Value: 1}}), before: 0},
	} {
		of.check(t, name, db)
	}
}

func (of givenUp) check(t *testing.T, name string, db *mongo.Database) {
	t.Helper()
	if err := db.Drop(t.Context()); err != nil {
		t.Fatal(name, err)
	}
	must(db.Collection("base").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}))(t)
	if err := db.RunCommand(t.Context(), of.make(db)).Err(); err != nil {
		t.Fatal(name, err)
	}
	onlooker, backend := superuser(t), backend(t, "tine_writer")
	catalog := func() (row string) {
		err := onlooker.QueryRow(t.Context(), `SELECT coalesce(string_agg(c::text, ''), '') FROM documentdb_api_catalog.collections c
			WHERE database_name = $1 AND collection_name = 'given'`, db.Name()).Scan(&row)
		if err != nil {
			t.Fatal(name, err)
		}
		return row
	}
	before := catalog()
	old := must(backend.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead}))(t)
	must(old.Exec(t.Context(), "SELECT count(*) FROM documentdb_api_catalog.collections"))(t) // it has its snapshot from here on
	done, end := make(chan error, 1), of.end(db)
	go func() {
		on := db
		if end[0].Key == "renameCollection" {
			on = db.Client().Database("admin")
		}
		done <- on.RunCommand(t.Context(), end).Err()
	}()
	for deadline := time.Now().Add(20 * time.Second); catalog() == before; {
		if time.Now().After(deadline) {
			t.Fatal(name, " stays as it was")
		}
	}
	if n := finds(t, old, db); n != of.before {
		t.Errorf("%s: who began before finds %d documents, want %d", name, n, of.before)
	}
	if err := old.Commit(t.Context()); err != nil {
		t.Fatal(name, err)
	}
	if err := <-done; err != nil {
		t.Fatal(name, err)
	}
	if n := finds(t, backend, db); n != 0 {
		t.Errorf("%s: a backend remembers it: it finds %d documents", name, n)
	}
	if of.taken {
		return
	}
	_, err := backend.Exec(t.Context(), "SELECT documentdb_api.insert($1, $2::bytea::documentdb_core.bson)", pgx.QueryExecModeExec, db.Name(),
		must(bson.Marshal(bson.D{{Key: "insert", Value: "given"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 2}}}}}))(t))
	if err != nil {
		t.Errorf("%s: a backend remembers it: %v", name, err)
	}
	if n := finds(t, backend, db); n != 1 {
		t.Errorf("%s: a backend that has made a collection of one document finds %d", name, n)
	}
}

// finds is how many documents a backend finds under the name.
func finds(t *testing.T, backend interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, db *mongo.Database,
) (n int) {
	t.Helper()
	rows, err := backend.Query(t.Context(), "SELECT document FROM documentdb_api_catalog.bson_aggregation_find($1, $2::bytea::documentdb_core.bson)",
		pgx.QueryExecModeExec, db.Name(), must(bson.Marshal(bson.D{{Key: "find", Value: "given"}}))(t))
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		n++
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return n
}
