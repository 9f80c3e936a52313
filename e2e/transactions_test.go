package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
)

type listedTransaction struct {
	ID      string   `json:"id"`
	Changes []string `json:"changes"`
}

// schemaChanges lists a cluster's transactions that changed the schema.
func schemaChanges(t *testing.T, cluster string) []listedTransaction {
	t.Helper()
	var answer struct {
		Transactions []listedTransaction `json:"transactions"`
	}
	cliJSON(t, &answer, "cluster", "history", cluster, "--transactions", "--schema", "--count", "100")
	return answer.Transactions
}

// Whoever dropped something finds the transaction that did it, and gets the state right before it, while others go on writing.
func TestEverySchemaChangeIsListedAndCanBeForkedAround(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("marks")))
	client := connect(t, source)
	ctx, db := t.Context(), client.Database("shop")
	orders := db.Collection("orders")
	run := func(command bson.D) {
		t.Helper()
		if err := db.RunCommand(ctx, command).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.CreateCollection(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	insert(t, orders, 1, 2)
	index := mongo.IndexModel{Keys: bson.D{{Key: "a", Value: 1}}, Options: options.Index().SetName("by_a")}
	if _, err := orders.Indexes().CreateOne(ctx, index); err != nil {
		t.Fatal(err)
	}
	if _, err := orders.Indexes().CreateOne(ctx, index); err != nil { // there already: changes nothing
		t.Fatal(err)
	}
	run(bson.D{{Key: "collMod", Value: "orders"}, {Key: "index", Value: bson.D{{Key: "name", Value: "by_a"}, {Key: "hidden", Value: true}}}})
	if err := orders.Indexes().DropOne(ctx, "by_a"); err != nil {
		t.Fatal(err)
	}
	admin := client.Database("admin")
	rename := bson.D{{Key: "renameCollection", Value: "shop.orders"}, {Key: "to", Value: "shop.sales"}}
	if err := admin.RunCommand(ctx, rename).Err(); err != nil {
		t.Fatal(err)
	}
	sales := db.Collection("sales")
	insert(t, sales, 3)
	if err := sales.Drop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := sales.Drop(ctx); err != nil { // gone already
		t.Fatal(err)
	}
	other := db.Collection("other")
	if _, err := other.Indexes().CreateOne(ctx, index); err != nil { // makes the collection, too
		t.Fatal(err)
	}
	insert(t, other, 4)
	insert(t, db.Collection("target"), 5)
	rename = bson.D{{Key: "renameCollection", Value: "shop.other"}, {Key: "to", Value: "shop.target"}, {Key: "dropTarget", Value: true}}
	if err := admin.RunCommand(ctx, rename).Err(); err != nil {
		t.Fatal(err)
	}
	insert(t, db.Collection("totals"), 6)
	for _, into := range []any{"totals", bson.D{{Key: "db", Value: "shop"}, {Key: "coll", Value: "totals"}}} {
		cursor, err := db.Collection("target").Aggregate(ctx, bson.A{bson.D{{Key: "$match", Value: bson.D{}}}, bson.D{{Key: "$out", Value: into}}})
		if err != nil {
			t.Fatal(err)
		}
		_ = cursor.Close(ctx)
	}
	if err := db.Drop(ctx); err != nil {
		t.Fatal(err)
	}
	list := schemaChanges(t, source.Name)
	var changes []string
	for _, l := range list {
		changes = append(changes, l.Changes...)
	}
	want := []string{
		"create shop.orders", "createIndexes shop.orders: by_a", "collMod shop.orders", "dropIndexes shop.orders: by_a",
		"renameCollection shop.orders to shop.sales", "drop shop.sales",
		"createIndexes shop.other: by_a", "renameCollection shop.other to shop.target, which is dropped",
		"aggregate shop.target: $out shop.totals", "aggregate shop.target: $out shop.totals", "dropDatabase shop",
	}
	if !slices.Equal(changes, want) {
		t.Fatalf("the changes are\n%s\nwant\n%s", strings.Join(changes, "\n"), strings.Join(want, "\n"))
	}
	drop := list[slices.Index(changes, "drop shop.sales")].ID
	before := forkAround(t, source.Name, "--before", drop)
	if out, errs, code := cli(t, "cluster", "get", before.Name); code != 0 || !strings.Contains(out, source.Name+" right before transaction "+drop+", of ") {
		t.Errorf("get ends with %d and does not say what the fork was made from:\n%s%s", code, out, errs)
	}
	wantNumbers(t, connect(t, before).Database("shop").Collection("sales"), 1, 2, 3)
	replaced := forkAround(t, source.Name, "--before", list[slices.Index(changes, "aggregate shop.target: $out shop.totals")].ID)
	wantNumbers(t, connect(t, replaced).Database("shop").Collection("totals"), 6)
	after := connect(t, forkAround(t, source.Name, "--after", drop)).Database("shop")
	if names, err := after.ListCollectionNames(ctx, bson.D{}); err != nil || len(names) != 0 {
		t.Errorf("right after the drop there are %v: %v", names, err)
	}
}

// forkAround forks a cluster by the command line.
func forkAround(t *testing.T, source, side, transaction string) *godo.Database {
	t.Helper()
	var fork godo.Database
	cliJSON(t, &fork, "cluster", "fork", source, newName("around"), side, transaction, "--wait")
	t.Cleanup(func() {
		if err := shared.Remove(context.WithoutCancel(t.Context()), fork.ID); err != nil {
			t.Error(err)
		}
	})
	return &fork
}

// The person who has dropped a collection has it back under the same address, and nothing else is lost.
func TestClusterIsBroughtBackToRightBeforeADrop(t *testing.T) {
	t.Parallel()
	cluster := makeCluster(t, shared, harness.CreateRequest(newName("undrop")))
	orders := connect(t, cluster).Database("shop").Collection("orders")
	insert(t, orders, 1, 2)
	if err := orders.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var drop string
	for _, l := range schemaChanges(t, cluster.Name) {
		if slices.Contains(l.Changes, "drop shop.orders") {
			drop = l.ID
		}
	}
	if _, errs, code := cli(t, "cluster", "restore", cluster.Name, "--before", drop, "--wait"); code != 0 {
		t.Fatalf("restore ends with %d: %s", code, errs)
	}
	removeKept(t, cluster.Name)
	wantNumbers(t, orders, 1, 2)
}

// removeKept destroys what a restore has kept, when the test ends.
func removeKept(t *testing.T, name string) {
	t.Helper()
	list, _, err := shared.API.Databases.List(t.Context(), &godo.ListOptions{PerPage: 200})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if strings.HasPrefix(c.Name, name+"-before-restore-") {
			t.Cleanup(func() {
				if err := shared.Remove(context.WithoutCancel(t.Context()), c.ID); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestForksAtWhatIsNoTransactionAreRefused(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("nothing")))
	for _, args := range [][]string{{"--before", "0/1"}, {"--after", "FFFF/0"}, {"--before", "yesterday"}, {"--before", "0/0"}} {
		_, stderr, code := cli(t, append([]string{"cluster", "fork", source.Name, newName("around")}, args...)...)
		if code == 0 || !strings.Contains(stderr, "transaction") {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
}
