package history

import (
	"errors"
	"fmt"
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
		if t.LSN != 0 && wal.LSN(p.EndLSN) > t.LSN || t.LSN == 0 && p.CompletedAt.After(t.At) {
			break
		}
		base = p
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
// newest of those at or before it.
func expired(points []store.RestorePoint, begin time.Time) []store.RestorePoint {
	last := -1
	for i, p := range points {
		if p.CompletedAt.After(begin) {
			break
		}
		last = i
	}
	if last <= 0 {
		return nil
	}
	return points[:last]
}
