package history

import (
	"context"
	"fmt"
	"time"
)

// Shorten deletes a history's oldest restore points, at most so many and never the newest, and the WAL before the first that is left. It returns
// how many, and when the history begins now. It is for a pool that is nearly full; it can be interrupted anywhere and repeated.
func (h *History) Shorten(ctx context.Context, src Source, most int) (deleted int, begin time.Time, err error) {
	defer h.lock(src.HistoryID)()
	points, err := h.cfg.Records.RestorePoints(ctx, src.ClusterID)
	if err != nil {
		return 0, time.Time{}, err
	}
	most = min(most, len(points)-1)
	if most <= 0 {
		return 0, time.Time{}, nil
	}
	if err := h.drop(ctx, src, points[:most]); err != nil {
		return 0, time.Time{}, err
	}
	if err := h.pruneWAL(src.HistoryID, neededFrom(points[most:])); err != nil {
		return 0, time.Time{}, fmt.Errorf("shorten history of cluster %s: %w", src.ClusterID, err)
	}
	return most, points[most].CompletedAt, nil
}
