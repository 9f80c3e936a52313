package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
	"tine/internal/store"
	"tine/internal/wal"
)

// Take makes a restore point of a running cluster: marker, checkpoint, snapshot, record. When it returns nil, the cluster can be
// forked at every moment from the returned CompletedAt on; on error at worst a snapshot is left, which Sweep removes.
func (h *History) Take(ctx context.Context, src Source) (store.RestorePoint, error) {
	return h.take(ctx, src, nil)
}

// TakeFirst is Take without the checkpoint, for a node that has just recovered. It calls turnSyncOn right before the snapshot, which then brings to
// the disk all that the node wrote without.
func (h *History) TakeFirst(ctx context.Context, src Source, turnSyncOn func() error) (store.RestorePoint, error) {
	return h.take(ctx, src, turnSyncOn)
}

// take does without the cluster's lock: under load its checkpoint takes a while, and a fork would wait for it.
func (h *History) take(ctx context.Context, src Source, turnSyncOn func() error) (store.RestorePoint, error) {
	p, err := h.snapshot(ctx, src, turnSyncOn)
	if err != nil {
		return store.RestorePoint{}, fmt.Errorf("take restore point of cluster %s: %w", src.ClusterID, err)
	}
	added, err := h.cfg.Records.AddRestorePoint(ctx, p)
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			err = errors.Join(err, h.cfg.Pool.Delete(ctx, p.Volume))
		}
		return store.RestorePoint{}, err
	}
	h.remember(src, added)
	return added, nil
}

func (h *History) snapshot(ctx context.Context, src Source, turnSyncOn func() error) (store.RestorePoint, error) {
	first := turnSyncOn != nil
	conn, release, err := src.Connect(ctx)
	if err != nil {
		return store.RestorePoint{}, err
	}
	defer release()
	p := store.RestorePoint{
		ClusterID: src.ClusterID,
		Volume:    PointVolume(src.HistoryID, uuid.NewString()),
		StartedAt: h.cfg.Now(),
	}
	if err := mark(ctx, conn); err != nil {
		return store.RestorePoint{}, err
	}
	if !first {
		if _, err := conn.Exec(ctx, "CHECKPOINT", pgx.QueryExecModeExec); err != nil {
			return store.RestorePoint{}, fmt.Errorf("checkpoint: %w", err)
		}
	}
	before, err := readPosition(ctx, conn)
	if err != nil {
		return store.RestorePoint{}, err
	}
	p.MarkerLSN, p.RedoLSN, p.Timeline = uint64(before.end), uint64(before.redo), before.timeline
	if first {
		if err := turnSyncOn(); err != nil {
			return store.RestorePoint{}, err
		}
	}
	if err := h.cfg.Pool.Snapshot(ctx, src.Volume, p.Volume); err != nil {
		return store.RestorePoint{}, err
	}
	// Stamps have microseconds; rounded down, the last commit of the snapshot could seem to be later than its end.
	p.CompletedAt = h.cfg.Now().Truncate(time.Microsecond).Add(time.Microsecond)
	after, err := readPosition(ctx, conn)
	if err != nil {
		return store.RestorePoint{}, err
	}
	p.EndLSN = uint64(after.end)
	if !first {
		p.SizeBytes, err = size(ctx, conn)
	}
	return p, err
}

// Measure records the size of a cluster's newest restore point if nobody has yet: TakeFirst has no time for it.
func (h *History) Measure(ctx context.Context, src Source) error {
	p, ok, err := h.newest(ctx, src)
	if err != nil || !ok || p.SizeBytes != 0 {
		return err
	}
	conn, release, err := src.Connect(ctx)
	if err != nil {
		return err
	}
	defer release()
	if p.SizeBytes, err = size(ctx, conn); err != nil {
		return err
	}
	if err := h.cfg.Records.SetRestorePointSize(ctx, p.ID, p.SizeBytes); err != nil {
		return err
	}
	h.remember(src, p)
	return nil
}

// size is how much data the node holds. It looks at every file, so it is left out where somebody waits.
func size(ctx context.Context, conn *pgx.Conn) (bytes int64, err error) {
	const sql = "SELECT sum(pg_database_size(oid))::bigint FROM pg_database WHERE datallowconn"
	if err := conn.QueryRow(ctx, sql, pgx.QueryExecModeExec).Scan(&bytes); err != nil {
		return 0, fmt.Errorf("read size: %w", err)
	}
	return bytes, nil
}

// quiet is how much WAL a node may write between two restore points by itself: checkpoints, markers and running
// transactions, but not the first change of any page.
const quiet = 2 << 10

// settled is how long a node must not have written for its writing to count as over.
const settled = 3 * time.Second

// Due says whether the next restore point should be taken: when the WAL since the last one reaches the budget; when the node has
// stopped writing and a segment or more would have to be replayed; or when the interval is over and anything was written. It costs a look at the
// node's WAL directory, and a question to the node once an interval.
func (h *History) Due(ctx context.Context, src Source) (bool, error) {
	last, ok, err := h.newest(ctx, src)
	if err != nil || !ok {
		return err == nil, err
	}
	newest, written, err := h.newestWritten(src, last)
	if err != nil {
		return false, err
	}
	if since := int64(newest+1)*wal.SegmentSize - int64(last.RedoLSN); since >= h.cfg.Budget+wal.SegmentSize {
		return true, nil
	}
	now := h.cfg.Now()
	if newest > last.RedoLSN/wal.SegmentSize && now.Sub(written) >= settled {
		return true, nil
	}
	if now.Sub(last.StartedAt) < h.cfg.Interval {
		return false, nil
	}
	return h.wroteSince(ctx, src, last)
}

func (h *History) wroteSince(ctx context.Context, src Source, last store.RestorePoint) (bool, error) {
	conn, release, err := src.Connect(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	now, err := readPosition(ctx, conn)
	if err != nil {
		return false, err
	}
	if uint64(now.end) > last.EndLSN+quiet {
		return true, nil
	}
	// Nothing was: ask again after another interval.
	last.StartedAt = h.cfg.Now()
	h.remember(src, last)
	return false, nil
}

// newestWritten is the number of the newest segment that was written to since a restore point, and when. Without any it is the
// restore point's own.
func (h *History) newestWritten(src Source, last store.RestorePoint) (number uint64, at time.Time, err error) {
	number, at = last.RedoLSN/wal.SegmentSize, last.CompletedAt
	err = h.eachSegment(src, func(s wal.Segment, e os.DirEntry) error {
		if s.Timeline != uint32(last.Timeline) || s.Number <= number {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil // PostgreSQL has just deleted it
		}
		// PostgreSQL makes the next segment before it needs it.
		if err == nil && info.ModTime().After(last.CompletedAt) {
			number, at = s.Number, info.ModTime()
		}
		return err
	})
	return number, at, err
}

// newestSegment is the number of the segment that the node writes to, or the one after it if that is made already.
func (h *History) newestSegment(src Source, timeline uint32) (newest uint64, err error) {
	err = h.eachSegment(src, func(s wal.Segment, _ os.DirEntry) error {
		if s.Timeline == timeline {
			newest = max(newest, s.Number)
		}
		return nil
	})
	return newest, err
}

// eachSegment calls do for the segments in the node's WAL directory.
func (h *History) eachSegment(src Source, do func(wal.Segment, os.DirEntry) error) error {
	entries, err := os.ReadDir(engine.WALDir(h.volumePath(src)))
	if err != nil {
		return fmt.Errorf("list WAL of cluster %s: %w", src.ClusterID, err)
	}
	for _, e := range entries {
		s, ok := wal.ParseSegment(e.Name())
		if !ok {
			continue
		}
		if err := do(s, e); err != nil {
			return fmt.Errorf("look at WAL of cluster %s: %w", src.ClusterID, err)
		}
	}
	return nil
}
