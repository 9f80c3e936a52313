package history_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"tine/internal/engine"
	"tine/internal/history"
	"tine/internal/store"
)

func (c *cluster) take(h *history.History) store.RestorePoint {
	c.tb.Helper()
	p, err := h.Take(c.tb.Context(), c.src)
	if err != nil {
		c.tb.Fatal(err)
	}
	return p
}

func wantNumbers(t *testing.T, n *engine.Node, want ...int) {
	t.Helper()
	if got := numbers(t, n); !slices.Equal(got, want) {
		t.Errorf("the fork holds %v, want %v", got, want)
	}
}

func TestForkAtHoldsExactlyWhatWasCommittedBefore(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	c.insert(1, 2)
	at := now()
	c.insert(3)
	n, _ := c.forkAt(h, at)
	wantNumbers(t, n, 1, 2)
	wantNumbers(t, c.node, 1, 2, 3)
}

// PostgreSQL never reaches a target after the last commit and gives up.
func TestForkAtAMomentAfterTheLastCommitOfAnIdleSource(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	c.insert(1)
	n, _ := c.forkAt(h, now())
	wantNumbers(t, n, 1)
}

// PostgreSQL replays all of the WAL inside a snapshot first, and fails if the target lies within it.
func TestForkAtAMomentInsideTheNewestSnapshotUsesTheOneBefore(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	first := c.take(h)
	c.insert(1)
	at := now()
	c.insert(2)
	second := c.take(h)
	n, r := c.forkAt(h, at)
	if r.Base.ID != first.ID {
		t.Errorf("the fork starts from restore point %d, want %d, because %d has commits after the moment", r.Base.ID, first.ID, second.ID)
	}
	wantNumbers(t, n, 1)
}

// Nothing is committed between the moment and the next restore point: its marker must end the recovery.
func TestForkAtAMomentInAQuietTimeBeforeARestorePoint(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	c.insert(1)
	at := now()
	c.take(h)
	c.insert(2)
	n, _ := c.forkAt(h, at)
	wantNumbers(t, n, 1)
}

func TestForkAtTheInstantARestorePointWasCompleted(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.insert(1)
	p := c.take(h)
	c.insert(2)
	n, r := c.forkAt(h, p.CompletedAt)
	if r.Base.ID != p.ID {
		t.Errorf("the fork starts from restore point %d, want %d", r.Base.ID, p.ID)
	}
	wantNumbers(t, n, 1)
}

// With the source down nobody can write the commit that ends the recovery.
func TestForkAtAMomentAfterTheLastCommitOfASourceThatIsDown(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	c.insert(1)
	if err := c.node.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.src.Connect = nil
	n, _ := c.forkAt(h, now())
	wantNumbers(t, n, 1)
}

func TestForkAtAMomentBeforeTheHistoryIsRefused(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	at := now()
	if _, err := h.Restore(t.Context(), c.src, history.Target{At: at}, "volumes/none"); !errors.Is(err, history.ErrOutside) {
		t.Errorf("without restore points: %v, want %v", err, history.ErrOutside)
	}
	c.take(h)
	if _, err := h.Restore(t.Context(), c.src, history.Target{At: at}, "volumes/none"); !errors.Is(err, history.ErrOutside) {
		t.Errorf("before the first restore point: %v, want %v", err, history.ErrOutside)
	}
	if ok, err := machine.pool.Exists("volumes/none"); err != nil || ok {
		t.Errorf("a volume was left: %v, %v", ok, err)
	}
}

// The WAL of the moments between is in the archive, on its way there, and in the live log.
func TestForkAtFindsWALInAllItsPlaces(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	c.bulk(40)
	c.exec("CHECKPOINT")
	c.exec("SELECT pg_switch_wal()")
	waitArchived(t, c)
	if n, err := h.Collect(t.Context(), c.src); err != nil || n == 0 {
		t.Fatalf("collected %d segments: %v", n, err)
	}
	c.insert(1)
	c.bulk(20)
	c.insert(2)
	at := now()
	c.insert(3)
	n, r := c.forkAt(h, at)
	if r.Segments < 4 {
		t.Errorf("the recovery had %d segments, want at least 4", r.Segments)
	}
	wantNumbers(t, n, 1, 2)
}

// waitArchived returns when the segment before the current one has been archived by PostgreSQL.
func waitArchived(t *testing.T, c *cluster) {
	t.Helper()
	for t.Context().Err() == nil {
		var done bool
		err := c.conn.QueryRow(t.Context(), `SELECT coalesce(last_archived_wal >=
			pg_walfile_name(pg_current_wal_insert_lsn() - 16 * 1024 * 1024), false) FROM pg_stat_archiver`).Scan(&done)
		if err != nil {
			t.Fatal(err)
		}
		if done {
			return
		}
	}
}

func TestForkAcrossAMissingSegmentIsRefused(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	c.bulk(40)
	c.exec("CHECKPOINT")
	c.exec("SELECT pg_switch_wal()")
	waitArchived(t, c)
	c.exec("CHECKPOINT") // PostgreSQL forgets what is archived
	if _, err := h.Collect(t.Context(), c.src); err != nil {
		t.Fatal(err)
	}
	wal := filepath.Join(machine.pool.Path(), "history", c.src.HistoryID, "wal")
	segments, err := os.ReadDir(wal)
	if err != nil || len(segments) < 3 {
		t.Fatalf("%d segments are archived: %v", len(segments), err)
	}
	gap := segments[1].Name()
	if err := os.Remove(filepath.Join(wal, gap)); err != nil {
		t.Fatal(err)
	}
	_, err = h.Restore(t.Context(), c.src, history.Target{At: now()}, "volumes/"+c.id+"-gap")
	t.Cleanup(func() { machine.remove(t, c.id+"-gap") })
	if !errors.Is(err, history.ErrBroken) || !strings.Contains(err.Error(), gap) {
		t.Errorf("restore across a gap: %v, want %v and the name %s", err, history.ErrBroken, gap)
	}
}

// A fork at a moment has a history of its own, on its source's timeline or, if much had to be replayed, on one of its own.
func TestForkOfAForkAtAMoment(t *testing.T) {
	t.Parallel()
	for name, mib := range map[string]int{"of little log": 0, "of much log": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, h := newCluster(t), newHistory(history.Config{})
			c.take(h)
			c.insert(1)
			c.bulk(mib)
			at := now()
			c.insert(2)
			n, _ := c.forkAt(h, at)
			fork := c.adopt(n)
			_, err := h.TakeFirst(t.Context(), fork.src, func() error { return n.TurnSyncOn(t.Context(), fork.conn) })
			if err != nil {
				t.Fatal(err)
			}
			fork.insert(10)
			at = now()
			fork.insert(11)
			second, _ := fork.forkAt(h, at)
			wantNumbers(t, second, 1, 10)
			if err := h.Measure(t.Context(), fork.src); err != nil {
				t.Fatal(err)
			}
			points, err := machine.records.RestorePoints(t.Context(), fork.id)
			if err != nil || len(points) != 1 || points[0].SizeBytes == 0 {
				t.Errorf("the restore points are %v, want one with a size: %v", points, err)
			}
			fork.take(h)
			fork.insert(12)
			third, _ := fork.forkAt(h, now())
			wantNumbers(t, third, 1, 10, 11, 12)
			fork.bulk(20)
			fork.archive(t, h)
			fork.insert(13)
			fourth, _ := fork.forkAt(h, now())
			wantNumbers(t, fourth, 1, 10, 11, 12, 13)
			wantNumbers(t, c.node, 1, 2)
		})
	}
}

// A fork of a busy source is promoted before it has a checkpoint of its own: what its source wrote last is replayed in its forks, too, whether at a
// moment or at the latest, and after a crash.
func TestForkOfAForkOfABusySource(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	c.insert(1)
	c.bulk(20)
	c.insert(2)
	n := c.forkLive()
	fork := c.adopt(n)
	_, err := h.TakeFirst(t.Context(), fork.src, func() error { return n.TurnSyncOn(t.Context(), fork.conn) })
	if err != nil {
		t.Fatal(err)
	}
	fork.insert(10)
	at := now()
	fork.insert(11)
	second, _ := fork.forkAt(h, at)
	wantNumbers(t, second, 1, 2, 10)
	wantNumbers(t, fork.forkLive(), 1, 2, 10, 11)
	if err := n.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, n, 1, 2, 10, 11)
	wantNumbers(t, c.node, 1, 2)
}

// forkLive makes a fork at the latest and returns its node, which is ready.
func (c *cluster) forkLive() *engine.Node {
	c.tb.Helper()
	id := uuid.NewString()
	c.tb.Cleanup(func() { machine.remove(c.tb, id) })
	if err := machine.pool.Clone(c.tb.Context(), c.src.Volume, "volumes/"+id); err != nil {
		c.tb.Fatal(err)
	}
	n := machine.node(id)
	conn, err := n.StartFresh(c.tb.Context(), engine.Recovery{Live: true})
	if err != nil {
		c.tb.Fatalf("%v\n%s", err, machine.log(id))
	}
	closeLater(c.tb, conn)
	return n
}

// adopt makes a fork's node a cluster that is recorded.
func (c *cluster) adopt(n *engine.Node) *cluster {
	c.tb.Helper()
	fork := newCluster(c.tb) // for its row; its own node is not used
	fork.node, fork.conn = n, connect(c.tb, n)
	fork.src.Volume = "volumes/" + n.ID()
	fork.src.Connect = connector(n)
	return fork
}

func TestRestorePointIsDueWhenTheBudgetIsWritten(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{Budget: 32 << 20})
	due := func() bool {
		t.Helper()
		due, _, err := h.Due(t.Context(), c.src)
		if err != nil {
			t.Fatal(err)
		}
		return due
	}
	if !due() {
		t.Error("no restore point is due for a cluster that has none")
	}
	c.take(h)
	if due() {
		t.Error("a restore point is due right after one")
	}
	c.bulk(80)
	if !due() {
		t.Error("no restore point is due after 80 MiB with a budget of 32 MiB")
	}
}

// What is written while a restore point is being taken counts: the next one comes early by as much as the last one took at the present speed, but not by more than a quarter of the budget.
func TestRestorePointIsDueSoEarlyThatItIsInTime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		each    time.Duration // that passes between two looks at the clock
		mib     int
		due     bool
		nearing bool
	}{
		"nobody knows how fast":                   {0, 26, false, false},
		"so fast that the budget will be reached": {time.Second, 26, true, false},
		"early, but not too early":                {time.Second, 20, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now().Add(-time.Hour) // before all files are written
			c := newCluster(t)
			h := newHistory(history.Config{Budget: 32 << 20, Now: func() time.Time {
				now = now.Add(test.each)
				return now
			}})
			c.take(h)
			c.bulk(test.mib)
			due, again, err := h.Due(t.Context(), c.src)
			if err != nil || due != test.due {
				t.Errorf("after %d of 32 MiB due is %v, %v", test.mib, due, err)
			}
			if nearing := again > 0 && again < time.Minute; nearing != test.nearing {
				t.Errorf("after %d of 32 MiB it will be due in %s", test.mib, again)
			}
		})
	}
}

// The first look at a page after a checkpoint may log its hint bits, so a cluster is quiet only after a few rounds.
func TestRestorePointIsDueAfterTheIntervalOnlyIfSomethingWasWritten(t *testing.T) {
	t.Parallel()
	var ahead time.Duration
	c := newCluster(t)
	h := newHistory(history.Config{Interval: time.Hour, Now: func() time.Time { return time.Now().Add(ahead) }})
	dueAfterTheInterval := func() bool {
		t.Helper()
		ahead += 2 * time.Hour
		due, _, err := h.Due(t.Context(), c.src)
		if err != nil {
			t.Fatal(err)
		}
		return due
	}
	const rounds = 10
	round := 0
	for c.take(h); dueAfterTheInterval(); c.take(h) {
		if round++; round == rounds {
			t.Fatalf("an idle cluster has had %d restore points and is due for another one", round)
		}
	}
	c.insert(1)
	if !dueAfterTheInterval() {
		t.Error("no restore point is due after a write and an interval")
	}
}

// How long the last restore point took is known, however long ago it was found out that nothing was written since.
func TestRestorePointIsDueWhenTheBudgetIsWrittenAfterAnIdleInterval(t *testing.T) {
	t.Parallel()
	var ahead time.Duration
	c := newCluster(t)
	h := newHistory(history.Config{Budget: 32 << 20, Interval: time.Hour, Now: func() time.Time { return time.Now().Add(ahead) }})
	due := func() bool {
		t.Helper()
		due, _, err := h.Due(t.Context(), c.src)
		if err != nil {
			t.Fatal(err)
		}
		return due
	}
	const rounds = 10
	for round := 0; ; round++ {
		ahead = -2 * time.Hour
		c.take(h)
		if ahead = 0; !due() {
			break // it was idle for an interval
		}
		if round == rounds {
			t.Fatal("an idle cluster is due again and again")
		}
	}
	c.bulk(80)
	if !due() {
		t.Error("no restore point is due after 80 MiB with a budget of 32 MiB")
	}
}

// Or a fork at latest would replay all that was written before, for an hour.
func TestRestorePointIsDueWhenWritingIsOver(t *testing.T) {
	t.Parallel()
	var ahead time.Duration
	c := newCluster(t)
	h := newHistory(history.Config{Now: func() time.Time { return time.Now().Add(ahead) }})
	c.take(h)
	c.bulk(20)
	if due, _, err := h.Due(t.Context(), c.src); err != nil || due {
		t.Errorf("right after 20 MiB: due is %v, %v", due, err)
	}
	ahead = time.Minute
	if due, _, err := h.Due(t.Context(), c.src); err != nil || !due {
		t.Errorf("a minute after 20 MiB: due is %v, %v", due, err)
	}
	c.take(h)
	if due, _, err := h.Due(t.Context(), c.src); err != nil || due {
		t.Errorf("after the restore point: due is %v, %v", due, err)
	}
}

func TestPruneKeepsWhatTheOldestMomentOfTheWindowNeeds(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var ahead time.Duration
	start := time.Now()
	h := newHistory(history.Config{
		Window: time.Hour, Now: func() time.Time { return time.Now().Add(ahead) }, Elapsed: func() time.Duration { return time.Since(start) + ahead },
	})
	old := c.take(h)
	c.insert(1)
	base := c.take(h)
	c.insert(2)
	at := now()
	c.insert(3)
	recent := c.take(h)
	ahead = time.Hour - time.Since(at) // at is now the oldest moment of the window
	if more, err := h.Prune(t.Context(), c.src); err != nil || more {
		t.Fatal(more, err)
	}
	points, err := machine.records.RestorePoints(t.Context(), c.id)
	if err != nil || len(points) != 2 || points[0].ID != base.ID || points[1].ID != recent.ID {
		t.Fatalf("restore points %v are left, want %d and %d: %v", points, base.ID, recent.ID, err)
	}
	if ok, err := machine.pool.Exists(old.Volume); err != nil || ok {
		t.Errorf("the snapshot of the pruned restore point exists: %v, %v", ok, err)
	}
	ahead = 0
	n, _ := c.forkAt(h, at)
	wantNumbers(t, n, 1, 2)
}

// Forks at moments that leave the window while they are made: each is exact, or is refused because the moment is outside.
func TestReaperAgainstForksAtTheEdge(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var ahead atomic.Int64
	start := time.Now()
	h := newHistory(history.Config{
		Window: time.Hour, Budget: 1, // nothing is thinned
		Now:     func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		Elapsed: func() time.Duration { return time.Since(start) + time.Duration(ahead.Load()) },
	})
	const count = 8
	var moments []time.Time
	for n := 1; n <= count; n++ {
		c.take(h)
		c.insert(n)
		moments = append(moments, now())
	}
	c.take(h)
	ctx, stop := context.WithCancel(t.Context())
	var reaper sync.WaitGroup
	defer func() { stop(); reaper.Wait() }()
	reaper.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			edge := moments[n%count] // back and forth, as if it were each time the first
			ahead.Store(int64(time.Hour - time.Since(edge)))
			if _, err := h.Prune(ctx, c.src); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	for n, at := range moments {
		volume := c.id + "-edge-" + strconv.Itoa(n)
		r, err := h.Restore(t.Context(), c.src, history.Target{At: at}, "volumes/"+volume)
		t.Cleanup(func() { machine.remove(t, volume) })
		if errors.Is(err, history.ErrOutside) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		node := machine.node(volume)
		conn, err := node.StartFresh(t.Context(), r.Recovery)
		if err != nil {
			t.Fatalf("%v\n%s", err, machine.log(volume))
		}
		closeLater(t, conn)
		wantNumbers(t, node, upTo(n+1)...)
	}
}

// Restore points between which little was written are merged, and every moment is still there.
func TestThinnedHistoryHasEveryMoment(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{})
	c.take(h)
	var moments []time.Time
	for n := 1; n <= 6; n++ {
		c.insert(n)
		moments = append(moments, now())
		c.take(h)
	}
	if more, err := h.Prune(t.Context(), c.src); err != nil || more {
		t.Fatal(more, err)
	}
	points, err := machine.records.RestorePoints(t.Context(), c.id)
	if err != nil || len(points) != 2 {
		t.Fatalf("%d restore points are left: %v", len(points), err)
	}
	for _, n := range []int{1, 4} {
		fork, _ := c.forkAt(h, moments[n-1])
		wantNumbers(t, fork, upTo(n)...)
	}
}

// Not parallel: it sweeps the pool of all tests.
func TestSweepRemovesWhatIsNotRecorded(t *testing.T) { //nolint:paralleltest // see above
	c, h := newCluster(t), newHistory(history.Config{})
	p := c.take(h)
	unrecorded := "history/" + c.src.HistoryID + "/points/unrecorded"
	unknown := "history/unknown/points/any"
	for _, volume := range []string{unrecorded, unknown} {
		if err := machine.pool.Snapshot(t.Context(), c.src.Volume, volume); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Sweep(t.Context(), map[string]string{c.src.HistoryID: c.id}); err != nil {
		t.Fatal(err)
	}
	for volume, want := range map[string]bool{p.Volume: true, unrecorded: false, unknown: false} {
		if ok, err := machine.pool.Exists(volume); err != nil || ok != want {
			t.Errorf("%s exists: %v, want %v; %v", volume, ok, want, err)
		}
	}
}
