package fleet

import (
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
