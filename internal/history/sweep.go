package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Forget deletes the whole history of a cluster, records and files. It can be interrupted anywhere and repeated.
func (h *History) Forget(ctx context.Context, src Source) error {
	defer h.lock(src.HistoryID)()
	h.forget(src.HistoryID)
	points, err := h.cfg.Records.RestorePoints(ctx, src.ClusterID)
	if err != nil {
		return err
	}
	for _, p := range points {
		if err := h.cfg.Records.DeleteRestorePoint(ctx, p.ID); err != nil {
			return err
		}
	}
	if err := h.deletePoints(ctx, src.HistoryID, nil); err != nil {
		return fmt.Errorf("forget history of cluster %s: %w", src.ClusterID, err)
	}
	if err := os.RemoveAll(h.dir(src.HistoryID)); err != nil {
		return fmt.Errorf("forget history of cluster %s: %w", src.ClusterID, err)
	}
	return nil
}

// Sweep deletes what a killed process left: histories that are not in live, and snapshots that were never recorded. live has the cluster of
// each history. It must run before anything else uses the histories.
func (h *History) Sweep(ctx context.Context, live map[string]string) error {
	entries, err := os.ReadDir(filepath.Join(h.cfg.Pool.Path(), Root))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep history: %w", err)
	}
	for _, e := range entries {
		src := Source{HistoryID: e.Name(), ClusterID: live[e.Name()]}
		if src.ClusterID == "" {
			err = h.Forget(ctx, src)
		} else {
			err = h.sweepPoints(ctx, src)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *History) sweepPoints(ctx context.Context, src Source) error {
	defer h.lock(src.HistoryID)()
	points, err := h.cfg.Records.RestorePoints(ctx, src.ClusterID)
	if err != nil {
		return err
	}
	recorded := make(map[string]bool, len(points))
	for _, p := range points {
		recorded[p.Volume] = true
	}
	if err := h.deletePoints(ctx, src.HistoryID, recorded); err != nil {
		return fmt.Errorf("sweep history of cluster %s: %w", src.ClusterID, err)
	}
	return nil
}

// deletePoints deletes a history's snapshots but those to keep.
func (h *History) deletePoints(ctx context.Context, historyID string, keep map[string]bool) error {
	names, err := h.cfg.Pool.List(pointsDir(historyID))
	if err != nil {
		return err
	}
	for _, name := range names {
		volume := pointsDir(historyID) + "/" + name
		if keep[volume] {
			continue
		}
		if err := h.cfg.Pool.Delete(ctx, volume); err != nil {
			return err
		}
	}
	return nil
}
