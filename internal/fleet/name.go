package fleet

import (
	"context"
	"errors"
	"time"

	"tine/internal/store"
)

// namePause is between two looks whether a name is free; destroying a cluster takes some hundred milliseconds.
const namePause = 50 * time.Millisecond

// awaitName waits while a cluster that is being destroyed has the name, for as long as NamePatience. Clients take a cluster for gone as soon as
// their DELETE was answered: Terraform replaces one by making another of the same name right away.
func (f *Fleet) awaitName(ctx context.Context, name string) error {
	patience := time.NewTimer(f.cfg.NamePatience)
	defer patience.Stop()
	look := time.NewTicker(namePause)
	defer look.Stop()
	for {
		c, err := f.cfg.Store.ClusterByName(ctx, name)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || c.Status != store.StatusDestroying {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
			return nil // the checks refuse it in words
		case <-look.C:
		}
	}
}
