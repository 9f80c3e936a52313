package history_test

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
	"unsafe"

	"tine/internal/history"
	"tine/internal/wal"
)

// set is what time.Now returns instead of t after the machine's clock was set forward by whole seconds: its monotonic reading is that of t.
func set(t time.Time, forward time.Duration) time.Time {
	const seconds = 30 // where they begin in the first word of a time with a monotonic reading
	*(*uint64)(unsafe.Pointer(&t)) += uint64(forward/time.Second) << seconds
	return t
}

func TestSetMovesTheWallClockAlone(t *testing.T) {
	t.Parallel()
	before := time.Now()
	after := set(before, 90*time.Second)
	if after.Sub(before) != 0 || after.Round(0).Sub(before.Round(0)) != 90*time.Second {
		t.Errorf("%s is after %s", after, before)
	}
}

// The machine's clock has a monotonic reading beside the one that is set: two of its times are as far apart as if it had not been set.
func TestMachinesClockThatIsSetForwardPrunesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var ahead time.Duration
	h := newHistory(history.Config{Window: time.Hour, Now: func() time.Time { return set(time.Now(), ahead) }})
	c.take(h)
	c.insert(1)
	at := now()
	c.insert(2)
	c.take(h)
	c.take(h)
	ahead = 24 * time.Hour
	if _, err := h.Prune(t.Context(), c.src); err != nil {
		t.Fatal(err)
	}
	ahead = 0
	n, _ := c.forkAt(h, at)
	wantNumbers(t, n, 1)
}

// A clock that is set back for a while must not cost the log of what was written before, though that is not the oldest any more.
func TestClockThatIsSetBackPrunesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var ahead time.Duration
	h := newHistory(history.Config{Now: func() time.Time { return set(time.Now(), ahead) }})
	c.take(h)
	c.insert(1)
	at := now()
	c.insert(2)
	c.archive(t, h)
	c.insert(3)
	c.archive(t, h)
	c.exec("CHECKPOINT")
	c.exec("CHECKPOINT") // PostgreSQL forgets what is archived
	ahead = -1000 * time.Hour
	c.take(h)
	if _, err := h.Prune(t.Context(), c.src); err != nil {
		t.Fatal(err)
	}
	ahead = 0
	n, _ := c.forkAt(h, at)
	wantNumbers(t, n, 1)
}

// A clock that goes ahead, and is put right: what was recorded meanwhile is in the future, and keeps nobody from taking restore points.
func TestRestorePointIsDueWhenTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var ahead time.Duration
	h := newHistory(history.Config{Now: func() time.Time { return set(time.Now(), ahead) }})
	ahead = 24 * time.Hour
	c.take(h)
	c.insert(1)
	ahead = 0
	for name, h := range map[string]*history.History{"by the process that saw it": h, "by one that was started later": newHistory(history.Config{})} {
		if due, _, err := h.Due(t.Context(), c.src); err != nil || !due {
			t.Errorf("%s: a restore point is due: %v, %v", name, due, err)
		}
	}
	c.take(h)
	if due, _, err := h.Due(t.Context(), c.src); err != nil || due {
		t.Errorf("after it, one is due: %v, %v", due, err)
	}
	c.insert(2)
	at := now()
	c.insert(3)
	n, _ := c.forkAt(h, at)
	wantNumbers(t, n, 1, 2)
}

// The order of restore points by time is another than that of the log if one was taken while the clock was ahead.
func TestTransactionsAreListedFromTheFirstInTheLog(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var ahead time.Duration
	h := newHistory(history.Config{Now: func() time.Time { return set(time.Now(), ahead) }})
	ahead = 30 * time.Minute
	c.take(h)
	c.insert(1)
	ahead = 0
	c.take(h)
	c.insert(2)
	ahead = time.Hour
	list := c.around(t, h, now().Add(45*time.Minute), 100, false)
	if !slices.ContainsFunc(list, func(commit history.Commit) bool { return commit.XID == c.commitOf(t, 1) }) {
		t.Errorf("the first transaction is not among %v", list)
	}
}

// restamp changes the stamp of a commit in an archived segment, as if the node's clock had been another.
func (c *cluster) restamp(commit history.Commit, at time.Time) {
	c.tb.Helper()
	dir := filepath.Join(machine.pool.Path(), "history", c.src.HistoryID)
	path := filepath.Join(dir, "wal", commit.Segment(1).Name())
	b, err := os.ReadFile(path)
	if err != nil {
		c.tb.Fatal(err)
	}
	const header, sum, stamp, epoch = 24, 20, 26, 946684800 * 1_000_000
	record := b[commit.Start%wal.SegmentSize : commit.End%wal.SegmentSize]
	if commit.Start/wal.PageSize != commit.End/wal.PageSize || at.UnixMicro() == 0 {
		c.tb.Fatal("the record goes over pages")
	}
	if old := int64(binary.LittleEndian.Uint64(record[stamp:])) + epoch; old != commit.At.UnixMicro() {
		c.tb.Fatalf("the stamp is %d, want %d", old, commit.At.UnixMicro())
	}
	binary.LittleEndian.PutUint64(record[stamp:], uint64(at.UnixMicro()-epoch))
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint32(record[sum:], crc32.Update(crc32.Checksum(record[header:], table), table, record[:sum]))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		c.tb.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "commits")); err != nil {
		c.tb.Fatal(err)
	}
}

// While the clock was ahead, a transaction was stamped in what is the future still: a moment behind it has it, and all that came between.
func TestForkAtAMomentAfterTheClockWasAhead(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	c.insert(1)
	begin := now()
	c.insert(2, 3)
	at := now()
	c.insert(4)
	c.archive(t, h)
	c.restamp(c.around(t, h, begin, 1, false)[1], now().Add(24*time.Hour))
	n, _ := c.forkAt(h, at)
	wantNumbers(t, n, 1, 2, 3)
	if list := c.around(t, h, at, 3, false); len(list) < 4 || list[3].XID != c.commitOf(t, 4) {
		t.Errorf("transaction %d is the first behind the moment, but listed are %v", c.commitOf(t, 4), list)
	}
}
