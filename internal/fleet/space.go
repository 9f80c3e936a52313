package fleet

import (
	"context"
	"errors"
	"fmt"
	"math"

	"tine/internal/store"
)

// Space returns what a cluster occupies on its host's disk, as it was measured last, within the last hour or so.
func (f *Fleet) Space(ctx context.Context, id string) (store.ClusterSpace, error) {
	if _, err := f.Get(ctx, id); err != nil {
		return store.ClusterSpace{}, err
	}
	return f.cfg.Store.ClusterSpace(ctx, id)
}

// Spaces returns what clusters occupy, as far as it was measured, by their ids.
func (f *Fleet) Spaces(ctx context.Context, ids []string) (map[string]store.ClusterSpace, error) {
	return f.cfg.Store.ClusterSpaces(ctx, ids)
}

// checkSpace refuses another cluster in a pool that is nearly full. Whether it is, its host says, which also sees to it that the answer does not change from
// one moment to the next. A host that has not looked yet has a pool that it has just opened.
func (f *Fleet) checkSpace(ctx context.Context, host, pool string) error {
	s, err := f.cfg.Store.HostSpace(ctx, host, pool)
	if errors.Is(err, store.ErrNotFound) || err == nil && s.Level == store.SpaceAmple {
		return nil
	}
	if err != nil {
		return err
	}
	const percent = 100
	where := "the host " + host
	if pool != store.DefaultPool {
		where = "the region " + pool
	}
	return &Error{Kind: Full, Message: fmt.Sprintf(
		"%s has no room for another cluster: %d %% of its disk must be free, and %d %% are; destroy clusters that are not needed, or add storage",
		where, int(math.Ceil(s.RequiredShare*percent)), int(math.Floor(s.FreeShare*percent)))}
}
