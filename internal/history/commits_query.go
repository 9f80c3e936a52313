package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
		from := wal.LSN(points[begin].EndLSN)
		if points[begin].Timeline != base.Timeline {
			from = wal.LSN(base.EndLSN)
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
	_, err = h.eachCommit(ctx, src, timeline, lsn, func(next Commit) bool {
		c = next
		return false
	})
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
	_, err = h.eachCommit(ctx, src, timeline, from, func(c Commit) bool {
		later = later || c.At.After(at)
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
	})
	return before[max(0, len(before)-count):], after, err
}

// Span is what one archived segment of the log tells of the time in which it was written.
type Span struct {
	Segment     wal.Segment
	First, Last time.Time // stamps of its first and last commit; zero if it has none
	Commits     int
	Marks       []MarkedCommit
}

// MarkedCommit is a commit that changed the schema.
type MarkedCommit struct {
	Start wal.LSN
	At    time.Time
	Marks []string
}

// Spans returns the archived segments with commits in a range of time, oldest first. It reads the head of each index
// of the history: 16 MiB of log are one.
func (h *History) Spans(ctx context.Context, src Source, from, to time.Time) ([]Span, error) {
	entries, err := os.ReadDir(h.commitsDir(src.HistoryID)) // in the order of their names
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list indexes of cluster %s: %w", src.ClusterID, err)
	}
	var spans []Span
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s, ok := wal.ParseSegment(e.Name())
		if !ok {
			continue
		}
		span, ok, err := h.span(src, s, from, to)
		if err != nil {
			return nil, fmt.Errorf("list indexes of cluster %s: %w", src.ClusterID, err)
		}
		if ok {
			spans = append(spans, span)
		}
	}
	return spans, nil
}

// span reads one index; ok is false if it is not whole, or has nothing in the range.
func (h *History) span(src Source, s wal.Segment, from, to time.Time) (span Span, ok bool, err error) {
	path := filepath.Join(h.commitsDir(src.HistoryID), s.Name())
	b, err := head(path)
	if err != nil {
		return Span{}, false, err
	}
	sum, _, ok := decodeSummary(b)
	if !ok || sum.Commits == 0 || sum.Last.Before(from) || sum.First.After(to) {
		return Span{}, false, nil
	}
	span = Span{Segment: s, First: sum.First, Last: sum.Last, Commits: sum.Commits}
	if len(sum.Marks) == 0 {
		return span, true, nil
	}
	i, err := h.index(src, s, nil)
	if err != nil {
		return Span{}, false, err
	}
	for _, c := range i.commits {
		if len(c.Marks) > 0 && !c.At.Before(from) && !c.At.After(to) {
			span.Marks = append(span.Marks, MarkedCommit{Start: c.Start, At: c.At, Marks: c.Marks})
		}
	}
	return span, true, nil
}

// head reads the first bytes of an index: its summary, unless that has very many marks. A file that has just been pruned has none.
func head(path string) ([]byte, error) {
	const enough = 64 << 10
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, enough))
}
