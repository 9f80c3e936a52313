// Package density tests that the nodes of idle clusters are stopped and started again with no client noticing more than that its first operation takes a
// little longer.
package density

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

// cluster is one with a client of its own.
type cluster struct {
	*godo.Database
	client *mongo.Client
}

// newCluster makes what the request asks for; it is destroyed when the test ends.
func newCluster(t *testing.T, r *godo.DatabaseCreateRequest) *cluster {
	t.Helper()
	c, err := tine.Make(t.Context(), r)
	if err != nil {
		t.Fatal(err, lastLines())
	}
	t.Cleanup(func() {
		if err := tine.Remove(context.WithoutCancel(t.Context()), c.ID); err != nil {
			t.Errorf("destroy cluster %s: %v", c.Name, err)
		}
	})
	return &cluster{Database: c, client: connect(t, c.Connection.URI)}
}

func connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := harness.Connect(t.Context(), uri)
	if err != nil {
		t.Fatal(err, lastLines())
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	return client
}

func lastLines() string {
	const count = 40
	lines := strings.Split(tine.LogText(), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool {
		return strings.Contains(l, "request served") || strings.Contains(l, "slow operation")
	})
	return "\n" + strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// state is a cluster as the API shows it, with what godo does not know.
type state struct {
	Status              string                  `json:"status"`
	Suspended           bool                    `json:"suspended"`
	SuspendAfterMinutes int                     `json:"suspend_after_minutes"`
	DBNames             []string                `json:"db_names"`
	Users               []struct{ Name string } `json:"users"`
}

func stateOf(t *testing.T, id string) state {
	t.Helper()
	r, err := tine.API.NewRequest(t.Context(), http.MethodGet, "v2/databases/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	var root struct{ Database state }
	if _, err := tine.API.Do(t.Context(), r, &root); err != nil {
		t.Fatal(err)
	}
	return root.Database
}

func change(t *testing.T, id string, body map[string]any) error {
	t.Helper()
	r, err := tine.API.NewRequest(t.Context(), http.MethodPut, "v2/databases/"+id+"/suspension", body)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tine.API.Do(t.Context(), r, nil)
	return err
}

// suspend suspends clusters and returns when their nodes are stopped.
func suspend(t *testing.T, clusters ...*cluster) {
	t.Helper()
	before := nodes(t)
	for _, c := range clusters {
		if err := change(t, c.ID, map[string]any{"now": true}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range clusters {
		waitFor(t, c.Name+" to be suspended", func() bool { return stateOf(t, c.ID).Suspended })
	}
	waitFor(t, "nodes to stop", func() bool { return nodes(t) == before-len(clusters) })
}

// events are the messages of a cluster's events of a kind.
func events(t *testing.T, id, kind string) []string {
	t.Helper()
	list, err := tine.Events(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var messages []string
	for _, e := range list {
		if e.Detail == kind {
			messages = append(messages, e.Message)
		}
	}
	return messages
}

// nodes is how many clusters' nodes run.
func nodes(t *testing.T) int {
	t.Helper()
	running, err := tine.Nodes()
	if err != nil {
		t.Fatal(err)
	}
	return running
}

// pause is between two looks at something that takes about 100 ms.
const pause = 3 * time.Millisecond

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for ", what, lastLines())
		}
		time.Sleep(pause)
	}
}
