package gateway_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/internal/gateway"
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
	db := open(t, func(c *gateway.Cluster) {
		c.Settings.TransactionLifetime = time.Nanosecond // a view that has just been made is as good as one of long ago
	}).database(t)
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
	var row string
	err := onlooker.QueryRow(t.Context(), `SELECT c::text FROM documentdb_api_catalog.collections c
		WHERE database_name = $1 AND collection_name = 'given'`, db.Name()).Scan(&row)
	if err != nil {
		t.Fatal(name, err)
	}
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
	within(t, onlooker, name, `SELECT NOT EXISTS (SELECT FROM documentdb_api_catalog.collections c WHERE database_name = $1 AND c::text = $2)
		AND `+noneChangesNames, db.Name(), row)
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
	_, err = backend.Exec(t.Context(), "SELECT documentdb_api.insert($1, $2::bytea::documentdb_core.bson)", pgx.QueryExecModeExec, db.Name(),
		must(bson.Marshal(bson.D{{Key: "insert", Value: "given"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 2}}}}}))(t))
	if err != nil {
		t.Errorf("%s: a backend remembers it: %v", name, err)
	}
	if n := finds(t, backend, db); n != 1 {
		t.Errorf("%s: a backend that has made a collection of one document finds %d", name, n)
	}
}

// A view that comes while dropDatabase waits for another collection goes with it, and no backend remembers it either.
func TestDropDatabaseOfAViewThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	for _, name := range []string{"first", "given"} {
		must(db.Collection(name).InsertOne(t.Context(), bson.D{}))(t)
	}
	onlooker, locker, backend := superuser(t), superuser(t), backend(t, "tine_writer")
	var table string
	ok(t, onlooker.QueryRow(t.Context(), `SELECT 'documentdb_data.documents_' || collection_id FROM documentdb_api_catalog.collections
		WHERE database_name = $1 AND collection_name = 'first'`, db.Name()).Scan(&table))
	lock := must(locker.Begin(t.Context()))(t)
	must(lock.Exec(t.Context(), "LOCK TABLE "+table+" IN ACCESS SHARE MODE"))(t)
	dropped := make(chan error, 1)
	go func() { dropped <- db.RunCommand(t.Context(), kv("dropDatabase", 1)).Err() }()
	within(t, onlooker, "dropDatabase to wait", "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = $1::text::regclass AND NOT granted)", table)
	ok(t, db.RunCommand(t.Context(), kv("drop", "given")).Err())
	stage := kv("$facet", kv("all", bson.A{kv("$limit", 1)})) // it needs no collection to find something
	ok(t, db.RunCommand(t.Context(), kv("create", "given", "viewOn", "none", "pipeline", bson.A{stage})).Err())
	old := must(backend.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead}))(t)
	must(old.Exec(t.Context(), "SELECT count(*) FROM documentdb_api_catalog.collections"))(t) // it has its snapshot from here on
	ok(t, lock.Rollback(t.Context()))
	within(t, onlooker, "the database to go", "SELECT NOT EXISTS (SELECT FROM documentdb_api_catalog.collections WHERE database_name = $1) AND "+noneChangesNames, db.Name())
	if n := finds(t, old, db); n != 1 {
		t.Errorf("who began before finds %d documents, want 1", n)
	}
	ok(t, old.Commit(t.Context()))
	ok(t, <-dropped)
	if n := finds(t, backend, db); n != 0 {
		t.Errorf("a backend remembers it: it finds %d documents", n)
	}
}

// A backend whose statement goes on for longer than a change waits for it remembers what the name was only until that statement has ended.
func TestBackendsForgetWhenALongStatementHasEnded(t *testing.T) {
	t.Parallel()
	db := openWith(t, gateway.Config{Times: gateway.Times{Names: time.Nanosecond}}, nil).database(t)
	stage := kv("$facet", kv("all", bson.A{kv("$limit", 1)})) // it needs no collection to find something
	ok(t, db.RunCommand(t.Context(), kv("create", "given", "viewOn", "none", "pipeline", bson.A{stage})).Err())
	backend := backend(t, "tine_writer")
	long := must(backend.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead}))(t)
	must(long.Exec(t.Context(), "SELECT count(*) FROM documentdb_api_catalog.collections"))(t) // it has its snapshot from here on
	ok(t, db.RunCommand(t.Context(), kv("drop", "given")).Err())
	if n := finds(t, long, db); n != 1 {
		t.Errorf("who began before finds %d documents, want 1", n)
	}
	ok(t, long.Commit(t.Context()))
	for deadline := time.Now().Add(20 * time.Second); finds(t, backend, db) != 0; {
		if time.Now().After(deadline) {
			t.Fatal("a backend remembers the view although the statement that it went on for has ended")
		}
	}
}

// noneChangesNames says that no transaction has changes of the catalog that it has not told all backends of: it has its lock until it has told them.
const noneChangesNames = `NOT EXISTS (SELECT FROM pg_locks WHERE relation = 'documentdb_api_catalog.collections'::regclass AND mode = 'RowExclusiveLock')`

// within returns when a query says so.
func within(t *testing.T, conn *pgx.Conn, what, sql string, args ...any) {
	t.Helper()
	done := false
	for deadline := time.Now().Add(20 * time.Second); !done; {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for ", what)
		}
		ok(t, conn.QueryRow(t.Context(), sql, args...).Scan(&done))
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
