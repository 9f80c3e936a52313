// Package suite is what the tests of a package need that share a Tine: names, clusters that end with their test, and patience. Benchmarks, which have no
// testing.T, use the harness alone.
package suite

import (
	"context"
	"fmt"
	"net/http"
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

// Suite is a Tine that the tests of a package share.
type Suite struct {
	*harness.Tine

	names atomic.Int64
}

// Awake is Main with a Tine whose clusters do not fall asleep unless a test asks for it.
func (s *Suite) Awake(m *testing.M, imageGiB int) (code int) {
	return s.Main(m, imageGiB, func() error { return s.Configure("suspend:\n  after: 0s\n") })
}

// Main runs a package's tests with a Tine that is started when configure has configured it, and returns the code to exit with.
func (s *Suite) Main(m *testing.M, imageGiB int, configure func() error) (code int) {
	options := harness.Options{ImageGiB: imageGiB, Transport: contract.Wrap}
	return harness.Main(m, &s.Tine, options, func(ctx context.Context, tine *harness.Tine) error {
		if err := configure(); err != nil {
			return err
		}
		return tine.Start(ctx)
	})
}

// NewName is a name that no other cluster has.
func (s *Suite) NewName(prefix string) string { return fmt.Sprintf("%s-%d", prefix, s.names.Add(1)) }

// NewCluster makes what the request asks for; it is destroyed when the test ends, unless it is gone.
func (s *Suite) NewCluster(t *testing.T, r *godo.DatabaseCreateRequest) *godo.Database {
	t.Helper()
	c, err := s.Make(t.Context(), r)
	if err != nil {
		t.Fatal(err, s.LastLines())
	}
	t.Cleanup(func() { s.Discard(t, c.ID) })
	return c
}

// Discard destroys a cluster unless it is gone. It is for the end of a test.
func (s *Suite) Discard(t *testing.T, id string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if _, answer, err := s.API.Databases.Get(ctx, id); err != nil && answer != nil && answer.StatusCode == http.StatusNotFound {
		return
	}
	if err := s.Remove(ctx, id); err != nil {
		t.Errorf("destroy cluster %s: %v", id, err)
	}
}

// Connect connects to a cluster until the test ends.
func (s *Suite) Connect(t *testing.T, uri string) *mongo.Client {
	t.Helper()
	client, err := harness.Connect(t.Context(), uri)
	if err != nil {
		t.Fatal(err, s.LastLines())
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	return client
}

// LastLines are those of Tine's log that may say why a test fails.
func (s *Suite) LastLines() string {
	const count = 60
	noise := []string{"request served", "slow operation", "maintenance.", "producer: ", "leadership.", "jobcompleter.", "Client: "}
	lines := slices.DeleteFunc(strings.Split(s.LogText(), "\n"), func(line string) bool {
		return slices.ContainsFunc(noise, func(n string) bool { return strings.Contains(line, n) })
	})
	return "\n" + strings.Join(lines[max(0, len(lines)-count):], "\n")
}

const (
	// patience is far longer than anything takes that is waited for.
	patience = time.Minute
	// pause is between two looks at something that takes about 100 ms, longPause at what has taken more than soon.
	pause     = 3 * time.Millisecond
	soon      = time.Second
	longPause = 20 * time.Millisecond
)

// WaitFor returns when done says so.
func (s *Suite) WaitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for began := time.Now(); !done(); {
		switch waited := time.Since(began); {
		case waited > patience:
			t.Fatal("waited in vain for ", what, s.LastLines())
		case waited > soon:
			time.Sleep(longPause)
		default:
			time.Sleep(pause)
		}
	}
}

// WaitNodes returns when that many clusters' nodes run.
func (s *Suite) WaitNodes(t *testing.T, want int) {
	t.Helper()
	s.WaitFor(t, fmt.Sprintf("%d nodes to run", want), func() bool { return s.CountNodes(t) == want })
}

// CountNodes is how many clusters' nodes run.
func (s *Suite) CountNodes(t *testing.T) int {
	t.Helper()
	n, err := s.Nodes()
	if err != nil {
		t.Fatal(err)
	}
	return n
}
