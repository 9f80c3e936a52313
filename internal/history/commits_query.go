package history

import (
	"context"
	"fmt"
	"time"

	"tine/internal/store"
	"tine/internal/wal"
)

// Around returns the commits around a moment, in the order of the log: up to count that are stamped at or before it, and up to count after the
// first that is stamped later, that one included. With marked set only those that changed the schema. It reads the indexes
// from at most some restore points before the moment on, and what is not archived of the log.
func (h *History) Around(ctx context.Context, src Source, at time.Time, count int, marked bool) ([]Commit, error) {
	defer h.lock(src.HistoryID)()
	points, err := h.cfg.Records.RestorePoints(ctx, src.ClusterID)
	if err != nil {
		return nil, err
	}
	list, err := h.around(ctx, src, points, at, count, marked)
	if err != nil {
		return nil, fmt.Errorf("list transactions of cluster %s: %w", src.ClusterID, err)
	}
	return list, nil
}

func (h *History) around(ctx context.Context, src Source, points []store.RestorePoint, at time.Time, count int, marked bool) ([]Commit, error) {
	base, err := baseFor(points, Target{At: at})
	if err != nil {
		return nil, err
	}
	// Further and further back, until there are enough, or there is no more.
	for back := 1; ; back *= 4 {
		begin := max(0, place(points, base)-back)
		from := wal.LSN(base.EndLSN)
		if points[begin].Timeline == base.Timeline {
			from = min(from, wal.LSN(points[begin].EndLSN)) // a clock that was set leaves them in another order than the log
		}
		before, after, err := h.split(ctx, src, uint32(base.Timeline), from, at, count, marked)
		if err != nil {
			return nil, err
		}
		if len(before) >= count || begin == 0 || back > mostBack {
			return append(before, after...), nil
		}
	}
}

// Commit returns the transaction whose commit record begins at lsn; ErrNoCommit if there is none, ErrOutside if the history begins later.
func (h *History) Commit(ctx context.Context, src Source, lsn wal.LSN) (Commit, error) {
	defer h.lock(src.HistoryID)()
	points, err := h.cfg.Records.RestorePoints(ctx, src.ClusterID)
	if err != nil {
		return Commit{}, err
	}
	base, err := baseFor(points, Target{LSN: lsn})
	if err != nil {
		return Commit{}, fmt.Errorf("find transaction %s of cluster %s: %w", lsn, src.ClusterID, err)
	}
	c, err := h.commit(ctx, src, uint32(base.Timeline), lsn)
	if err != nil {
		return Commit{}, fmt.Errorf("find transaction %s of cluster %s: %w", lsn, src.ClusterID, err)
	}
	return c, nil
}

// commit is Commit for a transaction on a timeline.
func (h *History) commit(ctx context.Context, src Source, timeline uint32, lsn wal.LSN) (c Commit, err error) {
	_, err = h.eachCommit(ctx, src, walk{timeline: timeline, from: lsn, visit: func(next Commit) bool {
		c = next
		return false
	}})
	if err == nil && c.Start != lsn {
		err = ErrNoCommit
	}
	return c, err
}

// mostBack bounds how many restore points Around goes back for more commits.
const mostBack = 256

func place(points []store.RestorePoint, p store.RestorePoint) int {
	for i := range points {
		if points[i].ID == p.ID {
			return i
		}
	}
	return 0
}

// split reads the commits from a position on: the last count of those before the first that is stamped after at, and the first count from
// that one on.
func (h *History) split(ctx context.Context, src Source, timeline uint32, from wal.LSN, at time.Time, count int, marked bool) (before, after []Commit, err error) {
	later := false
	_, err = h.eachCommit(ctx, src, walk{timeline: timeline, from: from, visit: func(c Commit) bool {
		later = later || h.isLater(c, at)
		switch {
		case marked && len(c.Marks) == 0:
		case later:
			after = append(after, c)
		default:
			if len(before) >= 2*count { // now and then, not each time
				before = append(before[:0], before[len(before)-count:]...)
			}
			before = append(before, c)
		}
		return len(after) < count
	}})
	return before[max(0, len(before)-count):], after, err
}
