package gateway_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// wantCode fails the test unless err is a command or write error with the code.
func wantCode(tb testing.TB, err error, code int) {
	tb.Helper()
	var se mongo.ServerError
	if !errors.As(err, &se) || !se.HasErrorCode(code) {
		tb.Errorf("error is %v, want code %d", err, code)
	}
}

func numbered(n int) []any {
	docs := make([]any, n)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "n", Value: i % 10}}
	}
	return docs
}

func TestCRUDThroughTheDriver(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	ctx := t.Context()
	must(coll.InsertMany(ctx, numbered(100)))(t)

	if res := must(coll.UpdateMany(ctx, bson.D{{Key: "n", Value: 3}}, bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1}}}}))(t); res.ModifiedCount != 10 {
		t.Errorf("modified %d, want 10", res.ModifiedCount)
	}
	res := must(coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1000}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}, options.UpdateOne().SetUpsert(true)))(t)
	if fmt.Sprint(res.UpsertedID) != "1000" {
		t.Errorf("upserted %v, want 1000", res.UpsertedID)
	}
	if res := must(coll.DeleteMany(ctx, bson.D{{Key: "n", Value: 4}}))(t); res.DeletedCount != 10 {
		t.Errorf("deleted %d, want 10", res.DeletedCount)
	}
	var before bson.M
	err := coll.FindOneAndUpdate(ctx, bson.D{{Key: "_id", Value: 0}}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 77}}}}).Decode(&before)
	if err != nil || before["n"] != int32(0) {
		t.Errorf("findAndModify returned %v, %v", before, err)
	}
	var values []int
	if err := coll.Distinct(ctx, "n", bson.D{}).Decode(&values); err != nil || len(values) != 10 {
		t.Errorf("distinct: %v, %v", values, err)
	}
	cur := must(coll.Aggregate(ctx, mongo.Pipeline{{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$n"}, {Key: "c", Value: bson.D{{Key: "$sum", Value: 1}}}}}}}))(t)
	var groups []bson.M
	if err := cur.All(ctx, &groups); err != nil || len(groups) != 10 {
		t.Errorf("aggregate: %d groups, %v", len(groups), err)
	}
	bulk := []mongo.WriteModel{
		mongo.NewInsertOneModel().SetDocument(bson.D{{Key: "_id", Value: "b"}}),
		mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: "b"}}).SetUpdate(bson.D{{Key: "$set", Value: bson.D{{Key: "k", Value: 1}}}}),
		mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: "b"}}),
	}
	if res := must(coll.BulkWrite(ctx, bulk))(t); res.InsertedCount != 1 || res.ModifiedCount != 1 || res.DeletedCount != 1 {
		t.Errorf("bulk write: %+v", res)
	}
}

func TestDatabasesAndCollections(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	ctx := t.Context()
	if err := db.CreateCollection(ctx, "made"); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateView(ctx, "view", "made", mongo.Pipeline{}); err != nil {
		t.Fatal(err)
	}
	if names := must(db.ListCollectionNames(ctx, bson.D{}))(t); len(names) != 2 {
		t.Errorf("collections are %v", names)
	}
	if names := must(db.Client().ListDatabaseNames(ctx, bson.D{{Key: "name", Value: db.Name()}}))(t); len(names) != 1 {
		t.Errorf("databases are %v", names)
	}
	if err := db.Collection("made").Drop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := db.RunCommand(ctx, bson.D{{Key: "drop", Value: "made"}}).Err(); err != nil {
		t.Errorf("a drop cannot be repeated: %v", err)
	}
	if err := db.Drop(ctx); err != nil {
		t.Fatal(err)
	}
	if names := must(db.Client().ListDatabaseNames(ctx, bson.D{{Key: "name", Value: db.Name()}}))(t); len(names) != 0 {
		t.Errorf("the database is still there")
	}
}

func TestIndexesAreBuiltWhenTheCommandReturns(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	ctx := t.Context()
	must(coll.InsertMany(ctx, numbered(500)))(t)
	name := must(coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}}))(t)

	var pending int
	err := superuser(t).QueryRow(ctx, "SELECT count(*) FROM documentdb_api_catalog.documentdb_index_queue q JOIN documentdb_api_catalog.collections c USING (collection_id) WHERE c.database_name = $1", coll.Database().Name()).Scan(&pending)
	if err != nil || pending != 0 {
		t.Errorf("%d indexes are still queued, %v", pending, err)
	}
	specs := must(coll.Indexes().ListSpecifications(ctx))(t)
	if len(specs) != 2 || specs[1].Name != name {
		t.Errorf("indexes are %+v", specs)
	}
	_, err = coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}, Options: options.Index().SetUnique(true).SetName("u")})
	wantCode(t, err, 11000)
	wantCode(t, coll.Indexes().DropOne(ctx, "nope"), 27)
	if err := coll.Indexes().DropOne(ctx, name); err != nil {
		t.Error(err)
	}
	if _, err := coll.Database().Collection("fresh").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "a", Value: 1}}, Options: options.Index().SetUnique(true)}); err != nil {
		t.Errorf("create an index on a collection that does not exist: %v", err)
	}
	must(coll.Database().Collection("fresh").InsertOne(ctx, bson.D{{Key: "a", Value: 1}}))(t)
	_, err = coll.Database().Collection("fresh").InsertOne(ctx, bson.D{{Key: "a", Value: 1}})
	wantCode(t, err, 11000)
}

func TestManyIndexBuildsAtOnceAllEnd(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			coll := db.Collection(fmt.Sprint("c", i%3))
			if _, err := coll.InsertOne(t.Context(), bson.D{{Key: "a", Value: i}}); err != nil {
				t.Error(err)
			}
			if _, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: fmt.Sprint("f", i), Value: 1}}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestWildcardIndexDoesNotBreakElemMatch(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	ctx := t.Context()
	must(coll.InsertOne(ctx, bson.D{{Key: "a", Value: bson.A{1, 2}}}))(t)
	must(coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "$**", Value: 1}}}))(t)
	cur := must(coll.Indexes().List(ctx))(t)
	for cur.Next(ctx) {
		if _, err := cur.Current.LookupErr("storageEngine"); err == nil {
			t.Errorf("the engine's own option shows in %v", cur.Current)
		}
	}
	filter := bson.D{{Key: "a", Value: bson.D{{Key: "$elemMatch", Value: bson.D{{Key: "$gt", Value: 1}}}}}}
	if n := must(coll.CountDocuments(ctx, filter))(t); n != 1 {
		t.Errorf("counted %d, want 1", n)
	}
}

func TestCountWithoutFilterIsExact(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	ctx := t.Context()
	coll := db.Collection("c")
	must(coll.InsertMany(ctx, numbered(2000)))(t)
	if _, err := superuser(t).Exec(ctx, "SELECT pg_stat_reset()"); err != nil { // what a fork or a crash does
		t.Fatal(err)
	}
	must(coll.InsertOne(ctx, bson.D{}))(t)
	if n := must(coll.EstimatedDocumentCount(ctx))(t); n != 2001 {
		t.Errorf("counted %d, want 2001", n)
	}
	if err := db.CreateView(ctx, "v", "c", mongo.Pipeline{{{Key: "$project", Value: bson.D{{Key: "_id", Value: 0}}}}}); err != nil {
		t.Fatal(err)
	}
	for _, query := range []any{bson.D{}, nil} {
		var reply struct{ N int }
		err := db.RunCommand(ctx, bson.D{{Key: "count", Value: "v"}, {Key: "query", Value: query}}).Decode(&reply)
		if err != nil || reply.N != 2001 {
			t.Errorf("counted %d in a view without _id, %v", reply.N, err)
		}
	}
}

func TestWriteErrorsHaveMongoCodes(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	ctx := t.Context()
	docs := []any{bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "_id", Value: 2}}}
	_, err := coll.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	var we mongo.BulkWriteException
	if !errors.As(err, &we) || len(we.WriteErrors) != 1 || we.WriteErrors[0].Index != 1 || !mongo.IsDuplicateKeyError(err) {
		t.Errorf("error is %v", err)
	}
	if n := must(coll.CountDocuments(ctx, bson.D{}))(t); n != 2 {
		t.Errorf("%d documents, want 2", n)
	}
	_, err = coll.UpdateOne(ctx, bson.D{}, bson.D{{Key: "$nope", Value: bson.D{{Key: "a", Value: 1}}}})
	wantCode(t, err, 9)
	if err := coll.Database().CreateCollection(ctx, "valid", options.CreateCollection().SetValidator(bson.D{{Key: "a", Value: 1}})); err != nil {
		t.Fatal(err)
	}
	_, err = coll.Database().Collection("valid").InsertOne(ctx, bson.D{{Key: "a", Value: 2}})
	wantCode(t, err, 121)
}

func TestSystemDatabasesCannotBeWrittenTo(t *testing.T) {
	t.Parallel()
	client := open(t, nil).client(t)
	for _, db := range []string{"admin", "local", "config"} {
		_, err := client.Database(db).Collection("c").InsertOne(t.Context(), bson.D{})
		wantCode(t, err, 13)
		wantCode(t, client.Database(db).Drop(t.Context()), 13)
	}
	source := client.Database("defaultdb").Collection("nothing")
	for _, stage := range []bson.D{
		{{Key: "$out", Value: bson.D{{Key: "db", Value: "admin"}, {Key: "coll", Value: "x"}}}},
		{{Key: "$merge", Value: bson.D{{Key: "into", Value: bson.D{{Key: "db", Value: "config"}, {Key: "coll", Value: "x"}}}}}},
	} {
		_, err := source.Aggregate(t.Context(), mongo.Pipeline{stage})
		wantCode(t, err, 13)
	}
}

func TestUnsupportedIsSaidInWords(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	ctx := t.Context()
	for _, c := range []struct {
		command bson.D
		code    int
		text    string
	}{
		{bson.D{{Key: "frobnicate", Value: 1}}, 59, "no such command: 'frobnicate'"},
		{bson.D{{Key: "create", Value: "capped"}, {Key: "capped", Value: true}, {Key: "size", Value: 4096}}, 115, "capped"},
		{bson.D{{Key: "find", Value: "c"}, {Key: "tailable", Value: true}}, 2, "tailable"},
		{bson.D{{Key: "find", Value: "c"}, {Key: "collation", Value: bson.D{{Key: "locale", Value: "de"}}}}, 115, "collation"},
		{bson.D{{Key: "find", Value: "c"}, {Key: "bogus", Value: 1}}, 40415, "bogus"},
		{bson.D{{Key: "find", Value: 1}}, 73, "collection"},
		{bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$changeStream", Value: bson.D{}}}}}, {Key: "cursor", Value: bson.D{}}}, 115, "changeStream"},
	} {
		err := db.RunCommand(ctx, c.command).Err()
		wantCode(t, err, c.code)
		if err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%v: error %q does not contain %q", c.command[0], err, c.text)
		}
	}
}

func TestUnacknowledgedWritesHappen(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t, options.Client().SetMaxPoolSize(1))
	coll := db.Collection("c", options.Collection().SetWriteConcern(writeconcern.Unacknowledged()))
	for i := range 20 {
		if _, err := coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}}); err != nil {
			t.Fatal(err)
		}
	}
	// The same connection answers in order, so everything before has been done.
	if n := must(db.Collection("c").CountDocuments(t.Context(), bson.D{}))(t); n != 20 {
		t.Errorf("%d documents, want 20", n)
	}
}

func TestDocumentsUpToTheLimit(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	ctx := t.Context()
	fits := strings.Repeat("x", 16<<20-100)
	must(coll.InsertOne(ctx, bson.D{{Key: "_id", Value: 1}, {Key: "s", Value: fits}}))(t)
	var got bson.M
	if err := coll.FindOne(ctx, bson.D{{Key: "_id", Value: 1}}).Decode(&got); err != nil || got["s"] != fits {
		t.Errorf("a document of 16 MiB does not come back: %v", err)
	}
	err := coll.Database().RunCommand(ctx, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "s", Value: fits + fits}}}}}).Err()
	wantCode(t, err, 10334)
	many := make([]any, 40)
	for i := range many {
		many[i] = bson.D{{Key: "s", Value: fits[:1<<20]}}
	}
	must(coll.InsertMany(ctx, many))(t)
	if n := must(coll.CountDocuments(ctx, bson.D{}))(t); n != 41 {
		t.Errorf("%d documents, want 41", n)
	}
}
