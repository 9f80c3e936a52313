package faults

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tine/e2e/harness"
)

// The disk under the pool's image is full, so that the pool's writes fail although it has room itself: PostgreSQL's fsync of the log fails.
// The node must not acknowledge what it could not write; when there is room again and Tine was restarted, every acknowledged write is there.
func TestWritesThatFailBelowThePoolAreNotAcknowledged(t *testing.T) {
	t.Parallel()
	d := newDisk(t, "ext4", 3500, 2)
	d.start()
	source := d.make(harness.CreateRequest("prod"))
	w := write(t, source, 3, 20_000)
	w.more(t, 100)
	filler := d.fill()
	d.awaitFailure()
	stalled := moment()
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	d.pullThePlug()
	d.start()
	w.more(t, 50)
	w.stop()
	found, err := w.Holds(t.Context(), collection(t, source))
	if err != nil {
		t.Error(err)
	}
	if lost := w.Lost(found, moment()); lost != 0 {
		t.Errorf("%d acknowledged writes are lost", lost)
	}
	d.forkIsRight(w, source, stalled)
}

// fill takes all the room of the disk.
func (d *disk) fill() (path string) {
	d.t.Helper()
	path = filepath.Join(d.dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	const left = 16 << 20 // others write meanwhile; it is soon used up
	for {
		var room unix.Statfs_t
		if err := unix.Statfs(d.dir, &room); err != nil {
			d.t.Fatal(err)
		}
		err := unix.Fallocate(int(f.Fd()), 0, 0, int64(room.Bavail)*room.Bsize-left)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.ENOSPC) {
			d.t.Fatal(err)
		}
	}
	return path
}

// awaitFailure returns when the pool's file system has given up.
func (d *disk) awaitFailure() {
	d.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		mounts, err := os.ReadFile("/proc/self/mounts")
		if err != nil {
			d.t.Fatal(err)
		}
		for line := range strings.Lines(string(mounts)) {
			fields := strings.Fields(line)
			if fields[1] == d.tine.PoolDir() && slices.Contains(strings.Split(fields[3], ","), "ro") {
				return
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			d.t.Fatal("the pool's file system goes on")
		}
	}
}

// pullThePlug ends everything that uses the pool, and its mount, without a word to anybody.
func (d *disk) pullThePlug() {
	d.t.Helper()
	if err := d.tine.Kill(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	pids, err := filepath.Glob(filepath.Join(d.tine.DataDir(), "sandbox", "containers", "*", "pid"))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, path := range pids {
		text, err := os.ReadFile(path)
		if err != nil {
			d.t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			d.t.Fatal(err)
		}
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	d.unmount()
}

// unmount takes the pool's file system away, as soon as the processes that were killed have left it.
func (d *disk) unmount() {
	d.t.Helper()
	image := filepath.Join(d.tine.DataDir(), "pool.img")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		err := unix.Unmount(d.tine.PoolDir(), 0)
		if errors.Is(err, unix.EINVAL) && !attached(d.t, image) { // it is mounted nowhere any more
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			d.t.Fatalf("unmount the pool: %v", err)
		}
	}
}

// attached reports whether a loop device has the file.
func attached(t *testing.T, image string) bool {
	t.Helper()
	devices, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range devices {
		if file, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(file)) == image {
			return true
		}
	}
	return false
}
