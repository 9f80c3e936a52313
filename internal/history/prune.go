package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tine/internal/store"
	"tine/internal/wal"
)

// mostPruned bounds how many restore points one Prune deletes: the file system frees their blocks in the background, and must keep up.
const mostPruned = 32

// Prune deletes restore points and WAL: those that no moment of the window needs, and of the others so many that the WAL between each and
// the one after the next is just within the budget for its age. more says that it left some for the next call. It can be interrupted
// anywhere and repeated.
func (h *History) Prune(ctx context.Context, src Source) (more bool, err error) {
	defer h.lock(src.HistoryID)()
	if err := h.settle(ctx, src); err != nil {
		return false, fmt.Errorf("prune history of cluster %s: %w", src.ClusterID, err)
	}
	points, err := h.cfg.Records.RestorePoints(ctx, src.ClusterID)
	if err != nil {
		return false, err
	}
	now := h.patientNow()
	old, rest := expired(points, now.Add(-h.cfg.Window), now)
	drop := slices.Concat(old, thinned(rest, now, h.budgetFor))
	more = len(drop) > mostPruned
	if err := h.drop(ctx, src, drop[:min(len(drop), mostPruned)]); err != nil {
		return false, err
	}
	if more || len(rest) == 0 {
		return more, nil
	}
	return false, h.pruneWAL(src.HistoryID, neededFrom(rest))
}

// drop deletes restore points.
func (h *History) drop(ctx context.Context, src Source, points []store.RestorePoint) error {
	for _, p := range points {
		// The record first: a restore point that is recorded must exist.
		if err := h.cfg.Records.DeleteRestorePoint(ctx, p.ID); err != nil {
			return err
		}
		if err := h.cfg.Pool.Delete(ctx, p.Volume); err != nil {
			return fmt.Errorf("prune history of cluster %s: %w", src.ClusterID, err)
		}
	}
	return nil
}

// believedAfter is how long a clock that was set forward must go on as it is before anything is deleted by what it shows. It may well be right: it was behind when the machine was started, or
// the machine slept.
const believedAfter = 24 * time.Hour

// patientNow is the present as far as deleting goes. A clock that is set forward makes everything seem old; what would be deleted then is gone when it
// is set back. So time goes no faster here than it really does, as long as the process lives or until the clock is believed.
func (h *History) patientNow() time.Time {
	const slack = time.Minute                             // what keeping time may take
	now, elapsed := h.cfg.Now().Round(0), h.cfg.Elapsed() // without its monotonic reading, which knows nothing of a clock that was set
	h.mu.Lock()
	defer h.mu.Unlock()
	truly := h.mu.began.Add(elapsed)
	ahead := now.Sub(truly)
	if ahead <= slack {
		if h.mu.ahead = 0; ahead < -slack { // set back: from here on it has to be believed again
			h.mu.began = now.Add(-elapsed)
		}
		return now
	}
	if (ahead - h.mu.ahead).Abs() > slack {
		h.mu.ahead, h.mu.aheadSince = ahead, elapsed
	}
	if elapsed-h.mu.aheadSince < believedAfter {
		return truly
	}
	h.mu.began, h.mu.ahead = now.Add(-elapsed), 0
	return now
}

// Replay budgets by age: the WAL between two restore points may be that many times Config.Budget. What is young is asked for most. With the default of 64 MiB an old moment replays at most
// 256 MiB, a second or so; 16 times for those older than a day was 6 s for the slowest twentieth.
const (
	youngAge, youngBudget = time.Hour, 1
	oldBudget             = 4
)

// budgetFor is how much WAL may have to be replayed to get to a moment of that age. Beyond it comes what a restore point is late by: see Due.
func (h *History) budgetFor(age time.Duration) int64 {
	if age < youngAge {
		return youngBudget * h.cfg.Budget
	}
	return oldBudget * h.cfg.Budget
}

// thinned are the restore points between the first and the last without which the WAL from the one before to the one after is still
// within the budget for the age of the latter. Of what is left, any two neighbouring gaps together are over their budget: so
// their number is at most twice the WAL divided by the budget, plus two for each age.
func thinned(points []store.RestorePoint, now time.Time, budget func(age time.Duration) int64) (drop []store.RestorePoint) {
	if len(points) == 0 {
		return nil
	}
	before := points[0]
	for i := 1; i < len(points)-1; i++ {
		p, after := points[i], points[i+1]
		oneLine := before.Timeline == p.Timeline && p.Timeline == after.Timeline &&
			before.EndLSN <= p.EndLSN && p.EndLSN <= after.EndLSN // or a clock was set between them
		if replay := int64(after.EndLSN - before.RedoLSN); oneLine && replay <= budget(now.Sub(after.CompletedAt)) {
			drop = append(drop, p)
			continue
		}
		before = p
	}
	return drop
}

// pruneWAL deletes the segments before the first one that is needed, and their indexes.
func (h *History) pruneWAL(historyID string, needed wal.Segment) error {
	for _, dir := range []string{h.walDir(historyID), h.commitsDir(historyID)} {
		if err := pruneSegments(dir, needed); err != nil {
			return fmt.Errorf("prune WAL of history %s: %w", historyID, err)
		}
	}
	return nil
}

// pruneSegments deletes the files in a directory that are named after segments before needed.
func pruneSegments(dir string, needed wal.Segment) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		s, ok := wal.ParseSegment(e.Name())
		if !ok || s.Timeline > needed.Timeline || s.Timeline == needed.Timeline && s.Number >= needed.Number {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
