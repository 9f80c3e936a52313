package gateway_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// errDiffers says that a command succeeded and did not do what MongoDB does.
var errDiffers = errors.New("the result is not MongoDB's")

// difference is a row of docs/compatibility.md: what MongoDB does and Tine does not. mongodb returns nil if Tine does it.
type difference struct {
	feature string
	mongodb func(ctx context.Context, db *mongo.Database) error
}

// command is a difference that shows in a command that is refused.
func (d difference) command(on string, command bson.D) difference {
	d.mongodb = func(ctx context.Context, db *mongo.Database) error {
		if on == "admin" {
			db = db.Client().Database("admin")
		}
		return db.RunCommand(ctx, command).Err()
	}
	return d
}

// pipeline is a difference that shows in a pipeline that is refused.
func pipeline(feature string, stages ...any) difference {
	return difference{feature: feature}.command("", bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A(stages)}, {Key: "cursor", Value: bson.D{}}})
}

func refused(feature string, command bson.D) difference {
	return difference{feature: feature}.command("", command)
}

func refusedOnAdmin(feature string, command bson.D) difference {
	return difference{feature: feature}.command("admin", command)
}

func index(feature string, key bson.D, option bson.E) difference {
	return refused(feature, bson.D{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: key}, {Key: "name", Value: "x"}, option}}}})
}

// projected is a difference in an expression that is refused.
func projected(feature string, expression bson.D) difference {
	return pipeline(feature, bson.D{{Key: "$project", Value: bson.D{{Key: "x", Value: expression}}}})
}

// differences of collections, indexes and the server.
func definedDifferences() []difference {
	a := bson.D{{Key: "a", Value: 1}}
	none := bson.E{Key: "partialFilterExpression", Value: bson.D{{Key: "z", Value: 1}}}
	return []difference{
		refused("capped collections", bson.D{{Key: "create", Value: "x"}, {Key: "capped", Value: true}, {Key: "size", Value: 4096}}),
		refused("time series collections", bson.D{{Key: "create", Value: "x"}, {Key: "timeseries", Value: bson.D{{Key: "timeField", Value: "t"}}}}),
		refused("clustered collections", bson.D{{Key: "create", Value: "x"}, {Key: "clusteredIndex", Value: bson.D{{Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "unique", Value: true}}}}),
		refused("queryable encryption", bson.D{{Key: "create", Value: "x"}, {Key: "encryptedFields", Value: bson.D{{Key: "fields", Value: bson.A{}}, {Key: "x", Value: 1}}}}),
		index("hidden indexes from the start", a, bson.E{Key: "hidden", Value: true}),
		index("compound wildcard indexes", bson.D{{Key: "a", Value: 1}, {Key: "$**", Value: 1}}, none),
		index("text indexes of version 3", bson.D{{Key: "a", Value: "text"}}, bson.E{Key: "textIndexVersion", Value: 3}),
		refusedOnAdmin("renaming into another database", bson.D{{Key: "renameCollection", Value: "defaultdb.x"}, {Key: "to", Value: "other.x"}}),
		refusedOnAdmin("roles of one's own", bson.D{{Key: "createRole", Value: "x"}, {Key: "privileges", Value: bson.A{}}, {Key: "roles", Value: bson.A{}}}),
		refused("profiling", bson.D{{Key: "profile", Value: 2}}),
		refused("reIndex", bson.D{{Key: "reIndex", Value: "c"}}),
		refused("dbHash", bson.D{{Key: "dbHash", Value: 1}}),
		refused("repair by validate", bson.D{{Key: "validate", Value: "c"}, {Key: "repair", Value: true}}),
		refused("query settings and plan cache filters", bson.D{{Key: "planCacheSetFilter", Value: "c"}, {Key: "query", Value: a}, {Key: "indexes", Value: bson.A{"x"}}}),
		refusedOnAdmin("dumping users", bson.D{{Key: "getParameter", Value: 1}, {Key: "authSchemaVersion", Value: 1}}), // mongodump asks first of all
		refusedOnAdmin("settings of the server", bson.D{{Key: "setParameter", Value: 1}, {Key: "quiet", Value: true}}),
	}
}

// differences of reads and writes.
func dataDifferences() []difference {
	find := func(option bson.E) bson.D { return bson.D{{Key: "find", Value: "c"}, option} }
	update := func(option bson.E) bson.D {
		u := bson.D{{Key: "q", Value: bson.D{}}, {Key: "u", Value: bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: "b", Value: 1}}}}}}, option}
		return bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{u}}}
	}
	merge := bson.D{{Key: "into", Value: "y"}, {Key: "whenMatched", Value: bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: "b", Value: 1}}}}}}}
	return []difference{
		pipeline("change streams", bson.D{{Key: "$changeStream", Value: bson.D{}}}),
		refused("server-side JavaScript ($where, $function, $accumulator, mapReduce)", find(bson.E{Key: "filter", Value: bson.D{{Key: "$where", Value: "true"}}})),
		refused("collation", find(bson.E{Key: "collation", Value: bson.D{{Key: "locale", Value: "de"}}})),
		refused("returnKey and showRecordId", find(bson.E{Key: "showRecordId", Value: true})),
		refused("snapshot reads outside of transactions", find(bson.E{Key: "readConcern", Value: bson.D{{Key: "level", Value: "snapshot"}}})),
		refused("constants of updates (`c`)", update(bson.E{Key: "c", Value: bson.D{{Key: "x", Value: 1}}})),
		pipeline("$merge with a pipeline", bson.D{{Key: "$merge", Value: merge}}),
		pipeline("Atlas Search", bson.D{{Key: "$search", Value: bson.D{{Key: "text", Value: bson.D{{Key: "query", Value: "x"}, {Key: "path", Value: "a"}}}}}}),
		pipeline("latency in $collStats", bson.D{{Key: "$collStats", Value: bson.D{{Key: "latencyStats", Value: bson.D{}}}}}),
		pipeline("$planCacheStats", bson.D{{Key: "$planCacheStats", Value: bson.D{}}}),
		pipeline("$listSessions", bson.D{{Key: "$listSessions", Value: bson.D{}}}),
		projected("$median and $percentile as expressions", bson.D{{Key: "$median", Value: bson.D{{Key: "input", Value: bson.A{1, 2}}, {Key: "method", Value: "approximate"}}}}),
		projected("$sigmoid and $createObjectId", bson.D{{Key: "$sigmoid", Value: 1}}),
		{"`keyPattern` and `keyValue` of duplicate key errors", duplicateKeyTells},
		{"details of failed validation", validationTells},
		refusedOnAdmin("bulkWrite with a small batchSize", bson.D{
			{Key: "bulkWrite", Value: 1},
			{Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 0}}},
			{Key: "ops", Value: bson.A{bson.D{{Key: "delete", Value: 0}, {Key: "filter", Value: bson.D{}}}}},
			{Key: "nsInfo", Value: bson.A{bson.D{{Key: "ns", Value: "nothing.c"}}}},
		}),
	}
}

// tells returns nil if the write error of the second of two equal inserts has the field.
func tells(ctx context.Context, coll *mongo.Collection, field string) error {
	var err error
	for range 2 {
		_, err = coll.InsertOne(ctx, bson.D{{Key: "_id", Value: 1}})
	}
	var we mongo.WriteException
	if !errors.As(err, &we) || len(we.WriteErrors) != 1 {
		return err
	}
	if _, err := we.WriteErrors[0].Raw.LookupErr(field); err != nil {
		return errDiffers
	}
	return nil
}

func duplicateKeyTells(ctx context.Context, db *mongo.Database) error {
	return tells(ctx, db.Collection("unique"), "keyPattern")
}

func validationTells(ctx context.Context, db *mongo.Database) error {
	err := db.RunCommand(ctx, bson.D{{Key: "create", Value: "valid"}, {Key: "validator", Value: bson.D{{Key: "a", Value: 1}}}}).Err()
	if err != nil {
		return err
	}
	return tells(ctx, db.Collection("valid"), "errInfo")
}

func TestKnownDifferences(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertOne(t.Context(), bson.D{{Key: "a", Value: 1}}))(t)
	for _, d := range append(definedDifferences(), dataDifferences()...) {
		err := d.mongodb(t.Context(), db)
		switch {
		case err == nil:
			t.Errorf("%s works now: remove the test and its row in docs/compatibility.md", d.feature)
		case mongo.IsNetworkError(err) || mongo.IsTimeout(err):
			t.Errorf("%s: %v", d.feature, err)
		default:
			var ce mongo.CommandError
			if errors.As(err, &ce) && (ce.Code == 1 || ce.Message == "") {
				t.Errorf("%s is answered with %v: the client should be told what is wrong", d.feature, err)
			}
		}
	}
}

// row finds the feature of a row of the document, mark that of a test of e2e/clients.
var (
	row  = regexp.MustCompile(`(?m)^\| ([^|]+) \|`)
	mark = regexp.MustCompile(`\bknown\((?:\w+, )?["']([^"']+)["']`)
)

func TestEveryRowOfTheDocumentHasATest(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, d := range append(definedDifferences(), dataDifferences()...) {
		if tested[d.feature] {
			t.Errorf("%s has two tests", d.feature)
		}
		tested[d.feature] = true
	}
	rows := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(string(must(os.ReadFile("../../docs/compatibility.md"))(t)), -1) {
		if m[1] != "feature" && m[1] != "---" {
			rows[m[1]] = true
		}
	}
	for feature := range tested {
		if !rows[feature] {
			t.Errorf("%q has a test and no row in docs/compatibility.md", feature)
		}
	}
	marked := marks(t)
	for feature := range rows {
		if !tested[feature] && !marked[feature] {
			t.Errorf("%q has a row in docs/compatibility.md and no test", feature)
		}
	}
}

// known is for a difference that shows in the course of a test: mongodb is nil if Tine does what MongoDB does.
func known(tb testing.TB, feature string, mongodb error) {
	tb.Helper()
	if mongodb == nil {
		tb.Errorf("%s works now: remove the mark and its row in docs/compatibility.md", feature)
	}
}

// marks are the features that tests with clients, or in the course of which known is called, expect to fail.
func marks(tb testing.TB) map[string]bool {
	tb.Helper()
	all := map[string]bool{}
	clients := "../../e2e/clients/"
	for _, pattern := range []string{clients + "*.go", clients + "node/*.mjs", clients + "mongosh/*.js", clients + "python/*.py", "*_test.go"} {
		for _, file := range must(filepath.Glob(pattern))(tb) {
			if strings.HasSuffix(file, "known_test.go") || file == "compatibility_test.go" {
				continue
			}
			for _, m := range mark.FindAllStringSubmatch(string(must(os.ReadFile(file))(tb)), -1) {
				all[m[1]] = true
			}
		}
	}
	return all
}
