package fleet

import (
	"context"
	"errors"
	"slices"

	"tine/internal/store"
)

// poolOf is the pool in which a region's new clusters are kept.
func (f *Fleet) poolOf(region string) string {
	if slices.Contains(f.cfg.Pools, region) {
		return region
	}
	return store.DefaultPool
}

// Transfer is how far a cluster is on its way from one region to another: a fork in another region than its source, or one that migrates. Nil if nothing of it is sent.
func (f *Fleet) Transfer(ctx context.Context, c store.Cluster) (*store.Transfer, error) {
	if c.Status != store.StatusForking && c.Status != store.StatusMigrating {
		return nil, nil
	}
	t, err := f.cfg.Store.Transfer(ctx, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &t, err
}
