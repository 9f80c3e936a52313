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
// newest of those at or before it, and some that are in the future; the rest follows.
func expired(points []store.RestorePoint, begin, now time.Time) (old, rest []store.RestorePoint) {
	last := 0
	for i, p := range points {
		if p.CompletedAt.After(begin) {
			break
		}
		last = i
	}
	old = slices.Clone(points[:last])
	for _, p := range points[last:] {
		if outlives(points[last:], p, begin, now) {
			rest = append(rest, p)
		} else {
			old = append(old, p)
		}
	}
	return old, rest
}

// outlives says whether a restore point stays. One in the future was taken while the clock was ahead, or the clock is behind now, and nobody knows which. It goes, and does not pass for the newest, if it lies in
// the log between two that are not, from the first of which all that it leads to can be reached; or behind a whole window of such that came later.
func outlives(points []store.RestorePoint, p store.RestorePoint, begin, now time.Time) bool {
	if !p.CompletedAt.After(now) {
		return true
	}
	var before, behind bool
	for _, other := range points {
		if other.Timeline == p.Timeline && !other.CompletedAt.After(now) {
			before = before || other.EndLSN < p.EndLSN
			behind = behind || other.EndLSN > p.EndLSN
		}
	}
	wholeWindow := !points[0].CompletedAt.After(begin) && points[0].EndLSN > p.EndLSN
	return (!before || !behind) && !wholeWindow
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
