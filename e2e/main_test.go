// Package e2e tests Tine as its users see it: the binary, through godo and the official MongoDB driver, on real parts.
package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
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

// shared is the Tine of all tests that do not kill it.
var shared *harness.Tine

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, &shared, harness.Options{ReplayMiB: 16, Transport: contract.Wrap}, nil))
}

var names atomic.Int64

// newName is a name that no other cluster of the test run has.
func newName(prefix string) string {
	return fmt.Sprintf("%s-%d", prefix, names.Add(1))
}

// make asks for a cluster and waits for it; it is destroyed when the test ends.
func makeCluster(t *testing.T, tine *harness.Tine, r *godo.DatabaseCreateRequest) *godo.Database {
	t.Helper()
	c, err := tine.Make(t.Context(), r)
	if err != nil {
		t.Fatalf("make cluster %s: %v\n%s", r.Name, err, lastLines(tine.LogText()))
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, resp, err := tine.API.Databases.Get(ctx, c.ID); err != nil && resp != nil && resp.StatusCode == http.StatusNotFound {
			return
		}
		if err := tine.Remove(ctx, c.ID); err != nil {
			t.Errorf("destroy cluster %s: %v", c.Name, err)
		}
	})
	return c
}

func connect(t *testing.T, c *godo.Database) *mongo.Client {
	t.Helper()
	client, err := harness.Connect(t.Context(), c.Connection.URI)
	if err != nil {
		t.Fatalf("connect to cluster %s: %v", c.Name, err)
	}
	t.Cleanup(func() { disconnect(t, client) })
	return client
}

// disconnect does not wait for a cluster that is gone: the driver would look for it for 30 s.
func disconnect(t *testing.T, client *mongo.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
	defer cancel()
	_ = client.Disconnect(ctx)
}

func lastLines(log string) string {
	const count = 40
	lines := strings.Split(log, "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// insert adds documents with these numbers as _id.
func insert(t *testing.T, c *mongo.Collection, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: n}}); err != nil {
			t.Fatalf("insert %d: %v", n, err)
		}
	}
}

// wantNumbers fails unless the collection has just these _ids.
func wantNumbers(t *testing.T, c *mongo.Collection, want ...int) {
	t.Helper()
	docs := all(t, c)
	got := map[int]bool{}
	for _, d := range docs {
		got[d.ID] = true
	}
	ok := len(got) == len(want)
	for _, n := range want {
		ok = ok && got[n]
	}
	if !ok {
		t.Errorf("the collection has %v, want %v", docs, want)
	}
}

// now is a moment to the microsecond, after everything before it and before everything after it.
func now() time.Time {
	at := time.Now().Truncate(time.Microsecond).Add(time.Microsecond)
	for !time.Now().After(at.Add(time.Microsecond)) {
		continue
	}
	return at
}

// inventory lists what an instance has on the machine, by kind.
func inventory(t *testing.T, tine *harness.Tine) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for kind, dir := range map[string]string{
		"volumes":    filepath.Join(tine.PoolDir(), "volumes"),
		"histories":  filepath.Join(tine.PoolDir(), "history"),
		"sockets":    filepath.Join(tine.DataDir(), "sockets"),
		"logs":       filepath.Join(tine.DataDir(), "logs"),
		"containers": filepath.Join(tine.DataDir(), "sandbox", "containers"),
	} {
		entries, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if name := strings.TrimSuffix(e.Name(), ".log"); name != "control" {
				found[kind] = append(found[kind], name)
			}
		}
	}
	return found
}

// wantClusters fails if the machine has more or less than what that many clusters need.
func wantClusters(t *testing.T, tine *harness.Tine, want int) {
	t.Helper()
	found := inventory(t, tine)
	for _, kind := range []string{"volumes", "histories", "sockets", "logs", "containers"} {
		if len(found[kind]) != want {
			t.Errorf("%d %s are on the machine, want %d: %v", len(found[kind]), kind, want, found[kind])
		}
	}
}
