// Package api tests the API of a whole Tine: what single handlers cannot show, because it takes a host, nodes and the outside world.
package api

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"

	"tine/e2e/harness"
	"tine/internal/contract"
)

var (
	// shared is the Tine of the tests that need none of their own. Its catalog has two regions.
	shared *harness.Tine
	// datadog is where its log sinks deliver to.
	datadog *intake
)

func TestMain(m *testing.M) {
	datadog = newIntake()
	code := harness.Main(m, &shared, harness.Options{ImageGiB: 10, Transport: contract.Wrap}, start)
	datadog.Close()
	os.Exit(code)
}

// start starts the shared Tine, which trusts the intake's certificate.
func start(ctx context.Context, tine *harness.Tine) error {
	plans, err := os.ReadFile(filepath.Join("..", "..", "internal", "catalog", "catalog.yaml"))
	if err != nil {
		return err
	}
	const region = "  - {slug: nyc1, name: New York 1}\n"
	two := strings.Replace(string(plans), region, region+"  - {slug: ams3, name: Amsterdam 3}\n", 1)
	catalog, trusted := filepath.Join(tine.Dir, "catalog.yaml"), filepath.Join(tine.Dir, "trusted.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: datadog.Certificate().Raw})
	err = errors.Join(os.WriteFile(catalog, []byte(two), 0o600), os.WriteFile(trusted, certificate, 0o600),
		tine.Configure("catalog: "+catalog+"\nlogsink:\n  datadog_url: "+datadog.URL+"/{site}/logs\n"))
	if err != nil {
		return err
	}
	return tine.Start(ctx, "SSL_CERT_FILE="+trusted)
}

var names atomic.Int64

// newName is a name that no other cluster of the test run has.
func newName(prefix string) string { return fmt.Sprintf("%s-%d", prefix, names.Add(1)) }

// makeCluster makes a small cluster, which is destroyed when the test ends.
func makeCluster(t *testing.T, tine *harness.Tine, prefix string) *godo.Database {
	t.Helper()
	return makeClusterOf(t, tine, harness.CreateRequest(newName(prefix)))
}

// makeClusterOf makes the cluster of a request, which is destroyed when the test ends.
func makeClusterOf(t *testing.T, tine *harness.Tine, r *godo.DatabaseCreateRequest) *godo.Database {
	t.Helper()
	c, err := tine.Make(t.Context(), r)
	if err != nil {
		t.Fatal(err, lastLines(tine.LogText()))
	}
	t.Cleanup(func() {
		_, err := tine.API.Databases.Delete(context.WithoutCancel(t.Context()), c.ID)
		if answer, ok := errors.AsType[*godo.ErrorResponse](err); ok && answer.Response.StatusCode == http.StatusNotFound {
			return
		}
		if err == nil {
			err = tine.WaitGone(context.WithoutCancel(t.Context()), c.ID)
		}
		if err != nil {
			t.Errorf("destroy cluster %s: %v", c.Name, err)
		}
	})
	return c
}

func lastLines(log string) string {
	const count = 40
	lines := strings.Split(log, "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// eventually says whether done comes true before it has been waited for too long.
func eventually(t *testing.T, done func() bool) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}
