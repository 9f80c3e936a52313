package space

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
)

// A pool without space for data and for logs, and then without any for metadata: the source refuses writes or stops, and when there is space it has everything that it
// acknowledged and goes on. A fork that was promised before says why it failed, and leaves nothing.
func TestPoolWithoutSpaceLosesNothing(t *testing.T) {
	t.Parallel()
	tine := start(t, harness.Options{Pool: map[string]string{"tight_below": "22", "short_below": "21", "critical_below": "20"}})
	s := newSource(t, tine, "source")
	for range 10 {
		must(t, s.write(t.Context()))
	}
	failedForkLeavesNothing(t, tine)

	for _, without := range []struct {
		what    string
		exhaust func(*testing.T, *harness.Tine)
	}{{"data", exhaust}, {"metadata", exhaustMetadata}} {
		grow(t, tine)
		s.goesOn()
		without.exhaust(t, tine)
		eventually(t, "writes are refused without space for "+without.what, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			err := s.write(ctx)
			var e mongo.ServerError
			if errors.As(err, &e) && !e.HasErrorCode(14031) {
				t.Logf("without space for %s a write ends with %v", without.what, err)
			}
			return err != nil
		})
	}
	grow(t, tine)
	s.goesOn()
	eventually(t, "forks are made again", func() bool { return !refusesClusters(t, tine, harness.ForkRequest("source", "again", time.Time{})) })
}

// goesOn waits until the source can be written to, and checks that it has everything.
func (s *source) goesOn() {
	s.t.Helper()
	eventually(s.t, "the source can be written to", func() bool {
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		defer cancel()
		return s.write(ctx) == nil
	})
	s.check()
}

// failedForkLeavesNothing interrupts a fork that has its volume, and lets it go on when there is no space.
func failedForkLeavesNothing(t *testing.T, tine *harness.Tine) {
	t.Helper()
	ctx := t.Context()
	must(t, tine.Stop(ctx))
	must(t, tine.Start(ctx, "TINE_FAILPOINT=fork/volume"))
	before := volumesOf(t, tine)
	// The answer and the kill race each other.
	_, _, _ = tine.API.Databases.Create(ctx, harness.ForkRequest("source", "fork", time.Time{}))
	_ = tine.Exited(ctx)
	if during := volumesOf(t, tine); during != before+1 {
		t.Fatalf("there are %d volumes, want %d: the fork's is missing", during, before+1)
	}
	leave(t, tine, 6)
	must(t, tine.Start(ctx))
	fork := find(t, tine, "fork")
	eventually(t, "the fork has failed", func() bool {
		return strings.Contains(event(t, tine, fork.ID, "cluster_failed"), "The host's disk is full")
	})
	if after := volumesOf(t, tine); after != before {
		t.Errorf("there are %d volumes, want %d", after, before)
	}
	_, err := tine.API.Databases.Delete(ctx, fork.ID)
	must(t, err)
	must(t, tine.WaitGone(ctx, fork.ID))
}

// find returns the cluster of that name.
func find(t *testing.T, tine *harness.Tine, name string) godo.Database {
	t.Helper()
	list, _, err := tine.API.Databases.List(t.Context(), nil)
	must(t, err)
	for _, c := range list {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no cluster %s", name)
	return godo.Database{}
}

// volumesOf is how many live volumes there are.
func volumesOf(t *testing.T, tine *harness.Tine) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(tine.PoolDir(), "volumes"))
	must(t, err)
	return len(entries)
}
