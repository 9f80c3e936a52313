package host

import (
	"context"
	"time"

	"tine/internal/storage"
	"tine/internal/store"
)

// accountInterval is how often is measured what clusters occupy: what it costs grows with all extents of all clusters.
const accountInterval = time.Hour

// keepAccounts measures now and then what the clusters occupy, until ctx ends.
func (h *Host) keepAccounts(ctx context.Context) {
	interval := h.cfg.Space.AccountInterval
	if interval == 0 {
		interval = accountInterval
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		start := time.Now()
		if err := h.account(ctx); err != nil && ctx.Err() == nil {
			h.log.ErrorContext(ctx, "space of clusters not measured; trying again", "error", err)
		}
		h.log.DebugContext(ctx, "space of clusters measured", "duration", time.Since(start))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// account measures what each cluster occupies and records it.
func (h *Host) account(ctx context.Context) error {
	clusters, err := h.cfg.Store.ClustersOnHost(ctx, h.cfg.Name)
	if err != nil {
		return err
	}
	for name := range h.cfg.Pools {
		if err := h.accountPool(ctx, name, clusters); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) accountPool(ctx context.Context, name string, clusters []store.Cluster) error {
	var holders []storage.Holder
	var list []store.ClusterSpace
	for _, c := range clusters {
		if !c.IsServed() || c.Pool != name {
			continue
		}
		kept, err := h.history(c).Space(ctx, h.source(c, h.node(c)))
		if err != nil {
			return err
		}
		holders = append(holders, storage.Holder{Live: volumeOf(c), Points: kept.Points})
		list = append(list, store.ClusterSpace{ClusterID: c.ID, WALBytes: kept.WALBytes, MeasuredAt: time.Now()})
	}
	// The golden volume is somebody, too: what a cluster shares with it would not be free without the cluster.
	holders = append(holders, storage.Holder{Live: h.cfg.Pools[name].Golden})
	if len(list) == 0 {
		return nil
	}
	accounts, err := h.cfg.Pools[name].Storage.Accounts(ctx, holders)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].ExclusiveBytes, list[i].SharedBytes, list[i].PointsBytes = accounts[i].Exclusive, accounts[i].Shared, accounts[i].Points
	}
	return h.cfg.Store.SetClusterSpace(ctx, list)
}
