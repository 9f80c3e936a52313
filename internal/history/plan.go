package history

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tine/internal/store"
	"tine/internal/wal"
)

// ErrOutside says that a moment is not in a cluster's history.
var ErrOutside = errors.New("the moment is not in the cluster's history")

// ErrNoCommit says that no transaction has the name that was given.
var ErrNoCommit = errors.New("there is no such transaction in the cluster's history")

// ErrBroken says that WAL which a moment needs is missing.
var ErrBroken = errors.New("the history is broken")

// baseFor is the restore point that a target is reached from: the newest whose own WAL ends before it. The points are in the order of
// their completion. It is the one place that knows which restore point is right.
func baseFor(points []store.RestorePoint, t Target) (base store.RestorePoint, err error) {
	if len(points) == 0 {
		return base, fmt.Errorf("there is no restore point yet: %w", ErrOutside)
	}
	for _, p := range points {
		switch {
		case t.LSN == 0 && !p.CompletedAt.After(t.At):
			base = p
		case t.LSN != 0 && wal.LSN(p.EndLSN) <= t.LSN && p.EndLSN >= base.EndLSN: // a clock that was set leaves them in another order than the log
			base = p
		}
	}
	switch {
	case base.Volume != "":
		return base, nil
	case t.LSN != 0:
		return base, fmt.Errorf("it begins at %s: %w", wal.LSN(points[0].EndLSN), ErrOutside)
	default:
		return base, fmt.Errorf("it begins at %s: %w", points[0].CompletedAt.UTC().Format(time.RFC3339Nano), ErrOutside)
	}
}

// expired are the restore points that no moment at or after the window's begin needs, oldest first: all but the
// newest of those at or before it. One in the future was taken while the clock was ahead; it goes when there is one behind it in the log that is not: no moment leads to it, and it must not pass for the newest.
func expired(points []store.RestorePoint, begin, now time.Time) (old, rest []store.RestorePoint) {
	last := 0
	for i, p := range points {
		if p.CompletedAt.After(begin) {
			break
		}
		last = i
	}
	old = slices.Clone(points[:last])
	reached := uint64(0) // in the log, by those that are not in the future
	for _, p := range points {
		if !p.CompletedAt.After(now) {
			reached = max(reached, p.EndLSN)
		}
	}
	for _, p := range points[last:] {
		if p.CompletedAt.After(now) && p.EndLSN < reached {
			old = append(old, p)
		} else {
			rest = append(rest, p)
		}
	}
	return old, rest
}

// neededFrom is the first segment that is needed to get to a moment from one of the restore points, of which there is at least one. In the order of time the first need not be the
// first of the log: a clock may have been set.
func neededFrom(points []store.RestorePoint) wal.Segment {
	first := points[0]
	for _, p := range points {
		if p.Timeline < first.Timeline || p.Timeline == first.Timeline && p.MarkerLSN < first.MarkerLSN {
			first = p
		}
	}
	return wal.SegmentOf(uint32(first.Timeline), wal.LSN(first.MarkerLSN))
}
