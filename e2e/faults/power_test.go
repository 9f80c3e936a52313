package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tine/e2e/harness"
)

// A power cut ends everything at one instant. What the disk holds then is simulated by a copy of the pool's image that is made at one
// instant, by reflink, in the middle of writes, restore points and a fork; a volatile cache of the disk that forgets
// writes out of order is not. Each copy comes up, with every write acknowledged before it was made, and can be forked at moments
// before it.
func TestPowerCutLosesNoAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	const cuts = 4
	d := newDisk(t, "btrfs", 12_000, 8)
	d.start()
	source := d.make(harness.CreateRequest("prod"))
	w := write(t, source, 3, 0)
	data := d.tine.DataDir()
	before := make([]time.Time, cuts)  // all that was acknowledged by then is in the copy
	earlier := make([]time.Time, cuts) // a moment to fork at
	for n := range cuts {
		w.more(t, 150)
		earlier[n] = moment()
		w.more(t, 150)
		if n%2 == 1 { // a fork is being made
			if _, _, err := d.tine.API.Databases.Create(t.Context(), harness.ForkRequest(source.Name, fmt.Sprintf("half-%d", n), earlier[n])); err != nil {
				t.Fatal(err)
			}
		}
		before[n] = moment()
		run(t, "cp", "--reflink=always", filepath.Join(data, "pool.img"), filepath.Join(d.dir, fmt.Sprintf("cut-%d", n)))
	}
	w.stop()
	d.stopAll()
	for n := range cuts {
		if err := os.Rename(filepath.Join(d.dir, fmt.Sprintf("cut-%d", n)), filepath.Join(data, "pool.img")); err != nil {
			t.Fatal(err)
		}
		d.start()
		found, err := w.Holds(t.Context(), collection(t, source))
		if err != nil {
			t.Errorf("after cut %d: %v", n, err)
		}
		if lost := w.Lost(found, before[n]); lost != 0 {
			t.Errorf("after cut %d: %d acknowledged writes are lost", n, lost)
		}
		d.forkIsRight(w, source, earlier[n])
		d.stopAll()
	}
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
