package regions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sys/unix"

	"tine/e2e/harness"
)

// A cluster goes around three regions, of which one has a file system on a disk of its operator's, who mounts it. It is forked from there into another one.
func TestThreePools(t *testing.T) { //nolint:paralleltest // it restarts Tine
	own := operatorsPool(t)
	c := newCluster(t, harness.CreateRequest(tine.NewName("around")))
	insert(t, c, 1, 2)
	past := now()
	insert(t, c, 3)
	takePoint(t, c, near)
	want := contents(t, c)
	for _, region := range []string{far, third} {
		moveTo(t, c, region)
		if got := contents(t, c); got != want {
			t.Errorf("in %s the cluster has the contents %s, want %s", region, got, want)
		}
	}
	if volumes, histories := held(t, third, "volumes"), held(t, third, "history"); len(volumes) != 1 || len(histories) != 1 {
		t.Errorf("%s has the volumes %v and the histories %v", own, volumes, histories)
	}
	wantNothing(t, near)
	wantNothing(t, far)
	fork := newCluster(t, in(far, harness.ForkRequest(c.Name, tine.NewName("fork"), now())))
	insert(t, c, 4)
	if got := contents(t, fork); got != want {
		t.Errorf("the fork has the contents %s, want %s", got, want)
	}
	moveTo(t, c, near)
	wantNothing(t, third)
	wantDocuments(t, c, 1, 2, 3, 4)
	wantDocuments(t, fork, 1, 2, 3)
	old := newCluster(t, harness.ForkRequest(c.Name, tine.NewName("old"), past))
	wantDocuments(t, old, 1, 2)
	wantNoTransit(t)
}

func moveTo(t *testing.T, c *cluster, region string) {
	t.Helper()
	migrate(t, c.ID, region)
	if err := tine.WaitOnline(t.Context(), c.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	if s := stateOf(t, c.ID); s.Region != region {
		t.Fatalf("after the migration the cluster is %+v%s", s, tine.LastLines())
	}
}

// contents tells two clusters apart that have not the same documents.
func contents(t *testing.T, c *cluster) string {
	t.Helper()
	sum := sha256.New()
	for _, name := range []string{"c", "padding"} {
		cursor, err := c.client.Database("d").Collection(name).Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
		if err != nil {
			t.Fatal(err, tine.LastLines())
		}
		for cursor.Next(t.Context()) {
			_, _ = sum.Write(cursor.Current) // cannot fail
		}
		if err := errors.Join(cursor.Err(), cursor.Close(t.Context())); err != nil {
			t.Fatal(err, tine.LastLines())
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// operatorsPool makes a disk, a btrfs on it and a mount, and gives Tine a third region there until the test ends.
func operatorsPool(t *testing.T) (dir string) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	dir = operatorsMount()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	command(t, "truncate", "-s", "4G", image)
	device := command(t, "losetup", "--find", "--show", image)
	t.Cleanup(func() { command(t, "losetup", "--detach", device) })
	command(t, "mkfs.btrfs", "-q", device)
	command(t, "mount", device, dir)
	t.Cleanup(func() {
		tine.WaitFor(t, "nobody to use the operator's disk", func() bool { return !errors.Is(unix.Unmount(dir, 0), unix.EBUSY) })
	})
	again := func(pools map[string]string) {
		if err := errors.Join(configurePools(pools, ""), tine.Stop(context.WithoutCancel(t.Context()))); err != nil {
			t.Fatal(err)
		}
		if err := tine.Start(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	again(map[string]string{far: farPool, third: "{path: " + dir + "}"})
	t.Cleanup(func() { again(map[string]string{far: farPool}) })
	return dir
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}
