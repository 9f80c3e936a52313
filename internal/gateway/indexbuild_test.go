package gateway_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// indexOn is the command that makes ascending indexes of those names on those fields.
func indexOn(coll string, fields ...string) bson.D {
	var list bson.A
	for _, f := range fields {
		list = append(list, kv("key", kv(f, 1), "name", f))
	}
	return kv("createIndexes", coll, "indexes", list)
}

func TestCreateIndexesAnswersAsMongoDB(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("there").InsertOne(t.Context(), byID(1)))(t)
	for _, c := range []struct {
		command       bson.D
		before, after int32
		made          bool
		note          string
	}{
		{indexOn("made", "a"), 1, 2, true, ""},
		{indexOn("made", "a"), 2, 2, false, "all indexes already exist"},
		{indexOn("made", "b", "c"), 2, 4, false, ""},
		{indexOn("there", "a"), 1, 2, false, ""},
	} {
		raw := must(db.RunCommand(t.Context(), c.command).Raw())(t)
		before, _ := raw.Lookup("numIndexesBefore").Int32OK()
		after, _ := raw.Lookup("numIndexesAfter").Int32OK()
		made, _ := raw.Lookup("createdCollectionAutomatically").BooleanOK()
		note, _ := raw.Lookup("note").StringValueOK()
		if before != c.before || after != c.after || made != c.made || note != c.note {
			t.Errorf("%v answers %v", c.command, raw)
		}
	}
}

// building is an index build that cannot go on before release is called.
type building struct {
	db      *mongo.Database
	su      *pgx.Conn
	op      bson.M
	release func()
	ended   chan error
}

// build starts an index build on c and returns in the middle of it, when PostgreSQL has the index but does not use it yet. Nothing but
// the command itself and what it leads to builds indexes then.
func (g *gw) build(tb testing.TB) *building {
	tb.Helper()
	b := &building{db: g.database(tb), su: superuser(tb), ended: make(chan error, 1)}
	must(b.db.Collection("c").InsertMany(tb.Context(), numbered(1000)))(tb)
	b.await(tb, "the gateway has looked for unfinished builds once, as it does at its start",
		"SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'idle' AND query LIKE 'SELECT EXISTS (SELECT FROM documentdb_api_catalog.documentdb_index_queue%'")
	_, b.release = block(tb, b.db.Collection("c"), "ROW EXCLUSIVE")
	client := g.client(tb)
	go func() {
		b.ended <- client.Database(b.db.Name()).RunCommand(tb.Context(), append(indexOn("c", "n"), bson.E{Key: "comment", Value: "build"})).Err()
	}()
	b.await(tb, "the index is half built", "SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid")
	b.op = operation(tb, b.db, "build")
	return b
}

// await returns when a query answers yes.
func (b *building) await(tb testing.TB, what, query string) {
	tb.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for yes := false; !yes; {
		if err := b.su.QueryRow(tb.Context(), query).Scan(&yes); err != nil {
			tb.Fatal(err)
		}
		if time.Now().After(deadline) {
			tb.Fatalf("never so: %s", what)
		}
	}
}

// wantWhole fails the test unless the index gets built without anybody asking for it again, and is there for who does.
func (b *building) wantWhole(tb testing.TB) {
	tb.Helper()
	b.await(tb, "the index is built", `SELECT NOT EXISTS (SELECT FROM documentdb_api_catalog.documentdb_index_queue)
		AND NOT EXISTS (SELECT FROM pg_index WHERE NOT indisvalid)`)
	raw := must(b.db.RunCommand(tb.Context(), indexOn("c", "n")).Raw())(tb)
	if n := raw.Lookup("numIndexesBefore").Int32(); n != 2 {
		tb.Errorf("asked for again, createIndexes answers %v", raw)
	}
	explain := kv("explain", kv("find", "c", "filter", kv("n", 5)), "verbosity", "queryPlanner")
	var got explained
	ok(tb, b.db.RunCommand(tb.Context(), explain).Decode(&got))
	if plan := stages(got.QueryPlanner.WinningPlan); plan != "FETCH IXSCAN" {
		tb.Errorf("the plan of a find is %s, want one that uses the index", plan)
	}
}

// stopped returns nil if there is no index, as MongoDB has none behind a build that was killed.
func (b *building) stopped(tb testing.TB) error {
	tb.Helper()
	indexes := must(b.db.Collection("c").Indexes().ListSpecifications(tb.Context()))(tb)
	if len(indexes) > 1 { // more than that of _id
		return errDiffers
	}
	return nil
}

func TestRunningIndexBuildIsListed(t *testing.T) {
	t.Parallel()
	b := open(t, nil).build(t)
	if b.op["ns"] != b.db.Name()+".c" || b.op["op"] != "command" || b.op["active"] != true {
		t.Errorf("the build is listed as %v", b.op)
	}
	b.release()
	ok(t, <-b.ended)
	b.wantWhole(t)
}

func TestKilledIndexBuildIsFinishedLater(t *testing.T) {
	t.Parallel()
	b := open(t, nil).build(t)
	ok(t, b.db.Client().Database("admin").RunCommand(t.Context(), kv("killOp", 1, "op", b.op["opid"])).Err())
	wantCode(t, <-b.ended, 11601)
	b.release()
	b.wantWhole(t)
	known(t, "stopping an index build", b.stopped(t))
}

func TestIndexBuildOutlivesItsClient(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	b := &building{db: db, su: superuser(t)}
	must(db.Collection("c").InsertMany(t.Context(), numbered(1000)))(t)
	_, release := block(t, db.Collection("c"), "ROW EXCLUSIVE")
	c := g.login(t, "doadmin", password)
	must(c.Write(opMsg(0, body(t, append(indexOn("c", "n"), bson.E{Key: "$db", Value: db.Name()})))))(t)
	b.await(t, "the index is half built", "SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid")
	ok(t, c.Close())
	release()
	b.wantWhole(t)
}

func TestIndexIsAskedForAgainAfterAKill(t *testing.T) {
	t.Parallel()
	b := open(t, nil).build(t)
	ok(t, b.db.Client().Database("admin").RunCommand(t.Context(), kv("killOp", 1, "op", b.op["opid"])).Err())
	wantCode(t, <-b.ended, 11601)
	b.release()
	ok(t, b.db.RunCommand(t.Context(), indexOn("c", "n")).Err()) // at once, while the rest of the first is being cleared away
	b.wantWhole(t)
}

// After a crash another process of the node can have the builder's number, for as long as the node runs: the engine would take the build for running.
func TestBuildOfALostProcessIsTakenUpWhoeverHasItsNumber(t *testing.T) {
	t.Parallel()
	b := open(t, nil).build(t)
	var builder int
	ok(t, b.su.QueryRow(t.Context(), "SELECT global_pid FROM documentdb_api_catalog.documentdb_index_queue").Scan(&builder))
	must(b.su.Exec(t.Context(), `UPDATE documentdb_api_catalog.documentdb_index_queue SET start_time = pg_postmaster_start_time() - interval '1 hour',
		global_pid = (SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer')`))(t)
	must(b.su.Exec(t.Context(), "SELECT pg_terminate_backend($1)", builder))(t)
	b.release()
	t.Logf("createIndexes ended with: %v", <-b.ended)
	b.wantWhole(t)
}
