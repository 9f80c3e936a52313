package gateway_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

type page struct {
	Cursor struct {
		ID         int64
		NS         string
		FirstBatch []bson.Raw
		NextBatch  []bson.Raw
	}
}

func run(tb testing.TB, db *mongo.Database, command bson.D) page {
	tb.Helper()
	var p page
	if err := db.RunCommand(tb.Context(), command).Decode(&p); err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestCursorsReturnEverythingOnce(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	ctx := t.Context()
	must(coll.InsertMany(ctx, numbered(1000)))(t)
	for name, opts := range map[string]*options.FindOptionsBuilder{
		"streaming": options.Find().SetBatchSize(7),
		"sorted":    options.Find().SetBatchSize(33).SetSort(bson.D{{Key: "n", Value: -1}, {Key: "_id", Value: 1}}),
		"default":   options.Find(),
		"skip":      options.Find().SetBatchSize(10).SetSkip(0).SetLimit(1000),
	} {
		cur := must(coll.Find(ctx, bson.D{}, opts))(t)
		seen := map[int32]bool{}
		for cur.Next(ctx) {
			var d struct {
				ID int32 `bson:"_id"`
			}
			if err := cur.Decode(&d); err != nil {
				t.Fatal(err)
			}
			if seen[d.ID] {
				t.Errorf("%s: %d came twice", name, d.ID)
			}
			seen[d.ID] = true
		}
		if cur.Err() != nil || len(seen) != 1000 {
			t.Errorf("%s: %d documents, %v", name, len(seen), cur.Err())
		}
	}
}

func TestCursorsAreInterleavedAcrossConnections(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	ctx := t.Context()
	must(coll.InsertMany(ctx, numbered(300)))(t)
	open := make([]*mongo.Cursor, 20)
	for i := range open {
		open[i] = must(coll.Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "n", Value: 1}}).SetBatchSize(10)))(t)
	}
	for n := range 300 {
		for i, cur := range open {
			if !cur.Next(ctx) {
				t.Fatalf("cursor %d ended after %d: %v", i, n, cur.Err())
			}
		}
	}
}

func TestGetMoreWithoutBatchSizeIsBounded(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	big := make([]any, 40)
	for i := range big {
		big[i] = bson.D{{Key: "s", Value: make([]byte, 1<<20)}}
	}
	must(db.Collection("c").InsertMany(t.Context(), big))(t)
	for _, sort := range []bson.D{{}, {{Key: "s", Value: 1}}} {
		p := run(t, db, bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: 1}, {Key: "sort", Value: sort}})
		p = run(t, db, bson.D{{Key: "getMore", Value: p.Cursor.ID}, {Key: "collection", Value: "c"}})
		if n := len(p.Cursor.NextBatch); n == 0 || n > 16 || p.Cursor.ID == 0 {
			t.Errorf("getMore returned %d documents of 1 MB, cursor %d", n, p.Cursor.ID)
		}
	}
}

func TestCursorBelongsToItsNamespace(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertMany(t.Context(), numbered(10)))(t)
	p := run(t, db, bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: 2}})
	if p.Cursor.ID == 0 || len(p.Cursor.FirstBatch) != 2 {
		t.Fatalf("first page is %+v", p)
	}
	wantCode(t, db.RunCommand(t.Context(), bson.D{{Key: "getMore", Value: p.Cursor.ID}, {Key: "collection", Value: "d"}}).Err(), 13)
	p = run(t, db, bson.D{{Key: "getMore", Value: p.Cursor.ID}, {Key: "collection", Value: "c"}, {Key: "batchSize", Value: 3}})
	if len(p.Cursor.NextBatch) != 3 {
		t.Errorf("second page is %+v", p)
	}
}

func TestKilledCursorIsGone(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertMany(t.Context(), numbered(10)))(t)
	for _, sort := range []bson.D{{}, {{Key: "n", Value: 1}}} {
		p := run(t, db, bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: 2}, {Key: "sort", Value: sort}})
		var killed struct{ CursorsKilled, CursorsNotFound []int64 }
		command := bson.D{{Key: "killCursors", Value: "c"}, {Key: "cursors", Value: bson.A{p.Cursor.ID, int64(5)}}}
		if err := db.RunCommand(t.Context(), command).Decode(&killed); err != nil {
			t.Fatal(err)
		}
		if len(killed.CursorsKilled) != 1 || len(killed.CursorsNotFound) != 1 {
			t.Errorf("killCursors answered %+v", killed)
		}
		wantCode(t, db.RunCommand(t.Context(), bson.D{{Key: "getMore", Value: p.Cursor.ID}, {Key: "collection", Value: "c"}}).Err(), 43)
	}
}
