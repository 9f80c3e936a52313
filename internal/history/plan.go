package history

import (
	"errors"
	"fmt"
	"time"

	"tine/internal/store"
)

// ErrOutside says that a moment is not in a cluster's history.
var ErrOutside = errors.New("the moment is not in the cluster's history")

// ErrBroken says that WAL which a moment needs is missing.
var ErrBroken = errors.New("the history is broken")

// plan is what it takes to get to a moment.
type plan struct {
	base store.RestorePoint
	from segment
	// to is the last segment needed. With live set it is not known yet: the commit that ends the recovery is still to be written.
	to   segment
	live bool
}

// planFor decides, from a cluster's restore points in the order of their completion, how to get to at. It is the one
// place that knows which restore point is right.
func planFor(points []store.RestorePoint, at time.Time) (plan, error) {
	base, ok := baseFor(points, at)
	if !ok {
		if len(points) == 0 {
			return plan{}, fmt.Errorf("there is no restore point yet: %w", ErrOutside)
		}
		return plan{}, fmt.Errorf("it begins at %s: %w", points[0].CompletedAt.UTC().Format(time.RFC3339Nano), ErrOutside)
	}
	p := plan{base: base, from: segmentOf(base.Timeline, base.MarkerLSN), live: true}
	for _, next := range points {
		if next.StartedAt.After(at) && next.Timeline == base.Timeline {
			p.live = false
			p.to = segmentOf(next.Timeline, next.MarkerLSN)
			break
		}
	}
	return p, nil
}

// baseFor is the newest restore point whose own WAL ends at or before at.
func baseFor(points []store.RestorePoint, at time.Time) (base store.RestorePoint, ok bool) {
	for _, p := range points {
		if p.CompletedAt.After(at) {
			break
		}
		base, ok = p, true
	}
	return base, ok
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
