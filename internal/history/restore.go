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
)

// Restored is a volume that was made to bring back a moment, and what is left to do.
type Restored struct {
	Base     store.RestorePoint // the restore point that the volume is a copy of
	Recovery engine.Recovery    // how to start a node on it
	// Uncertain says that the source is down, so that no commit after the moment could be made. If the node exits without having
	// reached its target, there is none: the end of the WAL is the moment. Open it then with Recovery.Until
	// zero on a volume made anew, and refuse the result if its last commit is later than the moment.
	Uncertain bool
	Segments  int // how many segments of WAL the recovery may read
}

// Restore makes volume, which must not exist, a copy of the source as it was at or before the moment at, with the WAL that leads to the
// moment beside it. It takes the same time whatever the size of the data. ErrOutside and ErrBroken say that it cannot be done; on error a volume
// may be left.
func (h *History) Restore(ctx context.Context, src Source, at time.Time, volume string) (Restored, error) {
	defer h.lock(src.HistoryID)()
	at = at.Truncate(time.Microsecond)
	r, err := h.restore(ctx, src, at, volume)
	if err != nil {
		return Restored{}, fmt.Errorf("restore cluster %s at %s: %w", src.ClusterID, at.UTC().Format(time.RFC3339Nano), err)
	}
	return r, nil
}

func (h *History) restore(ctx context.Context, src Source, at time.Time, volume string) (Restored, error) {
	points, err := h.cfg.Records.RestorePoints(ctx, src.ClusterID)
	if err != nil {
		return Restored{}, err
	}
	p, err := planFor(points, at)
	if err != nil {
		return Restored{}, err
	}
	r := Restored{Base: p.base, Recovery: engine.Recovery{Archive: true, Until: at}}
	if p.live {
		if r.Uncertain, err = h.endLive(ctx, src, &p); err != nil {
			return Restored{}, err
		}
	}
	if err := h.cfg.Pool.Clone(ctx, p.base.Volume, volume); err != nil {
		return Restored{}, err
	}
	r.Segments, err = h.fill(src, p, engine.RestoreDir(h.cfg.Pool.VolumePath(volume)))
	return r, err
}

// endLive settles where the WAL ends that leads to a moment since the last restore point: at a marker made now, or, with the
// source down, wherever its WAL ends.
func (h *History) endLive(ctx context.Context, src Source, p *plan) (uncertain bool, err error) {
	if src.Connect == nil {
		last, err := h.newestSegment(src, p.from.timeline)
		if err != nil {
			return false, err
		}
		p.to = segment{timeline: p.from.timeline, number: max(last, p.from.number)}
		return true, nil
	}
	conn, release, err := src.Connect(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	if err := mark(ctx, conn); err != nil {
		return false, err
	}
	now, err := readPosition(ctx, conn)
	if err != nil {
		return false, err
	}
	if uint32(now.timeline) != p.from.timeline {
		return false, fmt.Errorf("timeline %d follows timeline %d: %w", now.timeline, p.from.timeline, ErrBroken)
	}
	p.to = segmentOf(now.timeline, now.end)
	return false, nil
}

// fill gives the recovery its segments, in order: a live segment is copied after all that come before it, so that what is there is
// a prefix of the source's WAL.
func (h *History) fill(src Source, p plan, dir string) (int, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	if err := os.Chown(dir, engine.UserID, engine.UserID); err != nil {
		return 0, err
	}
	count := 0
	for s := p.from; s.number <= p.to.number; s.number++ {
		if err := h.copySegment(src, s, dir); err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}

// copySegment looks for a segment where it can be: in the archive, in the volume on its way there, or still in use. A
// segment leaves each place only after it is in the one before, so a second round finds what moved during the first.
func (h *History) copySegment(src Source, s segment, dir string) error {
	volume := h.volumePath(src)
	places := []string{h.walDir(src.HistoryID), engine.ArchiveDir(volume), engine.WALDir(volume), engine.ArchiveDir(volume)}
	dst := filepath.Join(dir, s.name())
	for _, place := range places {
		err := reflink(filepath.Join(place, s.name()), dst)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("copy WAL segment %s: %w", s.name(), err)
		}
		return os.Chown(dst, engine.UserID, engine.UserID)
	}
	return fmt.Errorf("WAL segment %s is missing: %w", s.name(), ErrBroken)
}
