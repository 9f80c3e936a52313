package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// shortcuts is how many reads of a gateway were carried out in some way.
func (g *gw) shortcuts(tb testing.TB, way string) int {
	tb.Helper()
	return int(g.scrape(tb)["shortcut_reads_total{"+way+"}"])
}

// ask runs a command and returns its reply, or its error as text.
func ask(tb testing.TB, db *mongo.Database, command bson.D) string {
	tb.Helper()
	raw, err := db.RunCommand(tb.Context(), command).Raw()
	if err != nil {
		return err.Error()
	}
	return raw.String()
}

// values are _ids of every type that has one, some of which are equal.
func values() []any {
	decimal, _ := bson.ParseDecimal128("1.50")
	return []any{
		int32(1), int64(2), 3.5, "text", "", true, bson.NewObjectID(), bson.NewDateTimeFromTime(time.Unix(1, 0)),
		bson.Timestamp{T: 1, I: 2},
		bson.Binary{Subtype: 4, Data: make([]byte, 16)},
		decimal,
		bson.D{{Key: "a", Value: int32(1)}},
		int64(1) << 40, float64(int64(1) << 41), -7, nil,
	}
}

// A find by _id answers the same, to the byte, whether it is read from the table or asked of the engine.
func TestFindByIDIsReadFromTheTable(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	for i, id := range values() {
		must(db.Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: id}, {Key: "n", Value: i}}))(t)
	}
	looked := append(values(), 1.0, int64(-7), float64(int64(1)<<40), int64(1)<<41, "none", bson.A{1}, bson.Regex{Pattern: "t"}, int32(99))
	for _, id := range looked {
		byTable := ask(t, db, bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "_id", Value: id}}}})
		byEngine := ask(t, db, bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "_id", Value: id}}}, {Key: "batchSize", Value: 2000}, {Key: "skip", Value: 0}})
		if byTable != byEngine {
			t.Errorf("find of %v: %s instead of %s", id, byTable, byEngine)
		}
	}
	if n := g.shortcuts(t, "point"); n < 19 {
		t.Errorf("only %d finds were read from the table", n)
	}
}

// What a find by _id remembers of a collection is never older than the find.
func TestFindByIDSeesWhatHappenedToTheCollection(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	admin := db.Client().Database("admin")
	found := func(coll string) string {
		t.Helper()
		raw, err := db.Collection(coll).FindOne(t.Context(), bson.D{{Key: "_id", Value: 1}}).Raw()
		if err != nil {
			return err.Error()
		}
		return raw.Lookup("of").StringValue()
	}
	fill := func(coll, of string) {
		t.Helper()
		must(db.Collection(coll).InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}, {Key: "of", Value: of}}))(t)
	}
	const none = "mongo: no documents in result"
	is := func(when, coll, want string) {
		t.Helper()
		for range 3 { // the first may be the one that learns
			if got := found(coll); got != want {
				t.Errorf("%s: %q has %q, not %q", when, coll, got, want)
			}
		}
	}
	rename := func(from, to string) {
		t.Helper()
		command := bson.D{{Key: "renameCollection", Value: db.Name() + "." + from}, {Key: "to", Value: db.Name() + "." + to}, {Key: "dropTarget", Value: true}}
		if err := admin.RunCommand(t.Context(), command).Err(); err != nil {
			t.Fatal(err)
		}
	}
	is("before it exists", "a", none)
	fill("a", "first")
	fill("b", "second")
	is("created", "b", "second")
	if err := db.Collection("b").Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	is("dropped", "b", none)
	fill("b", "third")
	is("made again", "b", "third")
	rename("b", "c")
	is("renamed", "b", none)
	is("renamed", "c", "third")
	fill("b", "fourth")
	rename("b", "c")
	is("replaced", "c", "fourth")
	if err := db.Collection("c").Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateView(t.Context(), "c", "a", bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: "of", Value: "view"}}}}}); err != nil {
		t.Fatal(err)
	}
	is("replaced by a view", "c", "view")
	if err := db.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	is("with its database", "a", none)
}

// Finds whose like fitted into one page are read without a cursor, and answer the same to the byte.
func TestWholeResultsAreReadWithoutACursor(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	docs := make([]any, 300)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "g", Value: i % 7}, {Key: "s", Value: strings.Repeat("x", i)}}
	}
	must(db.Collection("c").InsertMany(t.Context(), docs))(t)
	must(db.Collection("c").Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "g", Value: 1}}}))(t)
	for name, more := range map[string]bson.D{
		"filter":         {{Key: "filter", Value: bson.D{{Key: "g", Value: 3}}}},
		"sort and limit": {{Key: "sort", Value: bson.D{{Key: "_id", Value: -1}}}, {Key: "limit", Value: 20}},
		"projection":     {{Key: "filter", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: 5}}}}}, {Key: "projection", Value: bson.D{{Key: "g", Value: 1}}}},
		"skip":           {{Key: "skip", Value: 250}},
		"all of a batch": {{Key: "filter", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: 101}}}}}},
		"small batch":    {{Key: "filter", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: 5}}}}}, {Key: "batchSize", Value: 5}},
		"nothing":        {{Key: "filter", Value: bson.D{{Key: "g", Value: "none"}}}},
		"no collection":  {{Key: "find", Value: "none"}},
		"error":          {{Key: "filter", Value: bson.D{{Key: "g", Value: bson.D{{Key: "$none", Value: 1}}}}}},
		"regex":          {{Key: "filter", Value: bson.D{{Key: "s", Value: bson.Regex{Pattern: "^x{3,7}$"}}}}},
	} {
		command := append(bson.D{{Key: "find", Value: "c"}}, more...)
		if more[0].Key == "find" {
			command = more
		}
		before, first := g.shortcuts(t, "whole"), ask(t, db, command)
		for range 5 {
			if again := ask(t, db, command); again != first {
				t.Errorf("%s: %s instead of %s", name, again, first)
			}
		}
		if n := g.shortcuts(t, "whole") - before; n == 0 && name != "error" && name != "all of a batch" && name != "small batch" {
			t.Errorf("%s: none was read without a cursor", name)
		}
	}
}

// A find that was expected to fit and does not loses nothing.
func TestResultThatOutgrowsItsPageIsWhole(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	coll := db.Collection("c")
	for size, step := 0, 40; size < 400; size += step {
		docs := make([]any, step)
		for i := range docs {
			docs[i] = bson.D{{Key: "_id", Value: size + i}, {Key: "g", Value: 1}}
		}
		must(coll.InsertMany(t.Context(), docs))(t)
		for range 4 {
			var got []bson.D
			cursor := must(coll.Find(t.Context(), bson.D{{Key: "g", Value: 1}}))(t)
			if err := cursor.All(t.Context(), &got); err != nil || len(got) != size+step {
				t.Fatalf("found %d of %d: %v", len(got), size+step, err)
			}
		}
	}
	large := db.Collection("large")
	for i := range 3 { // together larger than a page may be
		must(large.InsertOne(t.Context(), bson.D{{Key: "g", Value: 1}, {Key: "s", Value: strings.Repeat("x", 7<<20)}}))(t)
		for range 4 {
			var got []bson.Raw
			cursor := must(large.Find(t.Context(), bson.D{{Key: "g", Value: 1}}))(t)
			if err := cursor.All(t.Context(), &got); err != nil || len(got) != i+1 {
				t.Fatalf("found %d of %d: %v", len(got), i+1, err)
			}
		}
	}
	if g.shortcuts(t, "whole") == 0 || g.scrape(t)["shortcut_reads_repeated_total"] == 0 {
		t.Error("no find was read without a cursor, or none outgrew its page")
	}
}

// Equal values are one group, whatever their types and however they are written, and however often the pipeline has run.
func TestEqualValuesAreOneGroup(t *testing.T) {
	t.Parallel()
	su := superuser(t) // the tests' node has less memory for a statement than any plan's, and hashes less
	must(su.Exec(t.Context(), "ALTER ROLE tine_gateway SET work_mem = '32MB'"))(t)
	t.Cleanup(func() { must(su.Exec(context.WithoutCancel(t.Context()), "ALTER ROLE tine_gateway RESET work_mem"))(t) })
	g := open(t, nil)
	db := g.database(t)
	decimal := func(s string) bson.Decimal128 { return must(bson.ParseDecimal128(s))(t) }
	for i, tt := range []struct {
		name   string
		values []any
		hashed bool
	}{
		{"numbers", []any{int32(1), int64(1), 1.0}, true},
		{"decimals", []any{decimal("0.1"), decimal("0.10"), decimal("0.100")}, false},
		{"large decimals", []any{decimal("1E400"), decimal("1.0E400")}, false},
		{"in documents", []any{bson.D{{Key: "a", Value: decimal("0.1")}}, bson.D{{Key: "a", Value: decimal("0.10")}}}, false},
		{"in arrays", []any{bson.A{decimal("0.1")}, bson.A{decimal("0.10")}}, false},
		{"least number", []any{int64(-1 << 63), float64(-1 << 63)}, false},
		{"zeros", []any{0.0, int32(0), int64(0)}, true},
		{"texts", []any{"a", "a", "a"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			coll := db.Collection(fmt.Sprint("c", i))
			var docs []any
			for _, v := range tt.values {
				docs = append(docs, bson.D{{Key: "v", Value: v}, {Key: "in", Value: 1}})
			}
			for range 2000 { // so that the engine expects the others to be few, for which it hashes by itself
				docs = append(docs, bson.D{{Key: "v", Value: "other"}, {Key: "in", Value: 2}})
			}
			must(coll.InsertMany(t.Context(), docs))(t)
			must(coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "in", Value: 1}}}))(t)
			must(su.Exec(t.Context(), "ANALYZE"))(t)
			before := g.shortcuts(t, "hash")
			for range 5 {
				for _, more := range []bson.A{{}, {bson.D{{Key: "$sort", Value: bson.D{{Key: "n", Value: 1}}}}}, {bson.D{{Key: "$limit", Value: 10}}}} {
					pipeline := append(bson.A{
						bson.D{{Key: "$match", Value: bson.D{{Key: "in", Value: 1}}}},
						bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$v"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}},
					}, more...)
					var groups []bson.M
					if err := must(coll.Aggregate(t.Context(), pipeline))(t).All(t.Context(), &groups); err != nil {
						t.Fatal(err)
					}
					if len(groups) != 1 || groups[0]["n"] != int32(len(tt.values)) {
						t.Fatalf("groups are %v", groups)
					}
				}
			}
			if hashed := g.shortcuts(t, "hash") > before; hashed != tt.hashed {
				t.Errorf("grouped by hash: %t", hashed)
			}
		})
	}
}

// Groups that come to be more than a page holds are all there, each once.
func TestGroupsThatOutgrowAPageAreWhole(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	coll := g.database(t).Collection("c")
	for size, step := 0, 60; size < 300; size += step {
		docs := make([]any, step)
		for i := range docs {
			docs[i] = bson.D{{Key: "v", Value: size + i}}
		}
		must(coll.InsertMany(t.Context(), docs))(t)
		for range 4 {
			groups := map[int32]bool{}
			cursor := must(coll.Aggregate(t.Context(), bson.A{bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$v"}}}}}))(t)
			n := 0
			for ; cursor.Next(t.Context()); n++ {
				groups[cursor.Current.Lookup("_id").Int32()] = true
			}
			if err := cursor.Err(); err != nil || n != size+step || len(groups) != n {
				t.Fatalf("%d groups, %d of them different, of %d: %v", n, len(groups), size+step, err)
			}
		}
	}
	if g.shortcuts(t, "hash") == 0 {
		t.Error("nothing was grouped by hash")
	}
}

// A client that does not read its reply does not keep a connection to the node from others.
func TestClientsThatDoNotReadKeepNoBackend(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	must(db.Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}, {Key: "s", Value: bytes.Repeat([]byte("x"), 6<<20)}}))(t)
	const clients = 66 // more than connections that a pool may have
	var all sync.WaitGroup
	for range clients {
		c := g.dial(t)
		if tcp, ok := c.Conn.(*net.TCPConn); !ok || tcp.SetReadBuffer(64<<10) != nil {
			t.Fatal("the receive buffer cannot be set")
		}
		c.logIn(t)
		all.Go(func() {
			_, _ = c.Write(opMsg(0, body(t, bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "$db", Value: db.Name()}})))
		})
	}
	all.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for g.shortcuts(t, "point") < clients && ctx.Err() == nil { // all have been answered, as far as the kernel takes it
		if err := db.Collection("c").FindOne(ctx, bson.D{{Key: "_id", Value: 2}}, options.FindOne()).Err(); err != mongo.ErrNoDocuments { //nolint:errorlint // it is itself
			t.Fatal(err)
		}
	}
	if err := db.Collection("c").FindOne(ctx, bson.D{{Key: "_id", Value: 2}}).Err(); err != mongo.ErrNoDocuments { //nolint:errorlint // it is itself
		t.Fatal(err)
	}
}
