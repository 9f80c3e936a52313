// Package density tests that the nodes of idle clusters are stopped and started again with no client noticing more than that its first operation takes a
// little longer.
package density

import (
	"net/http"
	"os"
	"testing"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness/suite"
)

// tine is the Tine of all tests. They run one after the other: some kill it, and they count the nodes that run.
var tine suite.Suite

func TestMain(m *testing.M) { os.Exit(tine.Awake(m, 10)) }

// cluster is one with a client of its own.
type cluster struct {
	*godo.Database
	client *mongo.Client
}

// newCluster makes what the request asks for; it is destroyed when the test ends.
func newCluster(t *testing.T, r *godo.DatabaseCreateRequest) *cluster {
	t.Helper()
	c := tine.NewCluster(t, r)
	return &cluster{Database: c, client: tine.Connect(t, c.Connection.URI)}
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
	before := tine.CountNodes(t)
	for _, c := range clusters {
		if err := change(t, c.ID, map[string]any{"now": true}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range clusters {
		tine.WaitFor(t, c.Name+" to be suspended", func() bool { return stateOf(t, c.ID).Suspended })
	}
	tine.WaitFor(t, "nodes to stop", func() bool { return tine.CountNodes(t) == before-len(clusters) })
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
