package host

import (
	"fmt"
	"path"

	"tine/internal/history"
	"tine/internal/storage"
	"tine/internal/store"
)

// Pool is one of a host's pools.
type Pool struct {
	Storage *storage.Pool
	Golden  string // name of the golden volume in it
	History *history.History
}

// pool is where a cluster is kept.
func (h *Host) pool(c store.Cluster) Pool { return h.cfg.Pools[c.Pool] }

// history is the keeper of a cluster's history.
func (h *Host) history(c store.Cluster) *history.History { return h.pool(c).History }

// checkPools refuses to go on without a pool that has clusters.
func (h *Host) checkPools(clusters []store.Cluster) error {
	for _, c := range clusters {
		if _, known := h.cfg.Pools[c.Pool]; !known {
			return fmt.Errorf("the cluster %s is kept in the pool of the region %s, which the configuration no longer has among its pools", c.Name, c.Pool)
		}
	}
	return nil
}

// goldenDir is where a pool's golden volumes are.
func (p Pool) goldenDir() string { return path.Dir(p.Golden) }
