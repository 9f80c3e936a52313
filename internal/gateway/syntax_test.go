package gateway_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/internal/gateway"
)

// target is a value for the command's own field that fits: what the command is about.
func target(name string) any {
	switch name {
	case "getMore":
		return int64(1)
	case "explain":
		return bson.D{{Key: "find", Value: "c"}}
	case "renameCollection":
		return "d.c"
	case "endSessions", "refreshSessions", "killSessions", "killAllSessions", "killAllSessionsByPattern":
		return bson.A{}
	case "getLog":
		return "global"
	case "aggregate", "bulkWrite", "currentOp", "hostInfo", "serverStatus", "dbStats", "ping", "profile":
		return 1
	case "dataSize":
		return "d.c"
	default:
		return "c"
	}
}

func TestEveryCommandHasASyntax(t *testing.T) {
	t.Parallel()
	for name, s := range gateway.Commands() {
		if !s.Listed {
			t.Errorf("%s has no entry in the table of options", name)
		}
	}
}

func TestUnknownFieldsAreRefusedByEveryCommand(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	all := gateway.Commands()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		if s.Lenient {
			continue
		}
		on := db
		if s.AdminOnly {
			on = db.Client().Database("admin")
		}
		command := bson.D{{Key: name, Value: target(name)}, {Key: "frobnicate", Value: 1}}
		if name == "renameCollection" { // whose needs depend on where to
			command = append(command, bson.E{Key: "to", Value: "d.e"})
		}
		err := on.RunCommand(t.Context(), command).Err()
		wantCode(t, err, 40415)
		if err != nil && !strings.Contains(err.Error(), "BSON field '"+name+".frobnicate' is an unknown field.") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestOptionsAreCheckedAsMongoDBChecksThem(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertMany(t.Context(), numbered(3)))(t)
	find := func(options ...bson.E) bson.D { return append(bson.D{{Key: "find", Value: "c"}}, options...) }
	insert := func(options ...bson.E) bson.D {
		return append(bson.D{{Key: "insert", Value: "w"}, {Key: "documents", Value: bson.A{bson.D{}}}}, options...)
	}
	for _, c := range []struct {
		command bson.D
		code    int
		text    string
	}{
		{find(bson.E{Key: "limit", Value: "x"}), 14, "BSON field 'find.limit' is the wrong type 'string', expected types '[long, int, decimal, double]'"},
		{find(bson.E{Key: "filter", Value: 1}), 14, "BSON field 'find.filter' is the wrong type 'int', expected type 'object'"},
		{find(bson.E{Key: "singleBatch", Value: "x"}), 14, "expected types '[bool, long, int, decimal, double]'"},
		{find(bson.E{Key: "limit", Value: 1}, bson.E{Key: "limit", Value: 2}), 40413, "BSON field 'find.limit' is a duplicate field"},
		{find(bson.E{Key: "returnKey", Value: true}), 115, "find.returnKey"},
		{find(bson.E{Key: "maxTimeMS", Value: -1}), 2, "-1 value for maxTimeMS is out of range"},
		{find(bson.E{Key: "readConcern", Value: bson.D{{Key: "level", Value: "bogus"}}}), 2, "Enumeration value 'bogus'"},
		{find(bson.E{Key: "readConcern", Value: bson.D{{Key: "level", Value: 1}}}), 14, "readConcern.level"},
		{find(bson.E{Key: "readConcern", Value: bson.D{{Key: "level", Value: "snapshot"}}}), 72, "snapshot"},
		{find(bson.E{Key: "readConcern", Value: bson.D{{Key: "atClusterTime", Value: bson.Timestamp{T: 1}}}}), 72, "atClusterTime"},
		{find(bson.E{Key: "readConcern", Value: bson.D{{Key: "x", Value: 1}}}), 40415, "find.readConcern.x"},
		{find(bson.E{Key: "writeConcern", Value: bson.D{{Key: "w", Value: 1}}}), 72, "does not support writeConcern"},
		{insert(bson.E{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}}), 72, "does not support { readConcern"},
		{insert(bson.E{Key: "writeConcern", Value: bson.D{{Key: "w", Value: 51}}}), 9, "not greater than 50"},
		{insert(bson.E{Key: "writeConcern", Value: bson.D{{Key: "x", Value: 1}}}), 9, "unrecognized write concern field: x"},
		{insert(bson.E{Key: "writeConcern", Value: bson.D{{Key: "j", Value: "x"}}}), 14, "insert.writeConcern.j"},
		{bson.D{{Key: "insert", Value: "c"}}, 40414, "BSON field 'insert.documents' is missing but a required field"},
		{bson.D{{Key: "distinct", Value: "c"}, {Key: "key", Value: nil}}, 40414, "distinct.key"},
		{bson.D{{Key: "getMore", Value: int64(1)}, {Key: "collection", Value: "c"}, {Key: "maxTimeMS", Value: 1}}, 2, "non-awaitData"},
		{bson.D{{Key: "mapReduce", Value: "c"}}, 115, "aggregation pipeline"},
		{bson.D{{Key: "listSearchIndexes", Value: "c"}}, 31082, "Atlas Search"},
		{bson.D{{Key: "listDatabases", Value: 1}}, 13, "listDatabases may only be run against the admin database."},
		{bson.D{{Key: "serverStatus", Value: 1}, {Key: "apiVersion", Value: "1"}, {Key: "apiStrict", Value: true}}, 323, "not in API Version 1"},
		{bson.D{{Key: "distinct", Value: "c"}, {Key: "key", Value: "a"}, {Key: "apiVersion", Value: "1"}, {Key: "apiStrict", Value: true}}, 323, "not in API Version 1"},
		{find(bson.E{Key: "tailable", Value: true}, bson.E{Key: "apiVersion", Value: "1"}, bson.E{Key: "apiStrict", Value: true}), 323, "find.tailable"},
		{find(bson.E{Key: "apiStrict", Value: true}), 72, "without passing apiVersion"},
	} {
		err := db.RunCommand(t.Context(), c.command).Err()
		wantCode(t, err, c.code)
		if err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%v: error %q does not contain %q", c.command, err, c.text)
		}
	}
}

func TestOptionsThatAskForNothingAreTaken(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertMany(t.Context(), numbered(3)))(t)
	for _, command := range []bson.D{
		{{Key: "find", Value: "c"}, {Key: "sort", Value: nil}, {Key: "limit", Value: nil}, {Key: "returnKey", Value: false}, {Key: "showRecordId", Value: false}},
		{{Key: "find", Value: "c"}, {Key: "collation", Value: bson.D{{Key: "locale", Value: "simple"}}}, {Key: "allowDiskUse", Value: true}},
		{{Key: "find", Value: "c"}, {Key: "collation", Value: bson.D{}}, {Key: "comment", Value: bson.D{{Key: "any", Value: 1}}}},
		{{Key: "find", Value: "c"}, {Key: "readConcern", Value: bson.D{}}, {Key: "$readPreference", Value: bson.D{{Key: "mode", Value: "primary"}}}},
		{{Key: "find", Value: "c"}, {Key: "apiVersion", Value: "1"}, {Key: "apiStrict", Value: true}, {Key: "apiDeprecationErrors", Value: true}},
		{{Key: "count", Value: "c"}, {Key: "query", Value: nil}, {Key: "fields", Value: nil}, {Key: "collation", Value: nil}},
		{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{}}, {Key: "cursor", Value: bson.D{}}, {Key: "explain", Value: false}, {Key: "allowDiskUse", Value: true}},
		{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{}}}, {Key: "maxTimeMS", Value: 10000}, {Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}, {Key: "j", Value: true}, {Key: "wtimeout", Value: 100}}}},
		{{Key: "create", Value: "x"}, {Key: "capped", Value: false}, {Key: "autoIndexId", Value: true}, {Key: "idIndex", Value: bson.D{{Key: "v", Value: 2}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "name", Value: "_id_"}}}},
	} {
		if err := db.RunCommand(t.Context(), command).Err(); err != nil {
			t.Errorf("%v: %v", command, err)
		}
	}
}

func TestWriteConcernThatCannotBeMetIsReportedBesideTheResult(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	for _, c := range []struct {
		w    any
		code int
	}{{2, 100}, {"tagged", 79}} {
		err := db.RunCommand(t.Context(), bson.D{
			{Key: "insert", Value: "c"},
			{Key: "documents", Value: bson.A{bson.D{}}},
			{Key: "writeConcern", Value: bson.D{{Key: "w", Value: c.w}}},
		}).Err()
		wantCode(t, err, c.code)
	}
	if n := must(db.Collection("c").CountDocuments(t.Context(), bson.D{}))(t); n != 2 {
		t.Errorf("%d documents, want 2: the write itself is done", n)
	}
}
