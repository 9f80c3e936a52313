package host

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/riverqueue/river"

	"tine/internal/gateway"
	"tine/internal/store"
)

type settingsWorker struct {
	river.WorkerDefaults[store.SettingsJob]
	host *Host
}

// Work implements river.Worker.
func (w settingsWorker) Work(ctx context.Context, job *river.Job[store.SettingsJob]) error {
	return w.host.applySettings(ctx, job.Args.ClusterID)
}

// applySettings has a cluster's gateway do what the store says now.
func (h *Host) applySettings(ctx context.Context, id string) error {
	h.gateways.Lock()
	defer h.gateways.Unlock()
	c, err := h.cfg.Store.Cluster(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.IsServed() {
		if err := h.node(c).Apply(ctx); err != nil {
			return err
		}
	}
	if version, open := h.versions[id]; open && version != c.Version {
		// What a client was told of the version holds as long as its connection.
		h.closeGatewayLocked(id)
		return h.openGatewayLocked(ctx, c)
	}
	h.cfg.Gateway.Update(id, h.gatewaySettings(c)) // one that is not open reads them when it opens
	return nil
}

// gatewaySettings are a cluster's settings as its gateway takes them. What cannot be read trusts nobody and has the default: the store
// holds nothing that fleet has not checked.
func (h *Host) gatewaySettings(c store.Cluster) gateway.Settings {
	g := gateway.Settings{Sources: h.sources(c), SuspendAfter: c.SuspendAfter, Growth: h.growth(c.ID, c.Pool)}
	if plan, ok := h.cfg.Catalog.Plan(c.Size); ok {
		g.MaxConnections = plan.MaxConnections
	}
	set, err := c.Settings()
	if err != nil {
		h.log.Error("settings cannot be read; the defaults are in force", "cluster", c.Name, "error", err)
	}
	if ms := set.SlowOperationMS; ms != nil {
		g.SlowOperation = max(time.Duration(*ms)*time.Millisecond, time.Nanosecond) // 0 logs all
	}
	g.Verbosity = int(valueOf(set.Verbosity))
	g.DefaultReadConcern, g.DefaultWriteConcern = valueOf(set.DefaultReadConcern), valueOf(set.DefaultWriteConcern)
	if s := set.TransactionLifetimeSeconds; s != nil {
		g.TransactionLifetime = time.Duration(*s) * time.Second
	}
	return g
}

// valueOf is what a setting is, or nothing, which stands for the default.
func valueOf[T any](setting *T) T {
	var none T
	if setting == nil {
		return none
	}
	return *setting
}

// sources are the addresses that may connect; nil means all.
func (h *Host) sources(c store.Cluster) []netip.Prefix {
	if len(c.TrustedSources) == 0 {
		return nil
	}
	list := make([]netip.Prefix, 0, len(c.TrustedSources))
	for _, source := range c.TrustedSources {
		if !source.IsAddress() {
			continue // Tine has nothing that it could match
		}
		prefix, err := source.Prefix()
		if err != nil {
			h.log.Error("trusted source cannot be read; it is not trusted", "cluster", c.Name, "error", err)
			continue
		}
		list = append(list, prefix)
	}
	return list
}
