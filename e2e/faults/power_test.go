package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"

	"tine/e2e/harness"
	"tine/e2e/volatile"
)

// A power cut ends everything at one instant, and the disk's cache forgets what it was not told to flush: all of it, none, or blocks here and there, in whatever order they were written. What is left
// comes up each time, in the middle of writes, restore points and forks as it was, with every write that was acknowledged before; forks that were answered for are made, and exact, and so are new ones at moments before it.
func TestPowerCutLosesNoAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	losses := []volatile.Loss{volatile.Some, volatile.Nothing, volatile.Everything, volatile.Some}
	d := newBareDisk(t, "btrfs", 12_000)
	blocks := d.newVolatile(8 << 30)
	device := d.attach(blocks.Path())
	d.install(harness.Options{Pool: map[string]string{"device": device}})
	d.start()
	source := d.make(harness.CreateRequest("prod"))
	w := write(t, source, 3, 0)
	before := make([]time.Time, len(losses))     // all that was acknowledged by then is on the disk
	earlier := make([]time.Time, len(losses))    // a moment to fork at
	forks := make([]*godo.Database, len(losses)) // which a cut meets half made
	for n, lost := range losses {
		w.more(t, 150)
		earlier[n] = moment()
		w.more(t, 150+rand.IntN(150))
		var err error
		if forks[n], _, err = d.tine.API.Databases.Create(t.Context(), harness.ForkRequest(source.Name, fmt.Sprintf("half-%d", n), earlier[n])); err != nil {
			t.Fatal(err)
		}
		w.more(t, rand.IntN(40)) // it is somewhere in its steps
		before[n] = moment()
		if err := blocks.Cut(d.cut(n), lost); err != nil {
			t.Fatal(err)
		}
	}
	w.stop()
	d.stopAll()
	d.detach(device)
	for n := range losses {
		device := d.attach(d.cut(n))
		if err := d.tine.Reconfigure(fmt.Sprintf("history: {replay_mib: %d}\npool: {device: %s}\n", replayMiB, device)); err != nil {
			t.Fatal(err)
		}
		d.start()
		d.wantMounted(device)
		found, err := w.Holds(t.Context(), collection(t, source))
		if err != nil {
			t.Errorf("after cut %d: %v", n, err)
		}
		if lost := w.Lost(found, before[n]); lost != 0 {
			t.Errorf("after cut %d: %d acknowledged writes are lost", n, lost)
		}
		d.promiseIsKept(w, forks[n], earlier[n])
		d.forkIsRight(w, source, earlier[n])
		d.stopAll()
		if n < len(losses)-1 { // the last one is needed to destroy the Tine
			d.detach(device)
		}
	}
}

// wantMounted fails the test unless the pool is what is on that device: else nothing that follows says anything of it.
func (d *disk) wantMounted(device string) {
	d.t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		d.t.Fatal(err)
	}
	if !strings.Contains(string(mounts), device+" "+d.tine.PoolDir()+" btrfs rw,") {
		d.t.Fatalf("the pool is not mounted from %s", device)
	}
}

// promiseIsKept checks a fork at a moment that was answered for before the power cut.
func (d *disk) promiseIsKept(w *writers, fork *godo.Database, at time.Time) {
	d.t.Helper()
	if err := d.tine.WaitOnline(d.t.Context(), fork.ID); err != nil {
		d.t.Errorf("%s, which was answered for: %v", fork.Name, err)
		return
	}
	if err := w.Check(d.t.Context(), collection(d.t, fork), at); err != nil {
		d.t.Errorf("%s: %v", fork.Name, err)
	}
}

// newVolatile makes a disk whose cache forgets. At its end, which is after that of a Tine that is installed later, no block device is attached any more.
func (d *disk) newVolatile(size int64) *volatile.Disk {
	d.t.Helper()
	dir := filepath.Join(d.dir, "volatile")
	if err := os.Mkdir(dir, 0o700); err != nil {
		d.t.Fatal(err)
	}
	v, err := volatile.New(dir, size)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		for device, image := range d.attached {
			if attached(d.t, image) {
				d.detach(device)
			}
		}
		if err := v.Close(); err != nil {
			d.t.Error(err)
		}
	})
	return v
}

// cut is the image that a power cut has left.
func (d *disk) cut(n int) string { return filepath.Join(d.dir, fmt.Sprintf("cut-%d", n)) }

// attach makes a file a block device.
func (d *disk) attach(image string) (device string) {
	d.t.Helper()
	out, err := exec.CommandContext(d.t.Context(), "losetup", "--find", "--show", "--direct-io=on", "--sector-size=4096", image).Output()
	if err != nil {
		d.t.Fatalf("attach %s: %v", image, err)
	}
	device = strings.TrimSpace(string(out))
	d.attached[device] = image
	return device
}

func (d *disk) detach(device string) {
	d.t.Helper()
	run(d.t, "losetup", "--detach", device)
}

// moment is one between what was done before and what is done after.
func moment() time.Time {
	at := time.Now().Truncate(time.Microsecond).Add(time.Microsecond)
	for !time.Now().After(at.Add(time.Microsecond)) {
		continue
	}
	return at
}

// stopAll ends Tine, its nodes and its mounts.
func (d *disk) stopAll() {
	d.t.Helper()
	for _, step := range []func() error{
		func() error { return d.tine.Stop(d.t.Context()) },
		func() error { return d.tine.Start(d.t.Context(), "TINE_STOP_NODES=true") },
		func() error { return d.tine.Stop(d.t.Context()) },
	} {
		if err := step(); err != nil {
			d.t.Fatal(err)
		}
	}
}
