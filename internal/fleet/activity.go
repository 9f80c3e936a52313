package fleet

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tine/internal/store"
)

// Activity returns how many bytes of write-ahead log a cluster wrote in each of that many equal intervals of a window. The log's position is known
// at restore points, at the end of each minute (of each ten minutes, if that is more than a day ago) and now; in between it is taken to have
// grown evenly. Its cost grows with the samples and restore points of the window, and not with what was written.
func (f *Fleet) Activity(ctx context.Context, c store.Cluster, w Window, intervals int) ([]int64, error) {
	length := w.To.Sub(w.From)
	if length <= 0 || intervals <= 0 {
		return make([]int64, max(intervals, 0)), nil
	}
	points, err := f.cfg.Store.RestorePoints(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	var known []anchor
	for _, p := range points {
		known = append(known, anchor{p.StartedAt, p.MarkerLSN}, anchor{p.CompletedAt, p.EndLSN})
	}
	// A little more than the window, so that the first interval begins somewhere.
	const before = 20 * time.Minute
	samples, err := f.cfg.Store.Samples(ctx, c.ID, w.From.Add(-before), w.To.Add(before), max(length/time.Duration(intervals), time.Second))
	if err != nil {
		return nil, err
	}
	for _, s := range samples {
		known = append(known, anchor{s.At, s.LSN})
	}
	now := f.cfg.Clock()
	if c.IsServed() && w.To.After(now.Add(-before)) {
		if h := f.head(ctx, c, now); h.known {
			known = append(known, anchor{h.at, h.end})
		}
	}
	return spread(known, w, intervals), nil
}

// spread shares what was written between each two known positions out to the intervals that lie between them.
func spread(known []anchor, w Window, intervals int) []int64 {
	known = slices.DeleteFunc(known, func(a anchor) bool { return a.lsn == 0 })
	slices.SortFunc(known, func(a, b anchor) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.lsn, b.lsn)) })
	interval := float64(w.To.Sub(w.From)) / float64(intervals)
	written := make([]float64, intervals)
	for i := 1; i < len(known); i++ {
		from, to := known[i-1], known[i]
		// A sample is a moment older than it says; the log never shrinks.
		known[i].lsn = max(from.lsn, to.lsn)
		bytes := float64(between(from.lsn, to.lsn))
		begin, end := float64(from.at.Sub(w.From))/interval, float64(to.at.Sub(w.From))/interval
		if bytes == 0 || end < 0 || begin > float64(intervals) {
			continue
		}
		share(written, begin, end, bytes)
	}
	rounded := make([]int64, intervals)
	for i, bytes := range written {
		rounded[i] = int64(bytes)
	}
	return rounded
}

// share adds bytes that were written between two places, in intervals from the window's beginning.
func share(written []float64, begin, end, bytes float64) {
	if end <= begin {
		if i := int(begin); begin >= 0 && i < len(written) {
			written[i] += bytes
		}
		return
	}
	for i := int(max(begin, 0)); i < len(written) && float64(i) < end; i++ {
		overlap := min(end, float64(i+1)) - max(begin, float64(i))
		written[i] += bytes * overlap / (end - begin)
	}
}
