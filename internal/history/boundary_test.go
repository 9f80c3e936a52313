package history_test

import (
	"os"
	"path/filepath"
	"testing"

	"tine/internal/history"
	"tine/internal/wal"
)

// overBoundary commits a transaction that inserts a number, and whose record begins in one segment and ends in the next. It returns where that begins.
func (c *cluster) overBoundary(t *testing.T, n int) (boundary wal.LSN) {
	t.Helper()
	other := *c
	other.conn = connect(t, c.node)
	other.exec("BEGIN")
	other.insert(n)
	// Each subtransaction that wrote has a place in the record.
	other.exec("DO $$ BEGIN FOR i IN 1..3000 LOOP BEGIN INSERT INTO many VALUES (i); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$")
	for {
		var left, room int64 = 0, 3000
		const sql = "SELECT pg_wal_lsn_diff(l, '0/0')::bigint FROM pg_current_wal_insert_lsn() l"
		if err := c.conn.QueryRow(t.Context(), sql).Scan(&left); err != nil {
			t.Fatal(err)
		}
		boundary = (wal.LSN(left)/wal.SegmentSize + 1) * wal.SegmentSize
		if left = int64(boundary) - left; left <= 2*room && left > 200 {
			break
		}
		c.exec("SELECT pg_logical_emit_message(false, 'test', repeat('m', $1))", max((left-room)*99/100, 1)) // some of it is for headers
	}
	other.exec("COMMIT")
	return boundary
}

func (c *cluster) historyFile(dir string, s wal.Segment) string {
	return filepath.Join(machine.pool.Path(), "history", c.src.HistoryID, dir, s.Name())
}

// A process that is killed between moving a segment and making its index leaves the next one without what came before.
func TestCommitOverABoundaryIsIndexedWithoutTheIndexBefore(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{Budget: 1 << 40})
	c.exec("CREATE TABLE many (n int)")
	c.take(h)
	c.insert(1)
	at := now()
	next := wal.SegmentOf(1, c.overBoundary(t, 2))
	waitArchived(t, c)
	if _, err := h.Collect(t.Context(), c.src); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.historyFile("commits", wal.Segment{Timeline: 1, Number: next.Number - 1})); err != nil {
		t.Fatal(err)
	}
	c.insert(3)
	c.archive(t, h)
	over := c.around(t, h, at, 1, false)[1]
	if over.Start >= next.Begin() || over.End <= next.Begin() || over.XID != c.commitOf(t, 2) {
		t.Errorf("the transaction over the boundary at %s is not in the list, but %+v", next.Begin(), over)
	}
	n, _ := c.forkAt(h, at)
	wantNumbers(t, n, 1)
}

// What is left of the index of a segment that was pruned says nothing about the next one.
func TestIndexBehindASegmentThatWasPruned(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{Budget: 1 << 40})
	c.exec("CREATE TABLE many (n int)")
	c.take(h)
	next := wal.SegmentOf(1, c.overBoundary(t, 1))
	waitArchived(t, c)
	if _, err := h.Collect(t.Context(), c.src); err != nil {
		t.Fatal(err)
	}
	c.take(h)
	// As a process leaves it that is killed while it prunes.
	if err := os.Remove(c.historyFile("wal", wal.Segment{Timeline: 1, Number: next.Number - 1})); err != nil {
		t.Fatal(err)
	}
	c.insert(2)
	at := now()
	c.insert(3)
	c.archive(t, h)
	n, _ := c.forkAt(h, at)
	wantNumbers(t, n, 1, 2)
}
