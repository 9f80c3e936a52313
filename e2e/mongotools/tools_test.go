//go:build mongotools

package mongotools

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const documents = 3000

// fill makes two databases with everything that a dump takes along.
func fill(t *testing.T, c *cluster) {
	t.Helper()
	shop, other := c.client.Database("shop"), c.client.Database("other")
	docs := make([]any, documents)
	decimal, err := bson.ParseDecimal128("0.10")
	if err != nil {
		t.Fatal(err)
	}
	for i := range docs {
		docs[i] = bson.D{
			{Key: "_id", Value: i},
			{Key: "n", Value: i % 10},
			{Key: "price", Value: decimal},
			{Key: "at", Value: time.UnixMilli(int64(i))},
			{Key: "text", Value: strings.Repeat("x", i%200)},
			{Key: "deep", Value: bson.D{{Key: "list", Value: bson.A{i, int64(i), float64(i), nil, true}}}},
			{Key: "id", Value: bson.NewObjectID()},
			{Key: "bytes", Value: []byte{1, 2}},
		}
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = shop.Collection("orders").InsertMany(t.Context(), docs)
	ok(err)
	_, err = other.Collection("small").InsertMany(t.Context(), docs[:10])
	ok(err)
	_, err = shop.Collection("orders").Indexes().CreateMany(t.Context(), []mongo.IndexModel{
		{Keys: bson.D{{Key: "n", Value: 1}, {Key: "at", Value: -1}}},
		{Keys: bson.D{{Key: "id", Value: 1}}, Options: options.Index().SetUnique(true)},
		{Keys: bson.D{{Key: "at", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(1 << 30)},
		{Keys: bson.D{{Key: "text", Value: 1}}, Options: options.Index().SetPartialFilterExpression(bson.D{{Key: "n", Value: bson.D{{Key: "$gt", Value: 3}}}})},
	})
	ok(err)
	ok(shop.CreateView(t.Context(), "cheap", "orders", bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: "n", Value: 1}}}}}))
	ok(shop.CreateCollection(t.Context(), "checked", options.CreateCollection().SetValidator(bson.D{{Key: "n", Value: bson.D{{Key: "$type", Value: "int"}}}})))
	_, err = shop.Collection("checked").InsertOne(t.Context(), bson.D{{Key: "n", Value: int32(1)}})
	ok(err)
}

// content is all that a cluster holds, in an order of its own.
func content(t *testing.T, c *cluster) string {
	t.Helper()
	var b strings.Builder
	for _, name := range []string{"shop", "other"} {
		db := c.client.Database(name)
		specs, err := db.ListCollectionSpecifications(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(specs, func(x, y mongo.CollectionSpecification) int { return strings.Compare(x.Name, y.Name) })
		for _, spec := range specs {
			b.WriteString(name + "." + spec.Name + " " + spec.Type + " " + spec.Options.String() + "\n")
			cursor, err := db.Collection(spec.Name).Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
			if err != nil {
				t.Fatal(err)
			}
			for cursor.Next(t.Context()) {
				b.WriteString(cursor.Current.String() + "\n")
			}
			if err := cursor.Err(); err != nil {
				t.Fatal(err)
			}
			if spec.Type == "view" {
				continue
			}
			indexes, err := db.Collection(spec.Name).Indexes().ListSpecifications(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(indexes, func(x, y mongo.IndexSpecification) int { return strings.Compare(x.Name, y.Name) })
			for _, index := range indexes {
				line, err := json.Marshal(index)
				if err != nil {
					t.Fatal(err)
				}
				b.WriteString(string(line) + "\n")
			}
		}
	}
	return b.String()
}

// What mongodump takes from one cluster, mongorestore makes in another: documents to the byte, indexes, views and rules.
func TestDumpAndRestore(t *testing.T) {
	t.Parallel()
	source := newCluster(t)
	fill(t, source)
	want := content(t, source)
	for name, how := range map[string]struct{ dump, restore []string }{
		"archive":   {[]string{"--gzip", "--archive=FILE"}, []string{"--gzip", "--archive=FILE"}},
		"directory": {[]string{"--out", "FILE", "--numParallelCollections", "2"}, []string{"--numInsertionWorkersPerCollection", "4", "FILE"}},
	} {
		t.Run(name, func(t *testing.T) {
			target := newCluster(t)
			file := filepath.Join(t.TempDir(), "dump")
			put := func(args []string) (filled []string) {
				for _, a := range args {
					filled = append(filled, strings.ReplaceAll(a, "FILE", file))
				}
				return filled
			}
			source.must(t, "", "mongodump", put(how.dump)...)
			for _, drop := range [][]string{nil, {"--drop"}} { // into nothing, and over what is there
				target.must(t, "", "mongorestore", put(append(drop, how.restore...))...)
				if got := content(t, target); got != want {
					t.Fatalf("restored are %d bytes of %d: %s", len(got), len(want), firstDifference(got, want))
				}
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "\n" + g[i] + "\ninstead of\n" + w[i]
		}
	}
	return "one ends before the other"
}

// mongoexport and mongoimport carry a collection over as JSON and back, types included.
func TestExportAndImport(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	fill(t, c)
	lines := c.must(t, "", "mongoexport", "--db", "shop", "--collection", "orders", "--jsonFormat", "canonical", "--sort", `{"_id": 1}`, "--query", `{"n": {"$lt": 5}}`)
	if n := strings.Count(lines, "\n"); n != documents/2 {
		t.Fatalf("%d documents are exported", n)
	}
	c.must(t, lines, "mongoimport", "--db", "shop", "--collection", "again", "--drop", "--numInsertionWorkers", "3")
	again := c.must(t, "", "mongoexport", "--db", "shop", "--collection", "again", "--jsonFormat", "canonical", "--sort", `{"_id": 1}`)
	if again != lines {
		t.Errorf("imported is another: %s", firstDifference(again, lines))
	}
	c.must(t, "_id,n\n1,100\n-1,7\n", "mongoimport", "--db", "shop", "--collection", "again", "--type", "csv", "--headerline", "--mode", "merge")
	csv := c.must(t, "", "mongoexport", "--db", "shop", "--collection", "again", "--type", "csv", "--fields", "_id,n", "--query", `{"_id": {"$lte": 1}}`, "--sort", `{"_id": 1}`)
	if csv != "_id,n\n-1,7\n0,0\n1,100\n" {
		t.Errorf("CSV is %q", csv)
	}
}

// mongofiles keeps files, mongostat and mongotop look at the server.
func TestFilesAndFigures(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	file := filepath.Join(t.TempDir(), "f")
	const size = 1 << 20
	if err := os.WriteFile(file, []byte(strings.Repeat("0123456789abcdef", size/16)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.must(t, "", "mongofiles", "--db", "files", "--local", file, "put", "one")
	c.must(t, "", "mongofiles", "--db", "files", "--local", file+".back", "get", "one")
	if back, err := os.ReadFile(file + ".back"); err != nil || len(back) != size {
		t.Errorf("the file comes back with %d bytes: %v", len(back), err)
	}
	if out := c.must(t, "", "mongostat", "--rowcount", "2", "--json"); strings.Count(out, "insert") < 2 {
		t.Errorf("mongostat prints %q", out)
	}
	if out := c.must(t, "", "mongotop", "--rowcount", "1", "--json"); !strings.Contains(out, "files.fs.chunks") {
		t.Errorf("mongotop prints %q", out)
	}
}

// What the tools cannot have is said in words.
func TestWhatToolsCannotHave(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	fill(t, c)
	for _, args := range [][]string{{"--oplog"}, {"--db", "shop", "--dumpDbUsersAndRoles"}} {
		said, err := c.run(t, "", "mongodump", append(args, "--out", t.TempDir())...)
		if err == nil {
			t.Errorf("mongodump %v succeeds: remove this, and its row in docs/compatibility.md", args)
		}
		t.Logf("mongodump %v says: %s", args, said)
	}
}
