package history_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tine/internal/history"
)

// A stop ends a segment early; that it is archived must cost neither a restore point nor its size.
func TestAStopLeavesNothingToDo(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{Interval: time.Nanosecond})
	c.take(h)
	c.bulk(2)
	points := func() int {
		t.Helper()
		list, err := machine.records.RestorePoints(t.Context(), c.id)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	rest := func() {
		t.Helper()
		if err := h.BeforeStop(t.Context(), c.src); err != nil {
			t.Fatal(err)
		}
		if err := c.node.Stop(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := h.AfterStop(t.Context(), c.src); err != nil {
			t.Fatal(err)
		}
	}
	rest()
	if n := points(); n != 2 {
		t.Errorf("there are %d restore points, want one for what was written", n)
	}
	if occupied := archivedBytes(t, c.src.HistoryID); occupied > 8<<20 {
		t.Errorf("the archive occupies %d bytes", occupied)
	}
	for range 3 {
		if err := c.node.Wake(t.Context()); err != nil {
			t.Fatal(err)
		}
		if due, _, err := h.Due(t.Context(), c.src); err != nil || due {
			t.Errorf("a restore point is due after a wake: %v, %v", due, err)
		}
		rest()
	}
	if n := points(); n != 2 {
		t.Errorf("there are %d restore points after three rests in which nothing was written", n)
	}
	if err := c.node.Wake(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.conn = connect(t, c.node)
	at := now()
	c.insert(1)
	n, _ := c.forkAt(h, at)
	wantNumbers(t, n)
	n, _ = c.forkAt(h, now())
	wantNumbers(t, n, 1)
}

// archivedBytes is what the archived segments of a history occupy.
func archivedBytes(t *testing.T, historyID string) (sum int64) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(machine.pool.Path(), "history", historyID, "wal", "0*"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("archived are %v: %v", segments, err)
	}
	for _, path := range segments {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			t.Fatal("this is not Linux")
		}
		sum += stat.Blocks * 512
	}
	return sum
}
