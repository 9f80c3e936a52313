package history_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
	"tine/internal/history"
)

// archive makes PostgreSQL finish its segment, and the history collect it.
func (c *cluster) archive(t *testing.T, h *history.History) {
	t.Helper()
	c.exec("SELECT pg_logical_emit_message(true, 'test', '')") // else there is nothing to switch from
	c.exec("SELECT pg_switch_wal()")
	waitArchived(t, c)
	if _, err := h.Collect(t.Context(), c.src); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) around(t *testing.T, h *history.History, at time.Time, count int, marked bool) []history.Commit {
	t.Helper()
	list, err := h.Around(t.Context(), c.src, at, count, marked)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Every transaction can be forked right before and right after, wherever its record is: the log is archived at random
// moments, and restore points are taken.
func TestForkBeforeAndAfterEachTransaction(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	begin := now()
	const count = 24
	random := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= count; n++ {
		c.insert(n)
		switch random.IntN(4) {
		case 0:
			c.archive(t, h)
		case 1:
			if n%5 == 0 {
				c.take(h)
			}
		}
	}
	at := map[int]history.Commit{}
	for _, commit := range c.around(t, h, begin, 10*count, false) {
		if n := len(at) + 1; c.commitOf(t, n) == commit.XID {
			at[n] = commit
		}
	}
	if len(at) != count {
		t.Fatalf("%d of %d transactions are listed", len(at), count)
	}
	for range 6 {
		n := 1 + random.IntN(count)
		before, _ := c.fork(h, history.Target{LSN: at[n].Start})
		wantNumbers(t, before, upTo(n-1)...)
		after, _ := c.fork(h, history.Target{LSN: at[n].Start, After: true})
		wantNumbers(t, after, upTo(n)...)
	}
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i + 1
	}
	return list
}

// commitOf is the transaction that inserted a number; 0 if there is none.
func (c *cluster) commitOf(t *testing.T, n int) (xid uint32) {
	t.Helper()
	err := c.conn.QueryRow(t.Context(), "SELECT xmin FROM numbers WHERE n = $1", n).Scan(&xid)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	return xid
}

func TestForkAtWhatIsNoTransactionIsRefused(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	begin := now()
	c.insert(1, 2)
	first := c.around(t, h, begin, 5, false)[0]
	for name, test := range map[string]struct {
		target history.Target
		want   error
	}{
		"in the middle of a record":    {history.Target{LSN: first.Start + 8}, history.ErrNoCommit},
		"far in the future":            {history.Target{LSN: first.Start + 1<<40}, history.ErrNoCommit},
		"before the history":           {history.Target{LSN: 1}, history.ErrOutside},
		"a record that is no commit's": {history.Target{LSN: first.End}, history.ErrNoCommit},
	} {
		if _, err := h.Restore(t.Context(), c.src, test.target, "volumes/none"); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	if ok, err := machine.pool.Exists("volumes/none"); err != nil || ok {
		t.Errorf("a volume was left: %v, %v", ok, err)
	}
}

func TestCommitsAreListedAroundAMoment(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	c.insert(1, 2, 3)
	c.archive(t, h)
	c.take(h)
	c.insert(4)
	at := now()
	c.insert(5)
	c.exec("BEGIN")
	c.exec("SELECT pg_logical_emit_message(true, $1, 'gone')", history.MarkPrefix)
	c.exec("ROLLBACK")
	other := *c
	other.conn = connect(t, c.node)
	c.exec("BEGIN")
	c.exec("SELECT pg_logical_emit_message(true, $1, 'drop shop.orders')", history.MarkPrefix)
	other.archive(t, h) // the transaction goes on in the next segment
	c.exec("SAVEPOINT s")
	c.exec("SELECT pg_logical_emit_message(true, $1, 'create shop.items')", history.MarkPrefix)
	c.exec("COMMIT")
	c.insert(6)
	list := c.around(t, h, at, 4, false)
	if len(list) != 8 || list[3].At.After(at) || !list[4].At.After(at) {
		t.Fatalf("4 before %s and 4 after are %v", at, list)
	}
	if !slices.IsSortedFunc(list, func(a, b history.Commit) int { return int(int64(a.Start) - int64(b.Start)) }) {
		t.Errorf("they are not in the order of the log: %v", list)
	}
	if list[4].XID != c.commitOf(t, 5) {
		t.Errorf("the first after the moment is transaction %d, want %d", list[4].XID, c.commitOf(t, 5))
	}
	marked := c.around(t, h, at, 4, true)
	if len(marked) != 1 || !slices.Equal(marked[0].Marks, []string{"drop shop.orders", "create shop.items"}) {
		t.Fatalf("marked are %v", marked)
	}
	before, _ := c.fork(h, history.Target{LSN: marked[0].Start})
	wantNumbers(t, before, 1, 2, 3, 4, 5)
}

// The index is made again when it is lost, or was cut off.
func TestLostIndexesAreMadeAgain(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	begin := now()
	for n := range 6 {
		c.insert(n)
		c.exec("SELECT pg_logical_emit_message(true, $1, $2)", history.MarkPrefix, fmt.Sprintf("mark %d", n))
		c.archive(t, h)
	}
	want := c.around(t, h, begin, 100, false)
	dir := filepath.Join(machine.pool.Path(), "history", c.src.HistoryID, "commits")
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 6 {
		t.Fatalf("%d indexes: %v", len(entries), err)
	}
	for n, e := range entries {
		path := filepath.Join(dir, e.Name())
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		switch n % 3 {
		case 0:
			err = os.Remove(path)
		case 1:
			err = os.WriteFile(path, b[:len(b)-1], 0o600)
		case 2:
			err = os.WriteFile(path, bytes.Replace(b, []byte("mark"), []byte("nark"), 1), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got := c.around(t, h, begin, 100, false)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("transactions are\n%v\nwant\n%v", got, want)
	}
}

// Of a segment that is damaged, what is before the damage can be reached, and so can what is behind the next restore point; nothing between.
func TestDamagedSegmentBreaksTheHistoryOnlyUpToTheNextRestorePoint(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string, at int64) error{
		"a flipped bit": func(path string, at int64) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[at] ^= 1
			return os.WriteFile(path, b, 0o600)
		},
		"cut off": os.Truncate,
		"another segment's content": func(path string, _ int64) error {
			return os.WriteFile(path, make([]byte, 16<<20), 0o600)
		},
		"missing": func(path string, _ int64) error { return os.Remove(path) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, h := newCluster(t), newHistory(history.Config{})
			c.take(h)
			begin := now()
			c.insert(1)
			c.archive(t, h)
			first := now()
			c.insert(2)
			hit := c.around(t, h, now(), 1, false)[0]
			c.insert(3)
			between := now()
			c.archive(t, h)
			c.exec("CHECKPOINT")
			c.exec("CHECKPOINT") // PostgreSQL forgets what is archived
			c.take(h)
			c.insert(4)
			dir := filepath.Join(machine.pool.Path(), "history", c.src.HistoryID)
			segment := hit.Segment(1).Name()
			if err := damage(filepath.Join(dir, "wal", segment), int64(hit.Start%(16<<20))); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(dir, "commits")); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Restore(t.Context(), c.src, history.Target{At: between}, "volumes/none"); !errors.Is(err, history.ErrBroken) {
				t.Errorf("behind the damage: %v, want %v", err, history.ErrBroken)
			}
			n, _ := c.forkAt(h, now())
			wantNumbers(t, n, 1, 2, 3, 4)
			n, _ = c.forkAt(h, begin)
			wantNumbers(t, n)
			_ = first
		})
	}
}

// A segment that is damaged after it was indexed is found when its recovery fails.
func TestVerifyFindsTheDamageThatAnIndexHides(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	c.insert(1)
	c.bulk(20)
	c.insert(2)
	at := now()
	c.archive(t, h)
	n, r := c.forkAt(h, at)
	wantNumbers(t, n, 1, 2)
	if err := h.Verify(t.Context(), c.src, r); err != nil {
		t.Fatalf("a history without faults: %v", err)
	}
	path := filepath.Join(machine.pool.Path(), "history", c.src.HistoryID, "wal", r.FromSegment().Name())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-100] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Verify(t.Context(), c.src, r); !errors.Is(err, history.ErrBroken) {
		t.Errorf("a damaged one: %v, want %v", err, history.ErrBroken)
	}
}

// Of a log that is damaged behind the back of its index, PostgreSQL replays what is whole and takes that for all.
func TestRecoveryThatEndsAtADamageIsNoFork(t *testing.T) {
	t.Parallel()
	for name, mib := range map[string]int{"with a checkpoint": 1, "with a promotion": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, h := newCluster(t), newHistory(history.Config{})
			c.take(h)
			c.insert(1)
			c.bulk(mib)
			c.insert(2)
			at := now()
			c.insert(3)
			c.archive(t, h)
			hit := c.around(t, h, at, 1, false)[0]
			path := filepath.Join(machine.pool.Path(), "history", c.src.HistoryID, "wal", hit.Segment(1).Name())
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[hit.Start%(16<<20)] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			volume := "damaged-" + strings.ReplaceAll(name, " ", "-")
			t.Cleanup(func() { machine.remove(t, volume) })
			r, err := h.Restore(t.Context(), c.src, history.Target{At: at}, "volumes/"+volume)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := machine.node(volume).StartFresh(t.Context(), r.Recovery); !errors.Is(err, engine.ErrIncomplete) {
				t.Errorf("a recovery that ends at a damage: %v, want %v", err, engine.ErrIncomplete)
			}
			if err := h.Verify(t.Context(), c.src, r); !errors.Is(err, history.ErrBroken) {
				t.Errorf("its log: %v, want %v", err, history.ErrBroken)
			}
		})
	}
}
