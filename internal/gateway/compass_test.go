package gateway_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// step is a command that a client sends, on the database admin or on the test's own, and a field of its reply.
type step struct {
	admin   bool
	command bson.D
	field   string
}

// compassConnects is what MongoDB Compass sends when it connects.
func compassConnects() []step {
	return []step{
		{true, bson.D{{Key: "hello", Value: 1}}, "setName"},
		{true, bson.D{{Key: "connectionStatus", Value: 1}, {Key: "showPrivileges", Value: true}}, "authInfo"},
		{true, bson.D{{Key: "getCmdLineOpts", Value: 1}}, "parsed"},
		{true, bson.D{{Key: "hostInfo", Value: 1}}, "os"},
		{true, bson.D{{Key: "buildInfo", Value: 1}}, "version"},
		{true, bson.D{{Key: "atlasVersion", Value: 1}}, ""}, // 59, as on every server but Atlas
		{true, bson.D{{Key: "getParameter", Value: 1}, {Key: "featureCompatibilityVersion", Value: 1}}, "featureCompatibilityVersion"},
		{true, bson.D{{Key: "listDatabases", Value: 1}, {Key: "nameOnly", Value: true}}, "databases"},
		{true, bson.D{{Key: "listDatabases", Value: 1}, {Key: "nameOnly", Value: true}, {Key: "authorizedDatabases", Value: true}}, "databases"},
		{false, bson.D{{Key: "dbStats", Value: 1}}, "collections"},
		{false, bson.D{{Key: "dbStats", Value: 1}, {Key: "freeStorage", Value: 1}}, "collections"},
		{false, bson.D{{Key: "listCollections", Value: 1}, {Key: "filter", Value: bson.D{}}, {Key: "nameOnly", Value: true}, {Key: "authorizedCollections", Value: true}}, "cursor"},
		{false, bson.D{{Key: "listCollections", Value: 1}, {Key: "filter", Value: bson.D{{Key: "name", Value: "c"}}}, {Key: "nameOnly", Value: false}}, "cursor"},
	}
}

// compassOpens is what it sends when a collection is opened, sampled, explained and watched.
func compassOpens() []step {
	aggregate := func(stages ...any) bson.D {
		return bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A(stages)}, {Key: "cursor", Value: bson.D{}}, {Key: "allowDiskUse", Value: true}, {Key: "maxTimeMS", Value: 60000}}
	}
	find := bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "n", Value: 3}}}, {Key: "sort", Value: bson.D{{Key: "_id", Value: 1}}}}
	return []step{
		{false, aggregate(bson.D{{Key: "$collStats", Value: bson.D{{Key: "storageStats", Value: bson.D{}}}}}), "cursor"},
		{false, bson.D{{Key: "collStats", Value: "c"}}, "nindexes"},
		{false, bson.D{{Key: "listIndexes", Value: "c"}, {Key: "cursor", Value: bson.D{}}}, "cursor"},
		{false, aggregate(bson.D{{Key: "$indexStats", Value: bson.D{}}}), "cursor"},
		{false, aggregate(bson.D{{Key: "$indexStats", Value: bson.D{}}}, bson.D{{Key: "$project", Value: bson.D{{Key: "name", Value: 1}, {Key: "usageHost", Value: "$host"}, {Key: "usageCount", Value: "$accesses.ops"}, {Key: "usageSince", Value: "$accesses.since"}}}}), "cursor"},
		{false, aggregate(bson.D{{Key: "$sample", Value: bson.D{{Key: "size", Value: 1000}}}}), "cursor"},
		{false, aggregate(bson.D{{Key: "$match", Value: bson.D{}}}, bson.D{{Key: "$sample", Value: bson.D{{Key: "size", Value: 5}}}}, bson.D{{Key: "$project", Value: bson.D{{Key: "n", Value: 1}}}}), "cursor"},
		{false, aggregate(bson.D{{Key: "$match", Value: bson.D{}}}, bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}}), "cursor"},
		{false, bson.D{{Key: "explain", Value: find}, {Key: "verbosity", Value: "allPlansExecution"}}, "executionStats"},
		{false, bson.D{{Key: "explain", Value: aggregate(bson.D{{Key: "$match", Value: bson.D{{Key: "n", Value: 3}}}})}, {Key: "verbosity", Value: "queryPlanner"}}, "queryPlanner"},
		{false, bson.D{{Key: "count", Value: "c"}, {Key: "query", Value: bson.D{}}, {Key: "maxTimeMS", Value: 5000}}, "n"},
		{true, bson.D{{Key: "serverStatus", Value: 1}}, "opcounters"},
		{true, bson.D{{Key: "top", Value: 1}}, "totals"},
		{true, bson.D{{Key: "currentOp", Value: 1}, {Key: "$all", Value: true}}, "inprog"},
		{true, bson.D{{Key: "aggregate", Value: 1}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: true}, {Key: "idleConnections", Value: false}}}}}}, {Key: "cursor", Value: bson.D{}}}, "cursor"},
	}
}

func TestCompassStarts(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertMany(t.Context(), numbered(50)))(t)
	for _, s := range append(compassConnects(), compassOpens()...) {
		on := db
		if s.admin {
			on = db.Client().Database("admin")
		}
		raw, err := on.RunCommand(t.Context(), s.command).Raw()
		if s.field == "" {
			wantCode(t, err, 59)
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", s.command, err)
			continue
		}
		if _, err := raw.LookupErr(s.field); err != nil {
			t.Errorf("%v answers %v, without %s", s.command, raw, s.field)
		}
	}
}

func TestTopCountsWhatCollectionsAreUsedFor(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertMany(t.Context(), numbered(3)))(t)
	for range 2 {
		must(db.Collection("c").Find(t.Context(), bson.D{}))(t)
	}
	raw := must(db.Client().Database("admin").RunCommand(t.Context(), bson.D{{Key: "top", Value: 1}}).Raw())(t)
	for kind, want := range map[string]int64{"total": 3, "queries": 2, "readLock": 2, "insert": 1, "writeLock": 1, "update": 0} {
		if got := raw.Lookup("totals", db.Name()+".c", kind, "count").Int64(); got != want {
			t.Errorf("%s is %d, want %d", kind, got, want)
		}
	}
	if took := raw.Lookup("totals", db.Name()+".c", "insert", "time").Int64(); took <= 0 {
		t.Errorf("the insert took %d microseconds", took)
	}
}

// What clients send only to managers of servers is refused in words, whatever its options.
func TestCommandsOfServersThatAreNotManagedAreRefused(t *testing.T) {
	t.Parallel()
	admin := open(t, nil).client(t).Database("admin")
	for _, command := range []bson.D{
		{{Key: "setDefaultRWConcern", Value: 1}, {Key: "defaultWriteConcern", Value: bson.D{{Key: "w", Value: 1}}}},
		{{Key: "setFeatureCompatibilityVersion", Value: "8.0"}, {Key: "confirm", Value: true}},
		{{Key: "logRotate", Value: 1}},
		{{Key: "shutdown", Value: 1}, {Key: "force", Value: true}},
		{{Key: "fsync", Value: 1}, {Key: "lock", Value: true}},
		{{Key: "fsyncUnlock", Value: 1}},
		{{Key: "mapReduce", Value: "c"}, {Key: "map", Value: bson.JavaScript("f")}, {Key: "reduce", Value: bson.JavaScript("f")}, {Key: "out", Value: "x"}},
		{{Key: "dbHash", Value: 1}},
		{{Key: "setParameter", Value: 1}, {Key: "quiet", Value: true}},
		{{Key: "reIndex", Value: "c"}},
		{{Key: "replSetStepDown", Value: 1}},
		{{Key: "setProfilingLevel", Value: 1}},
		{{Key: "features", Value: 1}},
		{{Key: "lockInfo", Value: 1}},
		{{Key: "shardCollection", Value: "a.b"}},
		{{Key: "enableSharding", Value: "a"}},
		{{Key: "profile", Value: 2}},
		{{Key: "netstat", Value: 1}},
		{{Key: "getShardMap", Value: 1}},
	} {
		err := admin.RunCommand(t.Context(), command).Err()
		code := 115
		switch command[0].Key {
		case "setProfilingLevel", "netstat", "shardCollection", "enableSharding", "getShardMap": // which a replica set has not either
			code = 59
		}
		wantCode(t, err, code)
	}
}
