package clients

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
	"tine/internal/contract"
)

// shared is the Tine of all tests that do not kill it.
var shared *harness.Tine

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, &shared, harness.Options{Transport: contract.Wrap}, nil))
}

var clusters atomic.Int64

// newCluster makes a cluster and returns its connection string. It is destroyed when the test ends.
func newCluster(t *testing.T, tine *harness.Tine) string {
	t.Helper()
	return makeCluster(t, tine, harness.CreateRequest(fmt.Sprintf("clients-%d", clusters.Add(1)))).Connection.URI
}

// makeCluster makes the cluster of a request. It is destroyed when the test ends.
func makeCluster(t *testing.T, tine *harness.Tine, r *godo.DatabaseCreateRequest) *godo.Database {
	t.Helper()
	c, err := tine.Make(t.Context(), r)
	if err != nil {
		t.Fatalf("make cluster: %v\n%s", err, warnings(tine.LogText()))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Tine warned:\n%s", warnings(tine.LogText()))
		}
		if err := tine.Remove(context.WithoutCancel(t.Context()), c.ID); err != nil {
			t.Errorf("destroy cluster: %v", err)
		}
	})
	return c
}

func connect(t *testing.T, uri string, opts ...*options.ClientOptions) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(append([]*options.ClientOptions{options.Client().ApplyURI(uri)}, opts...)...)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	return client
}

// warnings are the last warnings and errors of a log.
func warnings(log string) string {
	const count = 40
	var lines []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-count):], "")
}
