package engine

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A copy of a running node that has much to recover is promoted, which its timeline shows, and not checkpointed; one with little to recover or
// nothing is opened as it is. Each has what the node had, is written to, and survives a crash.
func TestCopyOfALiveNodeIsOpenedTheShorterWay(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	root := installedRoot(t)
	golden, err := root.BuildGolden(t.Context(), place.pool, place.runtime, filepath.Join(place.dir, "work"))
	noError(t, err)
	source := place.startNode(t, root, golden, "source")
	conn := connect(t, source, RoleSuperuser)
	run(t, conn, "CREATE TABLE bulk (t text)")
	run(t, conn, "CHECKPOINT")

	little := place.copyLive(t, root, "source", "little")
	wantCopy(t, little, 0, 1)

	run(t, conn, "INSERT INTO bulk SELECT repeat(md5(g::text), 30) FROM generate_series(1, 20000) g")
	before, err := LastCheckpoint(source.Volume())
	noError(t, err)
	much := place.copyLive(t, root, "source", "much")
	wantCopy(t, much, 20000, 2)
	after, err := LastCheckpoint(place.pool.VolumePath("volumes/much-first"))
	noError(t, err)
	if after.LSN != before.LSN {
		t.Errorf("the copy has a checkpoint at %d; it should have its source's, at %d", after.LSN, before.LSN)
	}

	noError(t, much.Stop(t.Context(), time.Minute))
	wantCopy(t, place.copyLive(t, root, "much", "stopped"), 20001, 2)
	wantCopy(t, little, 1, 1)
}

// A node weighs more than its plan has processors until its limit is set; one that never gets a limit weighs what others do.
func TestNodeThatStartsWeighsMore(t *testing.T) {
	t.Parallel()
	for cpus, want := range map[float64]bool{0: false, 1: true, 4: true} {
		weight := NewNode(NodeConfig{Root: new(Root), CPUs: cpus}).spec(Recovery{}).CPUWeight
		if heavy := weight > cpus; heavy != want {
			t.Errorf("with %v processors it weighs %v", cpus, weight)
		}
	}
}

// copyLive starts a copy of a volume whose node runs, and keeps what it was when it became ready.
func (p *place) copyLive(tb testing.TB, root *Root, source, id string) *Node {
	tb.Helper()
	noError(tb, p.pool.Clone(tb.Context(), "volumes/"+source, "volumes/"+id))
	n := NewNode(NodeConfig{
		ID: id, Root: root, Runtime: p.runtime, Volume: p.pool.VolumePath("volumes/" + id),
		SocketDir: filepath.Join(p.dir, "run", id), LogPath: filepath.Join(p.dir, id+".log"),
	})
	tb.Cleanup(func() { noError(tb, n.Kill(context.WithoutCancel(tb.Context()))) })
	conn, err := n.StartFresh(tb.Context(), Recovery{Live: true})
	noError(tb, err)
	noError(tb, p.pool.Snapshot(tb.Context(), "volumes/"+id, "volumes/"+id+"-first"))
	noError(tb, n.TurnSyncOn(tb.Context(), conn))
	noError(tb, conn.Close(tb.Context()))
	return n
}

// wantCopy compares a node with what it should be, adds a row, and has it crash.
func wantCopy(tb testing.TB, n *Node, rows, timeline int) {
	tb.Helper()
	conn := connect(tb, n, RoleSuperuser)
	if got := query[int](tb, conn, "SELECT count(*) FROM bulk"); got != rows {
		tb.Errorf("%s has %d rows, want %d", n.ID(), got, rows)
	}
	if got := query[int](tb, conn, "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"); got != timeline {
		tb.Errorf("%s is on timeline %d, want %d", n.ID(), got, timeline)
	}
	run(tb, conn, "INSERT INTO bulk VALUES ('more')")
	noError(tb, n.Kill(tb.Context()))
	noError(tb, n.Start(tb.Context()))
	conn = connect(tb, n, RoleSuperuser)
	if got := query[int](tb, conn, "SELECT count(*) FROM bulk"); got != rows+1 {
		tb.Errorf("%s has %d rows after a crash, want %d", n.ID(), got, rows+1)
	}
}

func run(tb testing.TB, conn *pgx.Conn, sql string) {
	tb.Helper()
	if _, err := conn.Exec(tb.Context(), sql); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}
