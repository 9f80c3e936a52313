// Package regions tests that clusters live in the pool of their region, and are forked and moved from one to another without losing anything.
package regions

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness/suite"
)

// tine is the Tine of all tests. They run one after the other: some kill it. Its region nyc1 has the pool of all regions, fra1 one of its own.
var tine suite.Suite

const near, far = "nyc1", "fra1"

// third is a region that one test adds, with a pool that it mounts at operatorsMount.
const third = "lon1"

func operatorsMount() string { return filepath.Join(tine.Dir, third) }

const farPool = "{image_gib: 6}"

func TestMain(m *testing.M) { os.Exit(tine.Main(m, 6, func() error { return configure("") })) }

// configure gives Tine two regions, of which one has a pool of its own, and more settings.
func configure(more string) error { return configurePools(map[string]string{far: farPool}, more) }

func configurePools(pools map[string]string, more string) error {
	regions, err := tine.WithRegions(pools)
	if err != nil {
		return err
	}
	return tine.Configure("suspend:\n  after: 0s\n" + regions + more)
}

// poolOf is where the pool of a region is.
func poolOf(region string) string {
	switch region {
	case near:
		return tine.PoolDir()
	case third:
		return operatorsMount()
	default:
		return tine.PoolOf(region)
	}
}

// held is what a region's pool has in a directory, but for the control plane's own.
func held(t *testing.T, region, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(poolOf(region), dir))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "control" {
			names = append(names, e.Name())
		}
	}
	return names
}

// cluster is one with a client of its own.
type cluster struct {
	*godo.Database
	client *mongo.Client
}

// newCluster makes what the request asks for; it is destroyed when the test ends, unless it is gone.
func newCluster(t *testing.T, r *godo.DatabaseCreateRequest) *cluster {
	t.Helper()
	return connected(t, tine.NewCluster(t, r))
}

func connected(t *testing.T, c *godo.Database) *cluster {
	t.Helper()
	return &cluster{Database: c, client: tine.Connect(t, c.Connection.URI)}
}

// in puts a request into a region.
func in(region string, r *godo.DatabaseCreateRequest) *godo.DatabaseCreateRequest {
	r.Region = region
	return r
}

// now is a moment of a node's clock that is over.
func now() time.Time {
	at := time.Now().Truncate(time.Microsecond).Add(time.Microsecond)
	for !time.Now().After(at.Add(time.Microsecond)) {
		continue
	}
	return at
}

// wantNoSenders fails unless all programs end that send or receive a volume of this Tine.
func wantNoSenders(t *testing.T) {
	t.Helper()
	tine.WaitFor(t, "senders to end", func() bool {
		lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(lines, func(path string) bool {
			b, _ := os.ReadFile(path)
			return strings.HasPrefix(string(b), "btrfs\x00") && strings.Contains(string(b), tine.Dir)
		})
	})
}

// subvolume is what no other subvolume has: its UUID.
func subvolume(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "btrfs", "subvolume", "show", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if uuid, ok := strings.CutPrefix(strings.TrimSpace(line), "UUID:"); ok {
			return strings.TrimSpace(uuid)
		}
	}
	t.Fatal("no UUID of ", path)
	return ""
}

func createUser(t *testing.T, c *cluster, name string) (*godo.DatabaseUser, *godo.Response, error) {
	t.Helper()
	return tine.API.Databases.CreateUser(t.Context(), c.ID, &godo.DatabaseCreateUserRequest{Name: name})
}
