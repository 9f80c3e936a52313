package gateway_test

import (
	"math"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/gateway"
)

// reply runs a command and returns its reply; the test fails if the command does.
func reply(tb testing.TB, db *mongo.Database, command bson.D) bson.M {
	tb.Helper()
	var m bson.M
	if err := db.RunCommand(tb.Context(), command).Decode(&m); err != nil {
		tb.Fatalf("%v: %v", command, err)
	}
	return m
}

// forget drops the engine's statistics, as a fork or a crash does.
func forget(tb testing.TB) {
	tb.Helper()
	if _, err := superuser(tb).Exec(tb.Context(), "SELECT pg_stat_reset()"); err != nil {
		tb.Fatal(err)
	}
}

func TestStatsCountExactly(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertMany(t.Context(), numbered(700)))(t)
	must(db.Collection("e").InsertMany(t.Context(), numbered(300)))(t)
	forget(t)
	must(db.Collection("c").InsertOne(t.Context(), bson.D{}))(t)
	stats := reply(t, db, bson.D{{Key: "collStats", Value: "c"}})
	if stats["count"] != int64(701) || stats["ok"] != 1.0 || stats["ns"] != db.Name()+".c" || stats["nindexes"] != int32(1) {
		t.Errorf("collStats is %v", stats)
	}
	if stats := reply(t, db, bson.D{{Key: "dbStats", Value: 1}}); stats["objects"] != int64(1001) || stats["ok"] != 1.0 || stats["collections"] != int64(2) {
		t.Errorf("dbStats is %v", stats)
	}
	if size := reply(t, db, bson.D{{Key: "dataSize", Value: db.Name() + ".c"}}); size["numObjects"] != int64(701) {
		t.Errorf("dataSize is %v", size)
	}
	if v := reply(t, db, bson.D{{Key: "validate", Value: "c"}, {Key: "full", Value: true}}); v["nrecords"] != int64(701) || v["valid"] != true {
		t.Errorf("validate says %v", v)
	}
	cur := must(db.Collection("c").Aggregate(t.Context(), mongo.Pipeline{
		{{Key: "$collStats", Value: bson.D{{Key: "count", Value: bson.D{}}, {Key: "storageStats", Value: bson.D{}}}}},
		{{Key: "$project", Value: bson.D{{Key: "count", Value: 1}, {Key: "stored", Value: "$storageStats.count"}}}},
	}))(t)
	var all []bson.M
	if err := cur.All(t.Context(), &all); err != nil || len(all) != 1 || all[0]["count"] != int64(701) || all[0]["stored"] != int64(701) {
		t.Errorf("$collStats is %v, %v", all, err)
	}
}

func TestStatsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	if stats := reply(t, db, bson.D{{Key: "collStats", Value: "none"}, {Key: "scale", Value: 1024}}); stats["count"] != int64(0) || stats["scaleFactor"] != int32(1024) {
		t.Errorf("collStats is %v", stats)
	}
	wantCode(t, db.RunCommand(t.Context(), bson.D{{Key: "collStats", Value: "none"}, {Key: "scale", Value: 0}}).Err(), 51024)
	wantCode(t, db.RunCommand(t.Context(), bson.D{{Key: "validate", Value: "none"}}).Err(), 26)
	wantCode(t, db.RunCommand(t.Context(), bson.D{{Key: "compact", Value: "none"}}).Err(), 26)
	wantCode(t, db.RunCommand(t.Context(), bson.D{{Key: "collMod", Value: "none"}, {Key: "validator", Value: bson.D{}}}).Err(), 26)
	wantCode(t, db.RunCommand(t.Context(), bson.D{{Key: "dataSize", Value: "other.c"}}).Err(), 73)
	_, err := db.Collection("none").Aggregate(t.Context(), mongo.Pipeline{{{Key: "$collStats", Value: bson.D{{Key: "latencyStats", Value: bson.D{}}}}}})
	wantCode(t, err, 115)
}

func TestCollectionsAreModifiedRenamedAndCompacted(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	ctx := t.Context()
	admin := db.Client().Database("admin")
	must(db.Collection("c").InsertMany(ctx, numbered(2000)))(t)
	must(db.Collection("c").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "at", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(60)}))(t)
	ttl := bson.D{{Key: "keyPattern", Value: bson.D{{Key: "at", Value: 1}}}, {Key: "expireAfterSeconds", Value: 120}}
	if r := reply(t, db, bson.D{{Key: "collMod", Value: "c"}, {Key: "index", Value: ttl}}); r["ok"] != 1.0 || r["expireAfterSeconds_new"] == nil {
		t.Errorf("collMod answers %v", r)
	}
	reply(t, db, bson.D{{Key: "collMod", Value: "c"}, {Key: "validator", Value: bson.D{{Key: "n", Value: bson.D{{Key: "$gte", Value: 0}}}}}})
	_, err := db.Collection("c").InsertOne(ctx, bson.D{{Key: "n", Value: -1}})
	wantCode(t, err, 121)

	rename := func(to string, drop bool) bson.D {
		return bson.D{{Key: "renameCollection", Value: db.Name() + ".c"}, {Key: "to", Value: to}, {Key: "dropTarget", Value: drop}}
	}
	must(db.Collection("taken").InsertOne(ctx, bson.D{}))(t)
	wantCode(t, admin.RunCommand(ctx, rename(db.Name()+".taken", false)).Err(), 48)
	wantCode(t, admin.RunCommand(ctx, rename(db.Name()+".c", false)).Err(), 20)
	wantCode(t, admin.RunCommand(ctx, rename("elsewhere.c", false)).Err(), 115)
	wantCode(t, admin.RunCommand(ctx, rename("nonsense", false)).Err(), 73)
	wantCode(t, admin.RunCommand(ctx, rename("admin.c", false)).Err(), 13)
	wantCode(t, db.RunCommand(ctx, rename(db.Name()+".d", false)).Err(), 13)
	reply(t, admin, rename(db.Name()+".taken", true))
	wantCode(t, admin.RunCommand(ctx, rename(db.Name()+".other", false)).Err(), 26)
	if n := must(db.Collection("taken").CountDocuments(ctx, bson.D{}))(t); n != 2000 {
		t.Errorf("%d documents are in the renamed collection", n)
	}

	must(db.Collection("taken").DeleteMany(ctx, bson.D{}))(t)
	if r := reply(t, db, bson.D{{Key: "compact", Value: "taken"}}); r["bytesFreed"] == int64(0) {
		t.Errorf("nothing was given back: %v", r)
	}
}

func TestDropOfNothingIsAnErrorInOldLevelsOnly(t *testing.T) {
	t.Parallel()
	db := open(t, func(c *gateway.Cluster) { c.Version = "6" }).database(t)
	wantCode(t, db.RunCommand(t.Context(), bson.D{{Key: "drop", Value: "none"}}).Err(), 26)
}

func TestServerTellsAboutItself(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	admin := db.Client().Database("admin")
	must(db.Collection("c").InsertOne(t.Context(), bson.D{}))(t)
	status := reply(t, admin, bson.D{{Key: "serverStatus", Value: 1}, {Key: "repl", Value: 0}})
	if up, isDouble := status["uptime"].(float64); !isDouble || up != math.Floor(up) { // mongostat reads a long
		t.Errorf("uptime is %v", status["uptime"])
	}
	if status["repl"] != nil || status["opcounters"] == nil || status["connections"] == nil || status["process"] != "mongod" {
		t.Errorf("serverStatus is %v", status)
	}
	for _, c := range []struct {
		command bson.D
		field   string
	}{
		{bson.D{{Key: "getParameter", Value: "*"}}, "cursorTimeoutMillis"},
		{bson.D{{Key: "getParameter", Value: 1}, {Key: "authenticationMechanisms", Value: 1}}, "authenticationMechanisms"},
		{bson.D{{Key: "getParameter", Value: bson.D{{Key: "allParameters", Value: true}, {Key: "showDetails", Value: true}}}}, "quiet"},
		{bson.D{{Key: "getCmdLineOpts", Value: 1}}, "parsed"},
		{bson.D{{Key: "connPoolStats", Value: 1}}, "totalInUse"},
		{bson.D{{Key: "replSetGetStatus", Value: 1}}, "members"},
		{bson.D{{Key: "replSetGetConfig", Value: 1}}, "config"},
		{bson.D{{Key: "getDefaultRWConcern", Value: 1}}, "defaultWriteConcern"},
		{bson.D{{Key: "profile", Value: -1}}, "was"},
		{bson.D{{Key: "planCacheListFilters", Value: "c"}}, "filters"},
		{bson.D{{Key: "planCacheClear", Value: "c"}}, "ok"},
		{bson.D{{Key: "listCommands", Value: 1}}, "commands"},
		{bson.D{{Key: "hostInfo", Value: 1}}, "system"},
		{bson.D{{Key: "getLog", Value: "*"}}, "names"},
	} {
		if r := reply(t, admin, c.command); r[c.field] == nil || r["ok"] != 1.0 {
			t.Errorf("%v answers %v", c.command, r)
		}
	}
	wantCode(t, admin.RunCommand(t.Context(), bson.D{{Key: "getParameter", Value: 1}, {Key: "bogus", Value: 1}}).Err(), 72)
	wantCode(t, admin.RunCommand(t.Context(), bson.D{{Key: "profile", Value: 1}}).Err(), 115)
	wantCode(t, admin.RunCommand(t.Context(), bson.D{{Key: "setParameter", Value: 1}, {Key: "quiet", Value: 1}}).Err(), 115)
}

func TestCollectionsAreListedAsDumpToolsNeedThem(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertOne(t.Context(), bson.D{}))(t)
	if err := db.CreateView(t.Context(), "v", "c", mongo.Pipeline{}); err != nil {
		t.Fatal(err)
	}
	raw := must(db.RunCommand(t.Context(), bson.D{{Key: "listCollections", Value: 1}}).Raw())(t)
	if ns := raw.Lookup("cursor", "ns").StringValue(); ns != db.Name()+".$cmd.listCollections" {
		t.Errorf("the namespace is %s", ns)
	}
	coll, view := raw.Lookup("cursor", "firstBatch", "0").Document(), raw.Lookup("cursor", "firstBatch", "1").Document()
	if sub, uuid := coll.Lookup("info", "uuid").Binary(); sub != 4 || len(uuid) != 16 || coll.Lookup("idIndex", "name").StringValue() != "_id_" {
		t.Errorf("a collection is listed as %v", coll)
	}
	if _, err := view.LookupErr("idIndex"); err == nil || view.Lookup("options", "viewOn").StringValue() != "c" {
		t.Errorf("a view is listed as %v", view)
	}
}
