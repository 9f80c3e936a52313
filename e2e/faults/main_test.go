// Package faults tests Tine against what breaks below it: power, disks, processes. Each test has a Tine of its own.
package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sys/unix"

	"tine/e2e/harness"
)

// replayMiB is little, so that there are many restore points.
const replayMiB = 16

// disk is a file system of the test's own, in a file, with the pool of a Tine on it.
type disk struct {
	t     *testing.T
	image string // of the file system
	dir   string // where it is mounted
	tine  *harness.Tine

	attached map[string]string // by block device, which file it is made of
}

// newDisk makes a file system of that type and size, and a Tine on it that is not started.
func newDisk(t *testing.T, fsType string, megabytes, poolGiB int) *disk {
	t.Helper()
	d := newBareDisk(t, fsType, megabytes)
	d.install(harness.Options{ImageGiB: poolGiB})
	return d
}

// newBareDisk is newDisk without a Tine.
func newBareDisk(t *testing.T, fsType string, megabytes int) *disk {
	t.Helper()
	top := t.TempDir()
	d := &disk{t: t, attached: map[string]string{}, image: filepath.Join(top, "image"), dir: filepath.Join(top, "d")}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "truncate", "-s", fmt.Sprintf("%dM", megabytes), d.image)
	run(t, "mkfs."+fsType, append(mkfsOptions(fsType), "-q", d.image)...)
	run(t, "mount", "-o", "loop", d.image, d.dir)
	t.Cleanup(func() { unmount(t, d.dir) })
	return d
}

// install makes a Tine on the disk. It is destroyed before anything is that the test made earlier.
func (d *disk) install(opts harness.Options) {
	d.t.Helper()
	opts.ReplayMiB, opts.Parent = replayMiB, d.dir
	var err error
	if d.tine, err = harness.New(opts); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		if err := d.tine.Destroy(context.WithoutCancel(d.t.Context())); err != nil {
			d.t.Error(err)
		}
	})
}

// unmount unmounts a directory. A process that another test was just starting may hold what was open here for a moment, and a loop device lets go of its
// file only after its own mount is gone.
func unmount(t *testing.T, dir string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		err := unix.Unmount(dir, 0)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			t.Errorf("unmount %s: %v", dir, err)
			return
		}
	}
}

// mkfsOptions leaves nothing aside for root, who writes what the pool does.
func mkfsOptions(fsType string) []string {
	if fsType == "ext4" {
		return []string{"-m", "0"}
	}
	return nil
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func (d *disk) start(env ...string) {
	d.t.Helper()
	if err := d.tine.Start(d.t.Context(), env...); err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) make(r *godo.DatabaseCreateRequest) *godo.Database {
	d.t.Helper()
	c, err := d.tine.Make(d.t.Context(), r)
	if err != nil {
		d.t.Fatalf("make cluster %s: %v\n%s", r.Name, err, lastLines(d.tine.LogText()))
	}
	return c
}

func lastLines(log string) string {
	const count = 40
	lines := strings.Split(log, "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

// await waits until something has come.
func (d *disk) await(what string, come func() bool) {
	d.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); !come(); <-tick.C {
		if time.Now().After(deadline) {
			d.t.Fatal("waited in vain until ", what, lastLines(d.tine.LogText()))
		}
	}
}

func collection(t *testing.T, c *godo.Database) *mongo.Collection {
	t.Helper()
	client, err := harness.Connect(t.Context(), c.Connection.URI)
	if err != nil {
		t.Fatalf("connect to cluster %s: %v", c.Name, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
		defer cancel()
		_ = client.Disconnect(ctx)
	})
	return client.Database("d").Collection("c")
}

// writers are an oracle's that write until stopped.
type writers struct {
	*harness.Oracle

	stop func() // returns when they have
}

// write starts writers of documents with that much padding; 0 is the oracle's default.
func write(t *testing.T, c *godo.Database, count, padding int) *writers {
	t.Helper()
	w := &writers{Oracle: harness.NewOracle(count)}
	w.Patient, w.Padding = true, padding
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for n := range count {
		coll := collection(t, c)
		running.Go(func() {
			if err := w.Run(ctx, n, coll); err != nil {
				t.Error(err)
			}
		})
	}
	w.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(w.stop)
	return w
}

// more waits for that many more acknowledged writes.
func (w *writers) more(t *testing.T, count int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for enough := w.Acknowledged() + count; w.Acknowledged() < enough; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d writes were acknowledged, %d are waited for", w.Acknowledged(), enough)
		}
	}
}

// forkIsRight forks a cluster at a moment and compares.
func (d *disk) forkIsRight(w *writers, source *godo.Database, at time.Time) {
	d.t.Helper()
	fork := d.make(harness.ForkRequest(source.Name, "fork-"+fmt.Sprint(at.UnixNano()%1_000_000_000), at))
	if err := w.Check(d.t.Context(), collection(d.t, fork), at); err != nil {
		d.t.Error(err)
	}
	if err := d.tine.Remove(d.t.Context(), fork.ID); err != nil {
		d.t.Error(err)
	}
}
