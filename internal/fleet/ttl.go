package fleet

import (
	"context"
)

// SetTTL says whether TTL indexes delete in a cluster what has expired. In a fork of the past they do not until this is called (store.Cluster.TTLPaused); it
// takes effect soon after it returns.
func (f *Fleet) SetTTL(ctx context.Context, id string, enabled bool) error {
	c, err := f.Get(ctx, id)
	if err != nil {
		return err
	}
	return f.changed(c, f.cfg.Store.SetTTLPaused(ctx, id, !enabled))
}
