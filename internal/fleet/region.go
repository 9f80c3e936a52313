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

// MustSend says whether a fork of a cluster in a region has to be sent there, because its clusters are kept in another pool.
func (f *Fleet) MustSend(c store.Cluster, region string) bool {
	return region != "" && region != c.Region && f.poolOf(region) != c.Pool
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
