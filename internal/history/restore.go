package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tine/internal/engine"
	"tine/internal/store"
	"tine/internal/wal"
)

// Target is a state of a cluster's history: one at a moment, or one at a transaction.
type Target struct {
	// At is a moment: the state holds every commit up to the first one that is stamped later, to the microsecond. It does not matter if
	// LSN is set.
	At time.Time
	// LSN is where a transaction's commit record begins: see Commit. The state is the one before it or, with After, the one it made.
	LSN   wal.LSN
	After bool
}

// String is for errors.
func (t Target) String() string {
	switch {
	case t.LSN == 0:
		return "at " + t.At.UTC().Format(time.RFC3339Nano)
	case t.After:
		return "after transaction " + t.LSN.String()
	default:
		return "before transaction " + t.LSN.String()
	}
}

// Restored is a volume that was made to bring back a state, and what is left to do.
type Restored struct {
	Base     store.RestorePoint // the restore point that the volume is a copy of
	Recovery engine.Recovery    // how to start a node on it
	Segments int                // how many segments of WAL the recovery may read
	From, To wal.LSN            // which of the WAL it replays, for Verify
	grown    extents            // how far that reaches in its files; not complete after a Restore that failed
}

// FromSegment is the first segment that the recovery may read.
func (r Restored) FromSegment() wal.Segment { return wal.SegmentOf(uint32(r.Base.Timeline), r.From) }

// Restore makes volume, which must not exist, a copy of the source as it was at or before the target, with the WAL that leads there
// beside it. It takes the same time whatever the size of the data. ErrOutside, ErrNoCommit and ErrBroken say that it cannot be done; on error a
// volume may be left.
func (h *History) Restore(ctx context.Context, src Source, t Target, volume string) (Restored, error) {
	defer h.lock(src.HistoryID)()
	t.At = t.At.Truncate(time.Microsecond)
	r, err := h.restore(ctx, src, t, volume)
	if err != nil {
		return Restored{}, fmt.Errorf("restore cluster %s %s: %w", src.ClusterID, t, err)
	}
	return r, nil
}

func (h *History) restore(ctx context.Context, src Source, t Target, volume string) (r Restored, err error) {
	points, err := h.cfg.Records.RestorePoints(ctx, src.ClusterID)
	if err != nil {
		return Restored{}, err
	}
	if r.Base, err = baseFor(points, t); err != nil {
		return Restored{}, err
	}
	r.From, r.grown = wal.LSN(r.Base.MarkerLSN), extents{}
	if t.LSN != 0 {
		err = h.aimAtCommit(ctx, src, t, &r)
	} else {
		err = h.aimAtMoment(ctx, src, t.At, &r)
	}
	if err != nil {
		return Restored{}, err
	}
	if err := h.cfg.Pool.Clone(ctx, r.Base.Volume, volume); err != nil {
		return Restored{}, err
	}
	if err := engine.Lengthen(h.cfg.Pool.VolumePath(volume), r.grown); err != nil {
		return Restored{}, err
	}
	r.Segments, err = h.fill(src, r, engine.RestoreDir(h.cfg.Pool.VolumePath(volume)))
	return r, err
}

// aimAtCommit ends the recovery right before or after a commit.
func (h *History) aimAtCommit(ctx context.Context, src Source, t Target, r *Restored) error {
	c, err := h.commit(ctx, src, uint32(r.Base.Timeline), t.LSN)
	if err != nil {
		return err
	}
	_, err = h.eachCommit(ctx, src, walk{
		timeline: uint32(r.Base.Timeline), from: r.From, grown: r.grown,
		visit: func(next Commit) bool { return next.Start < c.Start },
	})
	if err != nil {
		return err
	}
	if r.To = c.End; t.After {
		r.Recovery = engine.Recovery{End: c.End.Aligned(), Last: c.Start}
	} else if r.Recovery, err = h.before(src, r.Base, c); err != nil {
		return err
	}
	return nil
}

// aimAtMoment ends the recovery right before the first commit that is stamped later. If there is none yet, one is made; if the node is
// down so that none can be, the moment is the end of the log.
func (h *History) aimAtMoment(ctx context.Context, src Source, at time.Time, r *Restored) error {
	c, ok, end, err := h.firstAfter(ctx, src, r.Base, at, r.grown)
	if err == nil && !ok {
		if src.Connect == nil {
			r.Recovery.End, r.To = end.at, end.at
			return h.checkEnd(src, r.Base, end)
		}
		if err := h.markLive(ctx, src, r.Base); err != nil {
			return err
		}
		c, ok, end, err = h.firstAfter(ctx, src, r.Base, at, r.grown)
	}
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("%w: %w", end.reason, ErrBroken)
	}
	r.To = c.End
	r.Recovery, err = h.before(src, r.Base, c)
	return err
}

// before ends a recovery right before a commit.
func (h *History) before(src Source, base store.RestorePoint, c Commit) (engine.Recovery, error) {
	r := wal.NewReader(h.openAnywhere(src), uint32(base.Timeline), c.Start)
	rec, err := r.Next()
	if err = errors.Join(err, r.Close()); err != nil {
		return engine.Recovery{}, fmt.Errorf("read transaction %s of cluster %s: %w", c.Start, src.ClusterID, brokenAtEnd(err))
	}
	return engine.Recovery{End: c.Start, Last: rec.Previous}, nil
}

// brokenAtEnd makes ErrBroken of a log's end where it should go on.
func brokenAtEnd(err error) error {
	if errors.Is(err, wal.ErrEnd) {
		return fmt.Errorf("%w: %w", err, ErrBroken)
	}
	return err
}

// markLive makes a commit that is stamped later than any moment before the call.
func (h *History) markLive(ctx context.Context, src Source, base store.RestorePoint) error {
	conn, release, err := src.Connect(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := mark(ctx, conn); err != nil {
		return err
	}
	now, err := readPosition(ctx, conn)
	if err != nil {
		return err
	}
	if now.timeline != base.Timeline {
		return fmt.Errorf("timeline %d follows timeline %d: %w", now.timeline, base.Timeline, ErrBroken)
	}
	return nil
}

// checkEnd refuses a log's end that is a gap: when a later segment has something in it.
func (h *History) checkEnd(src Source, base store.RestorePoint, end logEnd) error {
	newest, err := h.newestSegment(src, uint32(base.Timeline))
	if err != nil {
		return err
	}
	for s := (wal.Segment{Timeline: uint32(base.Timeline), Number: uint64(end.at)/wal.SegmentSize + 1}); s.Number <= newest; s.Number++ {
		r := wal.NewReader(h.openAnywhere(src), s.Timeline, s.Begin())
		_, err := r.Next()
		if err = errors.Join(r.Close(), ignoreEnd(err)); err != nil {
			return err
		}
		if r.Position() > s.Begin() {
			return fmt.Errorf("the log goes on at %s, but %w: %w", s.Begin(), end.reason, ErrBroken)
		}
	}
	return nil
}

func ignoreEnd(err error) error {
	if errors.Is(err, wal.ErrEnd) {
		return nil
	}
	return err
}

// fill gives the recovery its segments, in order: a live segment is copied after all that come before it, so that what is there is
// a prefix of the source's WAL.
func (h *History) fill(src Source, r Restored, dir string) (int, error) {
	if err := os.RemoveAll(dir); err != nil { // what a restore point of an earlier release has there
		return 0, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	if err := os.Chown(dir, engine.UserID, engine.UserID); err != nil {
		return 0, err
	}
	count := 0
	last := wal.SegmentOf(uint32(r.Base.Timeline), max(r.To, r.From+1)-1)
	for s := r.FromSegment(); s.Number <= last.Number; s.Number++ {
		if err := h.copySegment(src, s, dir); err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}

// copySegment looks for a segment where it can be.
func (h *History) copySegment(src Source, s wal.Segment, dir string) error {
	dst := filepath.Join(dir, s.Name())
	for _, place := range h.places(src) {
		err := reflink(filepath.Join(place, s.Name()), dst)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("copy WAL segment %s: %w", s.Name(), err)
		}
		return os.Chown(dst, engine.UserID, engine.UserID)
	}
	return fmt.Errorf("WAL segment %s is missing: %w", s.Name(), ErrBroken)
}

// Verify says why a recovery failed, if its WAL is the reason: ErrBroken. It reads all of that WAL.
func (h *History) Verify(ctx context.Context, src Source, r Restored) error {
	defer h.lock(src.HistoryID)()
	s := r.FromSegment()
	reader := wal.NewReader(h.openAnywhere(src), s.Timeline, s.Begin())
	defer func() { _ = reader.Close() }()
	for reader.Position() < r.To {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := reader.Next()
		if errors.Is(err, wal.ErrEnd) {
			return fmt.Errorf("history of cluster %s: %w: %w", src.ClusterID, err, ErrBroken)
		}
		if err != nil {
			return fmt.Errorf("verify history of cluster %s: %w", src.ClusterID, err)
		}
	}
	return nil
}
