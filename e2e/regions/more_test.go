package regions

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tine/e2e/harness"
)

// A suspended cluster moves in its sleep, and wakes where it is then.
func TestSuspendedClusterMigrates(t *testing.T) { //nolint:paralleltest // it counts what pools hold
	c := newCluster(t, harness.CreateRequest(tine.NewName("sleeps")))
	insert(t, c, 1)
	if err := tine.Call(t.Context(), http.MethodPut, "/v2/databases/"+c.ID+"/suspension", map[string]any{"now": true}, nil); err != nil {
		t.Fatal(err)
	}
	tine.WaitFor(t, "the cluster to be suspended", func() bool { return stateOf(t, c.ID).Suspended })
	migrate(t, c.ID, far)
	if err := tine.WaitOnline(t.Context(), c.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	if s := stateOf(t, c.ID); !s.Suspended || s.Region != far {
		t.Errorf("after the migration the cluster is %+v", s)
	}
	wantNothing(t, near)
	wantDocuments(t, c, 1)
	if s := stateOf(t, c.ID); s.Suspended {
		t.Errorf("after a query the cluster is %+v", s)
	}
	insert(t, c, 2)
	wantDocuments(t, c, 1, 2)
}

// A cluster that runs although its row says that it is suspended moves as one that is awake: it is served until it is cut off, which fails until its wake can be
// recorded, and nothing that was acknowledged is lost, also if Tine is killed meanwhile.
func TestClusterWhoseWakeCouldNotBeRecordedMigrates(t *testing.T) { //nolint:paralleltest // it counts what pools hold, and kills Tine
	for _, kills := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %v", kills), func(t *testing.T) {
			c := newCluster(t, harness.CreateRequest(tine.NewName("unrecorded")))
			insert(t, c, 1)
			past := now()
			if err := tine.Suspend(t.Context(), c.ID); err != nil {
				t.Fatal(err, tine.LastLines())
			}
			tine.WaitNodes(t, 0)
			allow := tine.RefuseWakes(t)
			insert(t, c, 2)
			migrate(t, c.ID, far)
			tine.WaitFailed(t, "cluster_change", c.ID)
			insert(t, c, 3)
			if s := stateOf(t, c.ID); s.Status != "migrating" || s.Region != near || !s.Suspended {
				t.Errorf("while its wake cannot be recorded the cluster is %+v", s)
			}
			if kills {
				if err := tine.Kill(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := tine.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				insert(t, c, 4)
			}
			allow()
			if err := tine.WaitOnline(t.Context(), c.ID); err != nil {
				t.Fatal(err, tine.LastLines())
			}
			if s := stateOf(t, c.ID); s.Region != far || s.Suspended {
				t.Errorf("after the migration the cluster is %+v", s)
			}
			tine.WaitNodes(t, 1) // no client has woken it there
			wantNothing(t, near)
			all := []int{1, 2, 3}
			if kills {
				all = append(all, 4)
			}
			wantDocuments(t, c, all...)
			old := newCluster(t, in("", harness.ForkRequest(c.Name, tine.NewName("old"), past)))
			wantDocuments(t, old, 1)
			latest := newCluster(t, in("", harness.ForkRequest(c.Name, tine.NewName("latest"), now())))
			wantDocuments(t, latest, all...)
			// It is watched: it can be suspended, and wakes.
			if err := tine.Suspend(t.Context(), c.ID); err != nil {
				t.Fatal(err, tine.LastLines())
			}
			tine.WaitNodes(t, 2)
			wantDocuments(t, c, all...)
		})
	}
}

// A fork in another region gets its source's latest state; a swap is for clusters of one pool.
func TestResetOfAForkInAnotherRegion(t *testing.T) { //nolint:paralleltest // it counts what pools hold
	source := newCluster(t, harness.CreateRequest(tine.NewName("source")))
	insert(t, source, 1)
	fork := newCluster(t, in(far, harness.ForkRequest(source.Name, tine.NewName("fork"), time.Time{})))
	insert(t, fork, 2)
	insert(t, source, 3)
	err := tine.Call(t.Context(), http.MethodPost, "/v2/databases/"+fork.ID+"/swap", map[string]any{"with": source.Name}, nil)
	wantRefused(t, err, "with must be a cluster of the region fra1")
	kept, err := tine.Exchange(t.Context(), "reset", fork.ID, nil)
	if err != nil {
		t.Fatal(err, tine.LastLines())
	}
	wantDocuments(t, fork, 1, 3)
	if s := stateOf(t, fork.ID); s.Region != far {
		t.Errorf("after the reset the fork is in %s", s.Region)
	}
	if err := tine.Remove(t.Context(), kept.ID); err != nil {
		t.Fatal(err)
	}
	if volumes := held(t, far, "volumes"); len(volumes) != 1 {
		t.Errorf("%s has the volumes %v", far, volumes)
	}
	wantNoTransit(t)
}

// A migration to a disk that turns out to be too small is given up, and the cluster is where it was.
func TestMigrationToAFullDiskLeavesTheClusterWhereItIs(t *testing.T) { //nolint:paralleltest // it fills a pool
	limited(t, "4")
	c := newCluster(t, harness.CreateRequest(tine.NewName("stays")))
	insert(t, c, 1)
	migrate(t, c.ID, far)
	tine.WaitFor(t, "progress", func() bool { s := stateOf(t, c.ID); return s.Transfer != nil && s.Transfer.SentBytes > 0 })
	filler := filepath.Join(poolOf(far), "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(filler) })
	for size := int64(1 << 30); size > 1<<20; { // all there is
		at, _ := f.Seek(0, 2)
		if unix.Fallocate(int(f.Fd()), 0, at, size) != nil {
			size /= 2
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := tine.WaitEvents(t.Context(), c.ID, "cluster_migrate_failed", 1); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	if s := stateOf(t, c.ID); s.Status != "online" || s.Region != near || s.Transfer != nil {
		t.Errorf("after the migration was given up the cluster is %+v", s)
	}
	insert(t, c, 2)
	wantDocuments(t, c, 1, 2)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, far)
	tine.WaitFor(t, "room in the region", func() bool {
		made, _, err := tine.API.Databases.Create(t.Context(), in(far, harness.CreateRequest(tine.NewName("fits"))))
		if err != nil {
			return false
		}
		defer tine.Discard(t, made.ID) // also if it has failed: it has a port
		return tine.WaitOnline(t.Context(), made.ID) == nil
	})
}
