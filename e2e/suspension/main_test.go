// Package suspension tests what a suspended cluster goes through: kills of Tine in the middle of a suspension or a wake, and every operation that a cluster
// that is awake can go through.
package suspension

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
	"tine/internal/contract"
)

// tine is the Tine of all tests. They run one after the other: some kill it, and they count the nodes that run.
var tine *harness.Tine

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, &tine, harness.Options{ImageGiB: 10, Transport: contract.Wrap}, func(ctx context.Context, tine *harness.Tine) error {
		// Nothing falls asleep unless a test asks for it.
		if err := tine.Configure("suspend:\n  after: 0s\n"); err != nil {
			return err
		}
		return tine.Start(ctx)
	}))
}

var names atomic.Int64

func newName(prefix string) string { return fmt.Sprintf("%s-%d", prefix, names.Add(1)) }

// newCluster makes what the request asks for; it is destroyed when the test ends, unless it is gone.
func newCluster(t *testing.T, r *godo.DatabaseCreateRequest) *godo.Database {
	t.Helper()
	c, err := tine.Make(t.Context(), r)
	if err != nil {
		t.Fatal(err, lastLines())
	}
	t.Cleanup(func() { remove(t, c.ID) })
	return c
}

// remove destroys a cluster unless it is gone.
func remove(t *testing.T, id string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if _, answer, err := tine.API.Databases.Get(ctx, id); err != nil && answer != nil && answer.StatusCode == http.StatusNotFound {
		return
	}
	if err := tine.Remove(ctx, id); err != nil {
		t.Errorf("destroy cluster %s: %v", id, err)
	}
}

// visit does something with a cluster's documents as a client that leaves afterwards: one that stays could wake the cluster at any time.
func visit(t *testing.T, c *godo.Database, do func(things *mongo.Collection)) {
	t.Helper()
	client, err := harness.Connect(t.Context(), c.Connection.URI)
	if err != nil {
		t.Fatal(err, lastLines())
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
				t.Fatal(err, lastLines())
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
			t.Fatal(err, lastLines())
		}
		var docs []struct {
			ID int `bson:"_id"`
		}
		if err := found.All(t.Context(), &docs); err != nil {
			t.Fatal(err, lastLines())
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
		t.Fatal(err, lastLines())
	}
	waitNodes(t, left)
}

func isSuspended(t *testing.T, c *godo.Database) bool {
	t.Helper()
	suspended, err := tine.Suspended(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	return suspended
}

// waitNodes returns when that many clusters' nodes run.
func waitNodes(t *testing.T, want int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d nodes to run", want), func() bool {
		n, err := tine.Nodes()
		if err != nil {
			t.Fatal(err)
		}
		return n == want
	})
}

func lastLines() string {
	const count = 40
	lines := strings.Split(tine.LogText(), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "request served") })
	return "\n" + strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// pause is between two looks at something that takes about 100 ms.
const pause = 3 * time.Millisecond

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for ", what, lastLines())
		}
		time.Sleep(pause)
	}
}
