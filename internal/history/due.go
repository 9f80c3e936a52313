package history

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"tine/internal/store"
	"tine/internal/wal"
)

// quiet is how much WAL a node may write between two restore points by itself: checkpoints, markers and running
// transactions, but not the first change of any page.
const quiet = 2 << 10

// settled is how long a node must not have written for its writing to count as over.
const settled = 3 * time.Second

// mostAhead is the share of the budget that a restore point may come early by: with a half instead of a quarter, restore points cost writers at full speed 6 to 8 per cent, and not less than they
// gain by them. A node that writes so fast that they would have to come earlier still has moments that replay more than the budget.
const mostAhead = 0.25

// Due says whether the next restore point should be taken: when the WAL since the last one will reach the budget before the next is complete, if that takes as long as the last one did and the node goes on writing
// as fast as it does; when the node has stopped writing and a segment or more would have to be replayed; when the interval is over and anything was written; or when the last one is in the future, because the clock was ahead. If none is due, again is
// when one would be at that speed; 0 if the node does not write. It costs a look at the node's WAL directory, and a question to the node once an interval.
func (h *History) Due(ctx context.Context, src Source) (due bool, again time.Duration, err error) {
	last, ok, err := h.newest(ctx, src)
	if err != nil || !ok {
		return err == nil, 0, err
	}
	now := h.cfg.Now()
	const slack = 5 * time.Second
	if last.CompletedAt.After(now.Add(slack)) {
		return true, 0, nil // the clock was ahead, and nothing can be told from a time that has not come yet
	}
	position, written, err := h.written(src, last)
	if err != nil {
		return false, 0, err
	}
	speed := h.speed(src, last, look{position, now})
	budget := float64(h.cfg.Budget)
	left := budget - float64(position) + float64(last.RedoLSN)
	left -= min(max(speed*last.CompletedAt.Sub(last.StartedAt).Seconds(), 0), mostAhead*budget) // a clock may have been set back meanwhile
	if left <= 0 {
		return true, 0, nil
	}
	if speed > 0 {
		again = time.Duration(left / speed * float64(time.Second))
	}
	if uint64(position)/wal.SegmentSize > last.RedoLSN/wal.SegmentSize && now.Sub(written) >= settled {
		return true, 0, nil
	}
	if now.Sub(h.idleSince(src, last)) < h.cfg.Interval {
		return false, again, nil
	}
	due, err = h.wroteSince(ctx, src, last)
	return due, again, err
}

// look is where a node's WAL ended at a moment.
type look struct {
	position wal.LSN
	at       time.Time
}

// speed is how many bytes of WAL a second a node writes: since its last restore point or since the last look, whichever is more, so that one that has just begun to write is noticed.
func (h *History) speed(src Source, last store.RestorePoint, now look) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, ok := h.mu.looked[src.HistoryID]
	if !ok {
		before = look{wal.LSN(last.EndLSN), last.CompletedAt}
	}
	h.mu.looked[src.HistoryID] = now
	return max(since(before, now), since(look{wal.LSN(last.EndLSN), last.CompletedAt}, now))
}

// since is the speed between two looks. Between two that are close together, or out of order because a clock was set, it is not known.
func since(before, now look) float64 {
	const least = 20 * time.Millisecond
	passed := now.at.Sub(before.at)
	if passed < least || now.position <= before.position {
		return 0
	}
	return float64(now.position-before.position) / passed.Seconds()
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
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.idle[src.HistoryID] = h.cfg.Now()
	return false, nil
}

// idleSince is the latest moment up to which nothing that is not in a restore point is known to have been written.
func (h *History) idleSince(src Source, last store.RestorePoint) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return later(last.StartedAt, h.mu.idle[src.HistoryID])
}

// written is about how far a node's WAL goes, and when it was written to since a restore point. Without anything it is the restore point's own. Segments are made
// without being written, so what is allocated to the newest one was.
func (h *History) written(src Source, last store.RestorePoint) (position wal.LSN, at time.Time, err error) {
	number := last.RedoLSN / wal.SegmentSize
	position, at = wal.LSN(last.RedoLSN), last.CompletedAt
	err = h.eachSegment(src, func(s wal.Segment, e os.DirEntry) error {
		if s.Timeline != uint32(last.Timeline) || s.Number < number {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil // PostgreSQL has just deleted it
		}
		if err != nil {
			return err
		}
		// PostgreSQL makes the next segment before it needs it.
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && info.ModTime().After(last.CompletedAt) {
			const block = 512
			position = max(position, s.Begin()+wal.LSN(min(stat.Blocks*block, wal.SegmentSize)))
			if s.Number > number {
				at = later(at, info.ModTime())
			}
		}
		return nil
	})
	return position, at, err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
