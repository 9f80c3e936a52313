//go:build mongotools

package mongotools

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
	"tine/internal/contract"
)

// shared is the Tine of all tests.
var shared *harness.Tine

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, &shared, harness.Options{ImageGiB: 10, Transport: contract.Wrap}, nil))
}

var names atomic.Int64

// cluster is one that the tools work on, with a client of its own beside them.
type cluster struct {
	client *mongo.Client
	config string // the file by which the tools learn of its address and password
}

// newCluster makes a cluster, which is destroyed when the test ends.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	made, err := shared.Make(t.Context(), harness.CreateRequest(fmt.Sprintf("tools-%d", names.Add(1))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.Remove(context.WithoutCancel(t.Context()), made.ID); err != nil {
			t.Error(err)
		}
	})
	client, err := harness.Connect(t.Context(), made.Connection.URI)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	c := &cluster{client: client, config: filepath.Join(t.TempDir(), "config.yaml")}
	// A database in the path would be the only one that is dumped.
	uri := strings.Replace(made.Connection.URI, "/admin?", "/?", 1)
	if err := os.WriteFile(c.config, []byte("uri: "+uri+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs a tool on the cluster, with that input, and returns what it prints, or its messages if it fails.
func (c *cluster) run(t *testing.T, input, tool string, args ...string) (output string, err error) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("bin", tool))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"--config", c.config}, args...)...)
	var out, messages strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &messages
	if err := cmd.Run(); err != nil {
		return messages.String(), fmt.Errorf("%s %v: %w\n%s", tool, args, err, messages.String())
	}
	return out.String(), nil
}

// must is run for a tool that must succeed.
func (c *cluster) must(t *testing.T, input, tool string, args ...string) string {
	t.Helper()
	out, err := c.run(t, input, tool, args...)
	if err != nil {
		t.Fatalf("%v (scripts/mongotools.sh builds the tools)", err)
	}
	return out
}
