package faults

import (
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"tine/e2e/harness"
)

// kill -9 of a node in the middle of a storm of commits: nothing that was acknowledged is lost, and forks before, at and behind the crash are
// right, and stay the same.
func TestForksAroundACrashOfTheSource(t *testing.T) {
	t.Parallel()
	d := newDisk(t, "btrfs", 12_000, 8)
	d.start()
	source := d.make(harness.CreateRequest("prod"))
	w := write(t, source, 4, 0)
	var moments []time.Time
	for round := range 3 {
		w.more(t, 100)
		moments = append(moments, moment())
		w.more(t, 20)
		pid, err := d.tine.NodePID()
		if err != nil {
			t.Fatal(err)
		}
		moments = append(moments, moment())
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		moments = append(moments, moment())
		if err := d.tine.WaitEvents(t.Context(), source.ID, "node_restart", round+1); err != nil {
			t.Fatal(err)
		}
		moments = append(moments, moment())
	}
	w.more(t, 20)
	w.stop()
	found, err := w.Holds(t.Context(), collection(t, source))
	if err != nil {
		t.Error(err)
	}
	if lost := w.Lost(found, moment()); lost != 0 {
		t.Errorf("%d acknowledged writes are lost", lost)
	}
	for _, at := range moments {
		d.forkIsRight(w, source, at)
	}
}

// Many forks at once, then all of them gone: each is right, the source goes on, and nothing is left.
func TestForkStorm(t *testing.T) {
	t.Parallel()
	const forks = 16
	d := newDisk(t, "btrfs", 12_000, 8)
	d.start()
	source := d.make(harness.CreateRequest("prod"))
	w := write(t, source, 2, 0)
	w.more(t, 200)
	begin := moment()
	w.more(t, 300)
	var wg sync.WaitGroup
	for range forks {
		at := begin.Add(time.Duration(rand.Int64N(int64(time.Since(begin))))).Truncate(time.Microsecond)
		wg.Go(func() { d.forkIsRight(w, source, at) })
	}
	wg.Wait()
	w.more(t, 10)
	list, _, err := d.tine.API.Databases.List(t.Context(), nil)
	if err != nil || len(list) != 1 {
		t.Errorf("%d clusters are left: %v", len(list), err)
	}
}
