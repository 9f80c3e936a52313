package fleet

import (
	"context"
	"errors"

	"tine/internal/catalog"
	"tine/internal/store"
)

// PlanOffer is a plan, and whether it can be chosen.
type PlanOffer struct {
	Plan   catalog.Plan
	Reason string // why it cannot, in a sentence; empty: it can
}

// Plans are those of the catalog, all of which a new cluster can have.
func (f *Fleet) Plans() []PlanOffer { return f.offer(func(catalog.Plan) error { return nil }) }

// ForkPlans are the plans for a fork of a cluster: those that cannot hold its data say so.
func (f *Fleet) ForkPlans(ctx context.Context, id string) ([]PlanOffer, error) {
	source, err := f.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	points, err := f.cfg.Store.RestorePoints(ctx, id)
	if err != nil {
		return nil, err
	}
	return f.offer(func(p catalog.Plan) error {
		return f.checkRoom(&store.Cluster{Size: p.Slug}, source, points, false)
	}), nil
}

// ResizePlans are the plans that a cluster can be resized to: those that are smaller than its own say so.
func (f *Fleet) ResizePlans(c store.Cluster) []PlanOffer {
	return f.offer(func(p catalog.Plan) error {
		to := c
		to.Size, to.StorageMiB = p.Slug, min(f.onStep(p, c.StorageMiB), p.MaxStorageMiB)
		return f.checkGrowth(c, to, p)
	})
}

func (f *Fleet) offer(check func(catalog.Plan) error) []PlanOffer {
	offers := make([]PlanOffer, len(f.cfg.Catalog.Plans))
	for i, plan := range f.cfg.Catalog.Plans {
		offers[i].Plan = plan
		if refused, ok := errors.AsType[*Error](check(plan)); ok {
			offers[i].Reason = refused.Message
		}
	}
	return offers
}
