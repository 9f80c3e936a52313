package faults

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"

	"tine/e2e/harness"
)

const near, far = "nyc1", "fra1" // regions: the first is harness.CreateRequest's, the other one has a pool of its own

// A power cut while a cluster is migrated and forked into another region: both are completed at the next start, with every write that was acknowledged before, and
// nothing is left over. What the machine's disk holds at that instant is a snapshot of the file system that has all of the instance: the images of both pools,
// with the control plane's data in one of them, and all other files.
func TestPowerCutInTheMiddleOfATransfer(t *testing.T) {
	t.Parallel()
	d := newDisk(t, "btrfs", 12_000, 4)
	d.twoPools("transfer: {mib_per_second: 8}\n")
	d.start()
	source := d.make(harness.CreateRequest("prod"))
	w := write(t, source, 3, 0)
	w.more(t, 150)
	earlier := moment() // to fork at
	w.more(t, 150)
	request := harness.ForkRequest(source.Name, "fork", earlier)
	request.Region = far
	fork, _, err := d.tine.API.Databases.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.tine.API.Databases.Migrate(t.Context(), source.ID, &godo.DatabaseMigrateRequest{Region: far}); err != nil {
		t.Fatal(err)
	}
	instants := []struct {
		name string
		come func() bool
	}{
		{"both are on their way", func() bool { return d.sent(fork) > 8<<20 && d.sent(source) > 8<<20 }},
		{"most is sent", func() bool { return d.sent(source) > 40<<20 }},
		{"the row says so", func() bool { return d.state(source).Region == far }},
		{"all is done", func() bool { return d.state(source).Status == "online" && d.state(fork).Status == "online" }},
	}
	before := make([]time.Time, len(instants)) // all that was acknowledged by then is in the snapshot
	for n, instant := range instants {
		d.await(instant.name, instant.come)
		if n == len(instants)-1 {
			w.more(t, 20) // nowhere but where it is now
		}
		before[n] = moment()
		run(t, "btrfs", "-q", "subvolume", "snapshot", d.dir, filepath.Join(d.dir, fmt.Sprintf("cut-%d", n)))
	}
	w.stop()
	for n, instant := range instants {
		d.stopAll()
		d.becomes(fmt.Sprintf("cut-%d", n))
		d.twoPools("")
		d.start()
		for _, c := range []*godo.Database{source, fork} {
			if err := d.tine.WaitOnline(t.Context(), c.ID); err != nil {
				t.Fatal(instant.name, err, lastLines(d.tine.LogText()))
			}
		}
		found, err := w.Holds(t.Context(), collection(t, source))
		if err != nil {
			t.Errorf("%s: %v", instant.name, err)
		}
		if lost := w.Lost(found, before[n]); lost != 0 {
			t.Errorf("%s: %d acknowledged writes are lost", instant.name, lost)
		}
		if err := w.Check(t.Context(), collection(t, fork), earlier); err != nil {
			t.Errorf("%s: the fork: %v", instant.name, err)
		}
		d.wantAllFar(instant.name)
		again := harness.ForkRequest(source.Name, "again", before[n])
		again.Region = far
		made := d.make(again)
		if err := w.Check(t.Context(), collection(t, made), before[n]); err != nil {
			t.Errorf("%s: a fork of what has moved: %v", instant.name, err)
		}
	}
}

// twoPools gives the next start a second pool.
func (d *disk) twoPools(more string) {
	d.t.Helper()
	settings, err := d.tine.WithRegions(map[string]string{far: "{image_gib: 4}"})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.tine.Configure(settings + more); err != nil {
		d.t.Fatal(err)
	}
}

// becomes makes the disk what it was when a snapshot was taken, as after a power cut.
func (d *disk) becomes(snapshot string) {
	d.t.Helper()
	unmount(d.t, d.dir)
	run(d.t, "mount", "-o", "loop,subvol="+snapshot, d.image, d.dir)
}

type state struct {
	Status   string `json:"status"`
	Region   string `json:"region"`
	Transfer *struct {
		SentBytes int64 `json:"sent_bytes"`
	} `json:"transfer"`
}

func (d *disk) state(c *godo.Database) state {
	d.t.Helper()
	var root struct{ Database state }
	if err := d.tine.Call(context.WithoutCancel(d.t.Context()), http.MethodGet, "/v2/databases/"+c.ID, nil, &root); err != nil {
		d.t.Fatal(err)
	}
	return root.Database
}

func (d *disk) sent(c *godo.Database) int64 {
	d.t.Helper()
	if s := d.state(c); s.Transfer != nil {
		return s.Transfer.SentBytes
	}
	return 0
}

// wantAllFar fails if a pool has anything of a transfer, or anything of the two clusters is not in the pool where they are now.
func (d *disk) wantAllFar(when string) {
	d.t.Helper()
	held := func() (found []string) {
		for _, pool := range []string{d.tine.PoolDir(), d.tine.PoolOf(far)} {
			for _, dir := range []string{"volumes", "history", "transit", "parts", "incoming"} {
				entries, err := os.ReadDir(filepath.Join(pool, dir))
				if err != nil && !os.IsNotExist(err) {
					d.t.Fatal(err)
				}
				for _, e := range entries {
					if e.Name() != "control" {
						found = append(found, filepath.Base(pool)+"/"+dir+"/"+e.Name())
					}
				}
			}
		}
		return found
	}
	ok := func(found []string) bool {
		kept := slices.DeleteFunc(slices.Clone(found), func(path string) bool {
			return strings.HasPrefix(path, far+"/volumes/") || strings.HasPrefix(path, far+"/history/")
		})
		return len(kept) == 0 && len(found) == 4
	}
	d.await(when+": nothing is left over", func() bool { return ok(held()) })
}
