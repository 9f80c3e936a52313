// Package suspension tests what a suspended cluster goes through: kills of Tine in the middle of a suspension or a wake, and every operation that a cluster
// that is awake can go through.
package suspension

import (
	"os"
	"slices"
	"testing"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
	"tine/e2e/harness/suite"
)

// tine is the Tine of all tests. They run one after the other: some kill it, and they count the nodes that run.
var tine suite.Suite

func TestMain(m *testing.M) { os.Exit(tine.Awake(m, 10)) }

// visit does something with a cluster's documents as a client that leaves afterwards: one that stays could wake the cluster at any time.
func visit(t *testing.T, c *godo.Database, do func(things *mongo.Collection)) {
	t.Helper()
	client, err := harness.Connect(t.Context(), c.Connection.URI)
	if err != nil {
		t.Fatal(err, tine.LastLines())
	}
	defer func() {
		if err := client.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	do(client.Database("shop").Collection("things"))
}

// insert writes documents that are acknowledged.
func insert(t *testing.T, c *godo.Database, ids ...int) {
	t.Helper()
	visit(t, c, func(things *mongo.Collection) {
		for _, id := range ids {
			if _, err := things.InsertOne(t.Context(), bson.D{{Key: "_id", Value: id}}); err != nil {
				t.Fatal(err, tine.LastLines())
			}
		}
	})
}

// wantIDs finds a cluster's documents, which wakes it, and fails unless they are those.
func wantIDs(t *testing.T, c *godo.Database, want ...int) {
	t.Helper()
	visit(t, c, func(things *mongo.Collection) {
		found, err := things.Find(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err, tine.LastLines())
		}
		var docs []struct {
			ID int `bson:"_id"`
		}
		if err := found.All(t.Context(), &docs); err != nil {
			t.Fatal(err, tine.LastLines())
		}
		got := make([]int, 0, len(docs))
		for _, d := range docs {
			got = append(got, d.ID)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s has the documents %v, want %v", c.Name, got, want)
		}
	})
}

// suspend returns when a cluster is asleep and that many nodes run.
func suspend(t *testing.T, c *godo.Database, left int) {
	t.Helper()
	if err := tine.Suspend(t.Context(), c.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	tine.WaitNodes(t, left)
}

func isSuspended(t *testing.T, c *godo.Database) bool {
	t.Helper()
	suspended, err := tine.Suspended(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	return suspended
}
