package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
	"tine/internal/store"
	"tine/internal/wal"
)

// Take makes a restore point of a running cluster: marker, checkpoint, snapshot, record. When it returns nil, the cluster can be
// forked at every moment from the returned CompletedAt on; on error at worst a snapshot is left, which the next Take or Prune removes, or Sweep.
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
	err := h.settle(ctx, src)
	if err != nil {
		return store.RestorePoint{}, fmt.Errorf("take restore point of cluster %s: %w", src.ClusterID, err)
	}
	volume := PointVolume(src.HistoryID, uuid.NewString())
	p, err := h.snapshot(ctx, src, volume, turnSyncOn)
	if err != nil {
		h.setLoose(src, volume)
		return store.RestorePoint{}, fmt.Errorf("take restore point of cluster %s: %w", src.ClusterID, err)
	}
	add := h.cfg.Records.AddRestorePoint
	if turnSyncOn != nil {
		add = h.cfg.Records.AddFirstRestorePoint // its cluster is not used before that is recorded, too
	}
	added, err := add(ctx, p)
	if err != nil {
		h.setLoose(src, volume)
		if errors.Is(err, store.ErrNotFound) {
			err = errors.Join(err, h.cfg.Pool.Delete(ctx, volume))
		}
		return store.RestorePoint{}, err
	}
	h.remember(src, added)
	return added, nil
}

// settle removes the snapshot of a restore point that could not be completed, unless it is recorded: who lost the connection in that moment does not know. Without it, each
// try would leave one more while the records are out of reach.
func (h *History) settle(ctx context.Context, src Source) error {
	h.mu.Lock()
	volume := h.mu.loose[src.HistoryID]
	h.mu.Unlock()
	if volume == "" {
		return nil
	}
	points, err := h.cfg.Records.RestorePoints(ctx, src.ClusterID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(points, func(p store.RestorePoint) bool { return p.Volume == volume }) {
		h.remember(src, points[len(points)-1])
	} else if err := h.cfg.Pool.Delete(ctx, volume); err != nil {
		return err
	}
	h.setLoose(src, "")
	return nil
}

func (h *History) setLoose(src Source, volume string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if volume == "" {
		delete(h.mu.loose, src.HistoryID)
	} else {
		h.mu.loose[src.HistoryID] = volume
	}
}

func (h *History) snapshot(ctx context.Context, src Source, volume string, turnSyncOn func() error) (store.RestorePoint, error) {
	first := turnSyncOn != nil
	conn, release, err := src.Connect(ctx)
	if err != nil {
		return store.RestorePoint{}, err
	}
	defer release()
	p := store.RestorePoint{
		ClusterID: src.ClusterID,
		Volume:    volume,
		StartedAt: h.cfg.Now().Round(0),
	}
	began := h.cfg.Elapsed()
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
	// A clock that is set back meanwhile must not make the end earlier than what was stamped before: a fork there would end within the snapshot.
	p.CompletedAt = later(h.cfg.Now().Round(0), p.StartedAt.Add(h.cfg.Elapsed()-began)).Truncate(time.Microsecond).Add(time.Microsecond)
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
