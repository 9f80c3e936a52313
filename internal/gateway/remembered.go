package gateway

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Each backend remembers what the names that it has read stand for, until it is told that something changed. A statement that began before a collection was renamed, or a
// view dropped or changed, may hear that, and read the catalog as it was before all the same: then it remembers that, and answers later statements of that
// backend so, until something else changes. So the backends are told again when no such statement is left. A collection that is dropped needs none of it: its table is gone.

const (
	// sqlSnapshots are the transactions that see what was before now. Ones whose snapshot is newer than the change are among them, but none that begins later.
	sqlSnapshots = "SELECT pid, xact_start FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() " +
		"AND backend_xmin IS NOT NULL AND xact_start IS NOT NULL"
	// sqlSnapshotsLeft are those of them that go on.
	sqlSnapshotsLeft     = sqlSnapshots + " AND (pid, xact_start) IN (SELECT * FROM unnest($1::int[], $2::timestamptz[]))"
	sqlForgetCollections = "SELECT documentdb_api_internal.invalidate_collection_cache()"

	// namePause is how often those who wait for a change look whether the statements before it have ended, and lateNamePause how often it is looked when nobody does.
	namePause     = 2 * time.Millisecond
	lateNamePause = 250 * time.Millisecond
	// maxLate is how many changes that nobody waits for any more may be handed over at once.
	maxLate = 16
)

// snapshots are transactions that see the catalog as it was.
type snapshots struct {
	pids  []int32
	began []time.Time
}

func (s *snapshots) count() int { return len(s.pids) }

func (s *snapshots) add(t snapshots) {
	s.pids, s.began = append(s.pids, t.pids...), append(s.began, t.began...)
}

// left returns those that have not ended.
func (s *snapshots) left(ctx context.Context, db *pgxpool.Conn) (snapshots, error) {
	return readSnapshots(ctx, db, sqlSnapshotsLeft, s.pids, s.began)
}

func readSnapshots(ctx context.Context, db *pgxpool.Conn, sql string, args ...any) (s snapshots, err error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return s, err
	}
	var pid int32
	var began time.Time
	_, err = pgx.ForEachRow(rows, []any{&pid, &began}, func() error {
		s.pids, s.began = append(s.pids, pid), append(s.began, began)
		return nil
	})
	return s, err
}

// namesChanged returns when statements to come see what names stand for now. It does not wait for ever: if a statement from before the change takes longer, it, and what
// follows it on its backend, may see what was, until forgetLate has told that backend when it has ended.
func (c *cluster) namesChanged(ctx context.Context) error {
	return c.node.with(ctx, login{user: gatewayLogin}, func(db *pgxpool.Conn) error {
		older, err := readSnapshots(ctx, db, sqlSnapshots)
		for end := time.Now().Add(c.times.Names); err == nil && older.count() > 0 && time.Now().Before(end); {
			if !pause(ctx, namePause) {
				return context.Cause(ctx)
			}
			older, err = older.left(ctx, db)
		}
		if err != nil {
			return err
		}
		if older.count() > 0 {
			select {
			case c.late <- older:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		_, err = db.Exec(ctx, sqlForgetCollections)
		return err
	})
}

// forgetLate tells the backends again that names have changed whenever one has ended that changes have waited for in vain.
func (c *cluster) forgetLate(ctx context.Context) {
	var late snapshots
	tick := time.NewTicker(lateNamePause)
	defer tick.Stop()
	for ctx.Err() == nil {
		var due <-chan time.Time
		if late.count() > 0 {
			due = tick.C
		}
		select {
		case <-ctx.Done():
		case more := <-c.late:
			late.add(more)
		case <-due:
			c.forgetEnded(ctx, &late)
		}
	}
}

// forgetEnded tells the backends if one of the snapshots has ended, and keeps the others. If that fails they all stay, to be tried again.
func (c *cluster) forgetEnded(ctx context.Context, late *snapshots) {
	awake := c.whileAwake(func() {
		err := c.node.with(ctx, login{user: gatewayLogin}, func(db *pgxpool.Conn) error {
			left, err := late.left(ctx, db)
			if err != nil || left.count() == late.count() {
				return err
			}
			if _, err := db.Exec(ctx, sqlForgetCollections); err != nil {
				return err
			}
			*late = left
			return nil
		})
		if err != nil {
			c.log.DebugContext(ctx, "backends not told that names have changed", slog.String("cause", cause(err)))
		}
	})
	if !awake { // its backends have ended
		*late = snapshots{}
	}
}

// viewsMade knows when views may have come.
type viewsMade struct {
	making atomic.Int64 // commands that make one and have not ended
	last   atomic.Int64 // when the last one ended, in Unix nanoseconds
}

// begin says that a command that makes a view begins; it is to say when it ends.
func (v *viewsMade) begin() (end func()) {
	v.making.Add(1)
	return func() {
		v.last.Store(time.Now().UnixNano())
		v.making.Add(-1)
	}
}

// since says whether a view may have come since then. One that is made in a transaction comes when that is committed, at the end of its lifetime at the latest.
func (v *viewsMade) since(t time.Time, lifetime time.Duration) bool {
	return v.making.Load() > 0 || v.last.Load() >= t.Add(-lifetime).UnixNano()
}
