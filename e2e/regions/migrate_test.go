package regions

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
)

// migrate asks for a migration.
func migrate(t *testing.T, id, region string) {
	t.Helper()
	if err := tine.Call(t.Context(), http.MethodPut, "/v2/databases/"+id+"/migrate", map[string]any{"region": region}, nil); err != nil {
		t.Fatal(err)
	}
}

// points are the restore points that a cluster has in a region's pool.
func points(t *testing.T, region string) (names []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(poolOf(region), "history", "*", "points", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		names = append(names, filepath.Base(path))
	}
	return names
}

// wantNothing fails unless a region's pool has nothing of any cluster.
func wantNothing(t *testing.T, region string) {
	t.Helper()
	for _, dir := range []string{"volumes", "history", "transit", "parts", "incoming"} {
		if left := held(t, region, dir); len(left) > 0 {
			t.Errorf("%s has %v in %s", region, left, dir)
		}
	}
}

// takePoint has a cluster take a restore point: writing is over, and a segment or more was written.
func takePoint(t *testing.T, c *cluster, region string) {
	t.Helper()
	before := len(points(t, region))
	padding := make([]byte, 64<<10)
	for i := range 400 {
		_, _ = rand.Read(padding) // or it would be compressed
		if _, err := c.client.Database("d").Collection("padding").InsertOne(t.Context(), bson.D{{Key: "i", Value: i}, {Key: "p", Value: padding}}); err != nil {
			t.Fatal(err)
		}
	}
	tine.WaitFor(t, "a restore point", func() bool { return len(points(t, region)) > before })
}

// A cluster that is written to moves to another region and back: endpoint, users and documents stay, no acknowledged write is lost, its history of
// before is still there, and nothing is left where it was.
func TestMigrationUnderWritesLosesNothing(t *testing.T) { //nolint:paralleltest // it counts what pools hold
	c := newCluster(t, harness.CreateRequest(tine.NewName("moves")))
	if _, _, err := createUser(t, c, "anna"); err != nil {
		t.Fatal(err)
	}
	insert(t, c, 1, 2)
	past := now()
	insert(t, c, 3)
	takePoint(t, c, near)
	const writers = 3
	o := harness.NewOracle(writers)
	ctx, stop := context.WithCancel(t.Context())
	failed := make(chan error, writers)
	for w := range writers {
		go func() { failed <- o.Run(ctx, w, c.client.Database("d").Collection("oracle")) }()
	}
	tine.WaitFor(t, "writes", func() bool { return o.Acknowledged() > 300 })
	middle := time.Now()
	migrate(t, c.ID, far)
	if err := tine.WaitOnline(t.Context(), c.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	enough := o.Acknowledged() + 300
	tine.WaitFor(t, "writes after the migration", func() bool { return o.Acknowledged() > enough })
	after := time.Now()
	stop()
	for range writers {
		if err := <-failed; err != nil {
			t.Error("a writer failed:", err)
		}
	}
	found, err := o.Holds(t.Context(), c.client.Database("d").Collection("oracle"))
	if err != nil {
		t.Error(err)
	}
	if lost := o.Lost(found, time.Now()); lost > 0 {
		t.Errorf("%d acknowledged writes are lost", lost)
	}
	wantDocuments(t, c, 1, 2, 3)
	moved, _, err := tine.API.Databases.Get(t.Context(), c.ID)
	if err != nil || moved.RegionSlug != far || moved.Connection.Port != c.Connection.Port || moved.Connection.Host != c.Connection.Host || moved.Name != c.Name {
		t.Errorf("after the migration the cluster is %+v, %v", moved, err)
	}
	users, _, err := tine.API.Databases.ListUsers(t.Context(), c.ID, nil)
	if err != nil || len(users) != 2 {
		t.Errorf("after the migration the users are %v, %v", users, err)
	}
	wantNothing(t, near)
	wantNoTransit(t)

	// The past, on this side of the migration and on the other.
	old := newCluster(t, in("", harness.ForkRequest(c.Name, tine.NewName("old"), past)))
	wantDocuments(t, old, 1, 2)
	for _, at := range []time.Time{middle, after} {
		fork := newCluster(t, in("", harness.ForkRequest(c.Name, tine.NewName("at"), at)))
		if err := o.Check(t.Context(), fork.client.Database("d").Collection("oracle"), at); err != nil {
			t.Error(err)
		}
		if fork.RegionSlug != far {
			t.Errorf("the fork is in %s", fork.RegionSlug)
		}
	}
	migrate(t, c.ID, near)
	if err := tine.WaitOnline(t.Context(), c.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	wantDocuments(t, c, 1, 2, 3)
	back := newCluster(t, in("", harness.ForkRequest(c.Name, tine.NewName("back"), past)))
	wantDocuments(t, back, 1, 2)
	wantNoTransit(t)
	events, err := tine.Events(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	for _, e := range events {
		if e.Detail == "cluster_migrate_done" {
			t.Log(e.Message)
			done++
		}
	}
	if done != 2 {
		t.Errorf("%d events tell of the end of a migration", done)
	}
}

// A migration is brought to an end whatever kills Tine.
func TestMigrationThroughKills(t *testing.T) { //nolint:paralleltest // it kills Tine
	c := newCluster(t, harness.CreateRequest(tine.NewName("moves")))
	var ids []int
	at := time.Time{}
	region := near
	for n, step := range []string{"points", "wal", "live", "cut", "row", "node", "clear", "online"} {
		t.Run(step, func(t *testing.T) {
			restart(t, "TINE_FAILPOINT=migrate/"+step)
			insert(t, c, n)
			ids = append(ids, n)
			if n == 2 {
				at = now()
			}
			if region = far; n%2 == 1 {
				region = near
			}
			migrate(t, c.ID, region)
			killed(t)
			if err := tine.WaitOnline(t.Context(), c.ID); err != nil {
				t.Fatal(err, tine.LastLines())
			}
			if s := stateOf(t, c.ID); s.Region != region {
				t.Errorf("the cluster is in %s, want %s", s.Region, region)
			}
			wantDocuments(t, c, ids...)
			wantNoTransit(t)
			if region == far {
				wantNothing(t, near)
			} else {
				wantNothing(t, far)
			}
		})
	}
	fork := newCluster(t, in("", harness.ForkRequest(c.Name, tine.NewName("past"), at)))
	wantDocuments(t, fork, 0, 1, 2)
}

// What has arrived is not sent again, and a cluster that is destroyed on its way leaves nothing.
func TestMigrationGoesOnWhereItWas(t *testing.T) { //nolint:paralleltest // it kills Tine
	limited(t, "8")
	c := newCluster(t, harness.CreateRequest(tine.NewName("moves")))
	insert(t, c, 1)
	for range 2 {
		takePoint(t, c, near)
	}
	many := len(points(t, near))
	migrate(t, c.ID, far)
	tine.WaitFor(t, "the first restore points to arrive", func() bool { return len(points(t, far)) >= 2 })
	if err := tine.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNoSenders(t)
	arrived := points(t, far)
	if len(arrived) >= many {
		t.Fatalf("all %d restore points have arrived before the kill", many)
	}
	inodes := arrivals(t, arrived)
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	insert(t, c, 2) // it is served all the time
	if again := arrivals(t, arrived); again != inodes {
		t.Errorf("what had arrived was sent again: %s, before %s", again, inodes)
	}
	s := stateOf(t, c.ID)
	if s.Status != "migrating" || s.Region != near || s.Transfer == nil {
		t.Errorf("after the kill the cluster is %+v", s)
	}
	// Its node may be killed, too, and Tine be stopped in order.
	killNode(t, c, 3)
	if err := tine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNoSenders(t)
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tine.WaitOnline(t.Context(), c.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	if again := arrivals(t, arrived); again != inodes {
		t.Errorf("what had arrived was sent again: %s, before %s", again, inodes)
	}
	wantDocuments(t, c, 1, 2, 3)
	wantNothing(t, near)

	unwanted, err := tine.Make(t.Context(), harness.CreateRequest(tine.NewName("unwanted")))
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, unwanted.ID, far)
	tine.WaitFor(t, "progress", func() bool { s := stateOf(t, unwanted.ID); return s.Transfer != nil && s.Transfer.SentBytes > 0 })
	if err := tine.Remove(t.Context(), unwanted.ID); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, near)
	wantNoTransit(t)
	if volumes := held(t, far, "volumes"); len(volumes) != 1 {
		t.Errorf("%s has the volumes %v", far, volumes)
	}
}

// arrivals tells volumes that have arrived from others of the same names.
func arrivals(t *testing.T, names []string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range names {
		found, err := filepath.Glob(filepath.Join(poolOf(far), "history", "*", "points", name))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s is there as %v, %v", name, found, err)
		}
		fmt.Fprintf(&b, "%s %s\n", name, subvolume(t, found[0]))
	}
	return b.String()
}

// killNode kills the only node that runs, and returns when it has come back and taken a document.
func killNode(t *testing.T, c *cluster, document int) {
	t.Helper()
	pid, err := tine.NodePID()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	tine.WaitFor(t, "the node to come back", func() bool {
		_, err := c.client.Database("d").Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: document}})
		return err == nil || mongo.IsDuplicateKeyError(err)
	})
}
