package gateway_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// What a user with readWrite on "mine" tries to get more than that. None of it succeeds, and none changes the user's grants.
func TestUsersCannotGainRights(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	as := g.roleUsers(t)
	root, me := bson.A{"root"}, "readWrite"
	write := bson.A{kv("_id", "x")}
	js := kv("body", "function() { return 1 }", "args", bson.A{}, "lang", "js")
	accumulator := kv("init", "function() {}", "accumulate", "function() {}", "accumulateArgs", bson.A{}, "merge", "function() {}", "lang", "js")
	for i, c := range []struct {
		db      string
		command bson.D
	}{
		{"admin", kv("insert", "system.users", "documents", write)},
		{"admin", kv("update", "system.users", "updates", bson.A{kv("q", kv(), "u", kv("$set", kv("roles", root)))})},
		{"admin", kv("find", "system.users")},
		{"admin", kv("find", "system.roles")},
		{"admin", kv("insert", "c", "documents", write)},
		{"mine", kv("insert", "system.users", "documents", write)},
		{"mine", kv("find", "system.users")},
		{"mine", kv("create", "system.views")},
		{"mine", kv("insert", "system.js", "documents", write)},
		{"config", kv("find", "system.sessions")},
		{"local", kv("find", "oplog.rs")},
		{"admin", kv("createUser", "mine", "pwd", userPassword, "roles", root)},
		{"mine", kv("createUser", "mine", "pwd", userPassword, "roles", root)},
		{"admin", kv("grantRolesToUser", me, "roles", root)},
		{"admin", kv("updateUser", me, "roles", root)},
		{"admin", kv("updateUser", me, "pwd", userPassword, "roles", root)},
		{"admin", kv("updateUser", me, "customData", kv("a", 1))},
		{"admin", kv("updateUser", "doadmin", "pwd", userPassword)},
		{"admin", kv("updateUser", "somebody", "pwd", userPassword)},
		{"admin", kv("dropUser", "doadmin")},
		{"admin", kv("dropAllUsersFromDatabase", 1)},
		{"admin", kv("usersInfo", kv("user", "doadmin", "db", "admin"))},
		{"admin", kv("createRole", "r", "privileges", bson.A{}, "roles", root)},
		{"admin", kv("grantRolesToRole", "readWrite", "roles", root)},
		{"mine", kv("mapReduce", "c", "map", "function() {}", "reduce", "function() {}", "out", kv("replace", "x", "db", "other"))},
		{"mine", kv("find", "c", "filter", kv("$where", "sleep(1) || true"))},
		{"mine", kv("find", "c", "filter", kv("$expr", kv("$function", js)))},
		{"mine", pipelineOn("c", kv("$project", kv("x", kv("$function", js))))},
		{"mine", pipelineOn("c", kv("$group", kv("_id", 1, "x", kv("$accumulator", accumulator))))},
		{"mine", pipelineOn("c", kv("$out", kv("db", "admin", "coll", "system.users")))},
		{"mine", kv("renameCollection", "mine.c", "to", "other.c2")},
		{"admin", kv("renameCollection", "other.c", "to", "mine.c2")},
		{"admin", kv("renameCollection", "mine.c", "to", "mine.system.users")},
		{"admin", kv("bulkWrite", 1, "ops", bson.A{kv("insert", 0, "document", kv())}, "nsInfo", bson.A{kv("ns", "other.c")})},
		{"admin", kv("bulkWrite", 1, "ops", bson.A{kv("insert", 1, "document", kv())}, "nsInfo", bson.A{kv("ns", "mine.c"), kv("ns", "admin.system.users")})},
		{"mine", kv("explain", kv("find", "c", "$db", "other"))},
		{"mine", kv("dropDatabase", 1)},
		{"mine", kv("eval", "1")},
		{"mine", kv("applyOps", bson.A{})},
		{"admin", kv("killAllSessions", bson.A{})},
		{"admin", kv("setParameter", 1, "logLevel", 5)},
		{"admin", kv("shutdown", 1)},
		{"documentdb_core", kv("find", "c")},
		{"pg_catalog", kv("find", "pg_authid")},
		{"tine", kv("find", "users")},
		{"postgres", kv("listCollections", 1)},
	} {
		if reply := as.run(t, me, c.db, c.command); reply.Lookup("ok").Double() == 1 {
			t.Errorf("%d: %v on %s answers %v", i, c.command, c.db, reply)
		}
	}
	var found struct {
		Users []struct{ Roles []bson.D }
	}
	if err := g.client(t).Database("admin").RunCommand(t.Context(), kv("usersInfo", me)).Decode(&found); err != nil || len(found.Users[0].Roles) != 1 {
		t.Errorf("the user is now %v, %v", found, err)
	}
}

// Names that mean something to PostgreSQL mean nothing here.
func TestNamesOfPostgreSQLAreNamesOfCollections(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	as := g.roleUsers(t)
	for _, name := range []string{
		"pg_catalog", "pg_authid", "tine.users", "tine.grants", "documentdb_data.documents_1", "documents_1", "pg_catalog.pg_authid",
		`x"; SET ROLE postgres; --`, "'); DROP TABLE tine.users; --", "information_schema.tables", "$1",
	} {
		if name != "$1" { // MongoDB has no such collections
			wantOK(t, as.run(t, "readWrite", "mine", kv("insert", name, "documents", bson.A{kv("_id", "only")})))
		}
		reply := as.run(t, "readOnly", "mine", kv("count", name))
		if n := reply.Lookup("n").Int32(); reply.Lookup("ok").Double() == 1 && n > 1 {
			t.Errorf("%s holds %d documents", name, n)
		}
		reply = as.run(t, "readOnly", "mine", pipelineOn("c", kv("$lookup", kv("from", name, "pipeline", bson.A{}, "as", "x"))))
		if text := reply.String(); len(text) > 2000 {
			t.Errorf("$lookup of %s answers %d bytes", name, len(text))
		}
	}
}

// What belongs to one user is out of another one's reach.
func TestCursorsSessionsAndOperationsAreTheirUsers(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	as := g.roleUsers(t)
	g.user(t, "peer", on("readWrite", "mine"))
	must(g.client(t).Database("mine").Collection("c").InsertMany(t.Context(), []any{kv("a", 2), kv("a", 3), kv("a", 4)}))(t)
	page := as.run(t, "readWrite", "mine", kv("find", "c", "batchSize", 1))
	id := page.Lookup("cursor", "id").Int64()
	wantRefused(t, as.run(t, "peer", "mine", kv("getMore", id, "collection", "c")))
	wantRefused(t, as.run(t, "root", "mine", kv("getMore", id, "collection", "c")))
	if reply := as.run(t, "peer", "mine", kv("killCursors", "c", "cursors", bson.A{id})); len(reply.Lookup("cursorsKilled").Array()) > 5 {
		t.Errorf("another user's cursor was killed: %v", reply)
	}
	wantOK(t, as.run(t, "readWrite", "mine", kv("getMore", id, "collection", "c")))

	lsid := inSession(9, 1, bson.E{Key: "autocommit", Value: false})
	begin := append(kv("insert", "c", "documents", bson.A{kv("_id", "mine alone")}, "startTransaction", true), lsid...)
	wantOK(t, as.run(t, "readWrite", "mine", begin))
	commit := append(kv("commitTransaction", 1), lsid...)
	if reply := as.run(t, "peer", "admin", commit); reply.Lookup("ok").Double() == 1 {
		t.Errorf("another user's transaction was committed: %v", reply)
	}
	wantOK(t, as.run(t, "peer", "admin", kv("killSessions", bson.A{lsid[0].Value})))               // its own of that id
	named := kv("id", lsid[0].Value.(bson.D)[0].Value, "uid", bson.Binary{Data: make([]byte, 32)}) //nolint:errcheck,forcetypeassert // as inSession makes it
	wantRefused(t, as.run(t, "peer", "mine", kv("find", "c", "lsid", named)))
	wantOK(t, as.run(t, "readWrite", "admin", commit))
	if n := as.run(t, "readOnly", "mine", kv("count", "c", "query", kv("_id", "mine alone"))).Lookup("n").Int32(); n != 1 {
		t.Error("the transaction was ended by another user")
	}
}

func TestOperationsOfOthersAreNeitherSeenNorKilled(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	as := g.roleUsers(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := g.holdUp(ctx, t)
	opid := g.awaitOperation(ctx, t)
	for _, user := range []string{"nothing", "readOnly", "readWrite", "dbAdmin"} {
		wantRefused(t, as.run(t, user, "admin", kv("currentOp", 1)))
		wantRefused(t, as.run(t, user, "admin", pipelineOn(1, kv("$currentOp", kv("allUsers", true)))))
		wantRefused(t, as.run(t, user, "admin", kv("killOp", 1, "op", opid)))
		own := as.run(t, user, "admin", kv("currentOp", 1, "$ownOps", true, "op", "remove"))
		if list := own.Lookup("inprog"); own.Lookup("ok").Double() != 1 || len(list.Array()) > 5 {
			t.Errorf("%s sees %v", user, own)
		}
	}
	wantOK(t, as.run(t, "root", "admin", kv("killOp", 1, "op", opid)))
	if err := <-ended; err == nil {
		t.Error("the killed operation succeeded")
	}
}

// holdUp runs a delete of doadmin's that waits for a lock of the test's own, and returns how it ends.
func (g *gw) holdUp(ctx context.Context, tb testing.TB) <-chan error {
	tb.Helper()
	other := g.client(tb)
	session := must(other.StartSession())(tb)
	if err := session.StartTransaction(); err != nil {
		tb.Fatal(err)
	}
	inTxn := mongo.NewSessionContext(ctx, session)
	must(other.Database("mine").Collection("c").UpdateMany(inTxn, kv(), kv("$set", kv("held", true))))(tb)
	tb.Cleanup(func() { session.EndSession(context.WithoutCancel(ctx)) })
	ended, client := make(chan error, 1), g.client(tb)
	go func() {
		ended <- client.Database("mine").RunCommand(ctx, kv("delete", "c", "deletes", bson.A{kv("q", kv(), "limit", 0)})).Err()
	}()
	return ended
}

// awaitOperation waits until the delete is listed, and returns its number.
func (g *gw) awaitOperation(ctx context.Context, tb testing.TB) int32 {
	tb.Helper()
	admin := g.client(tb).Database("admin")
	for ctx.Err() == nil {
		var list struct {
			Inprog []struct{ Opid int32 }
		}
		if err := admin.RunCommand(ctx, kv("currentOp", 1, "op", "remove", "ns", "mine.c")).Decode(&list); err != nil {
			tb.Fatal(err)
		}
		if len(list.Inprog) > 0 {
			return list.Inprog[0].Opid
		}
	}
	tb.Fatal("the operation is not listed")
	return 0
}
