package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Forget deletes the whole history of a cluster, records and files. It can be interrupted anywhere and repeated.
func (h *History) Forget(ctx context.Context, clusterID string) error {
	defer h.lock(clusterID)()
	h.forget(clusterID)
	points, err := h.cfg.Records.RestorePoints(ctx, clusterID)
	if err != nil {
		return err
	}
	for _, p := range points {
		if err := h.cfg.Records.DeleteRestorePoint(ctx, p.ID); err != nil {
			return err
		}
	}
	if err := h.deletePoints(ctx, clusterID, nil); err != nil {
		return fmt.Errorf("forget history of cluster %s: %w", clusterID, err)
	}
	if err := os.RemoveAll(h.dir(clusterID)); err != nil {
		return fmt.Errorf("forget history of cluster %s: %w", clusterID, err)
	}
	return nil
}

// Sweep deletes what a killed process left: histories of clusters that are not in live, and snapshots that were never
// recorded. It must run before anything else uses the history.
func (h *History) Sweep(ctx context.Context, live map[string]bool) error {
	entries, err := os.ReadDir(filepath.Join(h.cfg.Pool.Path(), root))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep history: %w", err)
	}
	for _, e := range entries {
		if !live[e.Name()] {
			err = h.Forget(ctx, e.Name())
		} else {
			err = h.sweepPoints(ctx, e.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *History) sweepPoints(ctx context.Context, clusterID string) error {
	defer h.lock(clusterID)()
	points, err := h.cfg.Records.RestorePoints(ctx, clusterID)
	if err != nil {
		return err
	}
	recorded := make(map[string]bool, len(points))
	for _, p := range points {
		recorded[p.Volume] = true
	}
	if err := h.deletePoints(ctx, clusterID, recorded); err != nil {
		return fmt.Errorf("sweep history of cluster %s: %w", clusterID, err)
	}
	return nil
}

// deletePoints deletes a cluster's snapshots but those to keep.
func (h *History) deletePoints(ctx context.Context, clusterID string, keep map[string]bool) error {
	names, err := h.cfg.Pool.List(pointsDir(clusterID))
	if err != nil {
		return err
	}
	for _, name := range names {
		volume := pointsDir(clusterID) + "/" + name
		if keep[volume] {
			continue
		}
		if err := h.cfg.Pool.Delete(ctx, volume); err != nil {
			return err
		}
	}
	return nil
}
