package history_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tine/internal/history"
)

// What is left of a shortened history is whole, and the newest restore point stays whatever is asked for.
func TestShortenedHistoryBeginsLaterAndIsWhole(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	c.insert(1)
	gone := now()
	c.bulk(20)
	if _, err := h.Collect(t.Context(), c.src); err != nil {
		t.Fatal(err)
	}
	c.take(h)
	c.insert(2)
	kept := c.take(h)
	c.insert(3)
	at := now()
	c.insert(4)

	before := c.segments()
	deleted, begin, err := h.Shorten(t.Context(), c.src, 1)
	if err != nil || deleted != 1 || !begin.After(gone) {
		t.Fatalf("%d restore points were deleted, the history begins at %s: %v", deleted, begin, err)
	}
	if after := c.segments(); after >= before {
		t.Errorf("%d segments of WAL are left of %d", after, before)
	}
	if _, err := h.Restore(t.Context(), c.src, history.Target{At: gone}, "volumes/none"); !errors.Is(err, history.ErrOutside) {
		t.Errorf("a fork before the begin: %v, want ErrOutside", err)
	}
	for _, most := range []int{10, 10} { // the second finds nothing
		if _, _, err = h.Shorten(t.Context(), c.src, most); err != nil {
			t.Fatal(err)
		}
	}
	points, err := machine.records.RestorePoints(t.Context(), c.id)
	if err != nil || len(points) != 1 || points[0].ID != kept.ID {
		t.Fatalf("restore points %v are left, want %d: %v", points, kept.ID, err)
	}
	n, _ := c.forkAt(h, at)
	wantNumbers(t, n, 1, 2, 3)
}

// segments is how many segments of WAL the history has.
func (c *cluster) segments() int {
	c.tb.Helper()
	entries, err := os.ReadDir(filepath.Join(machine.pool.Path(), "history", c.src.HistoryID, "wal"))
	if err != nil {
		c.tb.Fatal(err)
	}
	return len(entries)
}
