package history_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tine/internal/engine"
	"tine/internal/history"
	"tine/internal/wal"
)

// loseLog kills the cluster's node and makes of its log what a crash leaves that lost all from a position on, and starts it again.
func (c *cluster) loseLog(t *testing.T, from wal.LSN) {
	t.Helper()
	if err := c.node.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := engine.WALDir(c.node.Volume())
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		s, ok := wal.ParseSegment(e.Name())
		path := filepath.Join(dir, e.Name())
		switch {
		case !ok || s.Begin()+wal.SegmentSize <= from:
			continue
		case s.Begin() >= from:
			err = os.Remove(path)
		default:
			if err = os.Truncate(path, int64(from-s.Begin())); err == nil {
				err = os.Truncate(path, wal.SegmentSize)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		// What is archived was on the disk before.
		for _, path := range []string{
			filepath.Join(engine.ArchiveDir(c.node.Volume()), e.Name()), filepath.Join(dir, "archive_status", e.Name()+".ready"), filepath.Join(dir, "archive_status", e.Name()+".done"),
		} {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.node.Start(t.Context()); err != nil {
		t.Fatal(err, machine.log(c.id))
	}
	c.conn = connect(t, c.node)
}

// A crash cuts off a record that goes over pages. What the node writes after its recovery begins in the middle of it, and is read by forks, from the log and from indexes.
func TestForksBehindARecordThatACrashCutOff(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(begin wal.LSN) wal.LSN{
		"in a segment":          func(begin wal.LSN) wal.LSN { return (begin + 100<<10) &^ (wal.PageSize - 1) },
		"where a segment ends":  func(begin wal.LSN) wal.LSN { return wal.SegmentOf(1, begin).Begin() + wal.SegmentSize },
		"two segments later on": func(begin wal.LSN) wal.LSN { return wal.SegmentOf(1, begin).Begin() + 2*wal.SegmentSize },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, h := newCluster(t), newHistory(history.Config{Budget: 1 << 40})
			c.take(h)
			begin := now()
			c.insert(1)
			var text string
			if err := c.conn.QueryRow(t.Context(), "SELECT pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
				t.Fatal(err)
			}
			long, err := wal.ParseLSN(text)
			if err != nil {
				t.Fatal(err)
			}
			c.exec("SELECT pg_logical_emit_message(false, 'test', repeat('m', 40000000))")
			c.insert(99) // brings it to the disk
			c.loseLog(t, cut(long))
			c.insert(2)
			at := now()
			c.insert(3)
			n, _ := c.forkAt(h, at)
			wantNumbers(t, n, 1, 2)
			want := c.around(t, h, begin, 20, false)
			c.archive(t, h)
			c.exec("SELECT pg_logical_emit_message(false, 'test', repeat('m', 1000000))")
			c.archive(t, h)
			n, _ = c.forkAt(h, at)
			wantNumbers(t, n, 1, 2)
			if got := c.around(t, h, begin, 20, false); len(got) < len(want) || !slices.EqualFunc(got[:len(want)], want, func(a, b history.Commit) bool { return a.Start == b.Start }) {
				t.Errorf("from the index: %v\nfrom the log: %v", got, want)
			}
		})
	}
}

// Transactions that a crash ends have no record of their end. What they said of the schema does not keep later ones from being heard.
func TestChangesOfTheSchemaAreListedBehindACrash(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{Budget: 1 << 40})
	c.take(h)
	begin := now()
	other := connect(t, c.node)
	if _, err := other.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	const many = "SELECT pg_logical_emit_message(true, $1, 'drop shop.lost' || n) FROM generate_series(1, 200) n"
	if _, err := other.Exec(t.Context(), many, history.MarkPrefix); err != nil {
		t.Fatal(err)
	}
	c.insert(1) // brings it to the disk
	if err := c.node.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.node.Start(t.Context()); err != nil {
		t.Fatal(err, machine.log(c.id))
	}
	c.conn = connect(t, c.node)
	c.exec("SELECT pg_logical_emit_message(true, $1, 'drop shop.orders')", history.MarkPrefix)
	if list := c.around(t, h, begin, 5, true); len(list) != 1 || !slices.Equal(list[0].Marks, []string{"drop shop.orders"}) {
		t.Errorf("the changes of the schema are %v", list)
	}
}
