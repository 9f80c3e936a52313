package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tine/internal/gateway"
	"tine/internal/store"
)

// When data may not grow any more, in per cent of the cluster's storage. DigitalOcean blocks writes at 97, too. Storage that grows by itself does so at
// 95 at the latest, but only when somebody looks, once a minute: it has the rest until then.
const (
	overStorage      = 97
	overScaled       = 100
	underStorage     = 95 // they may grow again below it
	nearStorage      = 80 // from which on a cluster is measured at each look
	fastestGrowth    = 100 << 20
	longestUnlooked  = 10 * time.Minute
	allOfStorage     = 100
	bytesPerMiB      = 1 << 20
	storagePatience  = 10 * time.Second
	noChangesCounted = -1
)

// over says whether data of that size may not grow.
func over(before bool, used, storage int64, scales bool) bool {
	limit := int64(overStorage)
	switch {
	case scales:
		limit = overScaled
	case before:
		limit = underStorage
	}
	return used*allOfStorage >= storage*limit
}

// lookAfter is how long a cluster need not be measured: until its data could be near its storage if they grew as fast as a disk can write.
func lookAfter(used, storage int64) time.Duration {
	rest := storage*nearStorage/allOfStorage - used
	if rest <= 0 {
		return 0
	}
	return min(time.Duration(rest/fastestGrowth)*time.Second, longestUnlooked)
}

// stored is what is known of how much a cluster holds.
type stored struct {
	node    string    // that was measured; a cluster may have got other data
	next    time.Time // no look before
	changes int64     // commands of its clients that may have changed something, at the last look
}

// watchStorage holds the data of all clusters against the storage of their plans, until ctx ends.
func (h *Host) watchStorage(ctx context.Context) {
	known := make(map[string]*stored)
	tick := time.NewTicker(h.cfg.Space.interval())
	defer tick.Stop()
	for {
		ids := h.runningIDs()
		for _, id := range ids {
			if known[id] == nil {
				known[id] = &stored{changes: noChangesCounted}
			}
			if err := h.lookAtStorage(ctx, id, known[id]); err != nil && ctx.Err() == nil {
				h.log.DebugContext(ctx, "storage not measured; trying again", "cluster_id", id, "error", err)
			}
		}
		h.forgetStorage(known, ids)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// forgetStorage forgets clusters that are not there any more.
func (h *Host) forgetStorage(known map[string]*stored, ids []string) {
	if len(known) == len(ids) {
		return
	}
	there := make(map[string]bool, len(ids))
	for _, id := range ids {
		there[id] = true
	}
	for id := range known {
		if !there[id] {
			delete(known, id)
		}
	}
}

func (h *Host) lookAtStorage(ctx context.Context, id string, s *stored) error {
	r := h.runningOf(id)
	if r == nil || r.asleep {
		return nil // nobody can change it, or tell its size
	}
	m, _ := h.cfg.Gateway.Measure(id)
	changes := m.Writes + m.Commands
	if !s.due(r.node.ID(), changes, h.isOver(id)) {
		return nil
	}
	c, err := h.cfg.Store.Cluster(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if !c.IsServed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storagePatience)
	defer cancel()
	var size measured
	if err := measure(ctx, h.node(c), &size); err != nil {
		return err
	}
	storage := c.StorageMiB * bytesPerMiB
	s.node, s.next, s.changes = h.node(c).ID(), time.Now().Add(lookAfter(size.storageBytes, storage)), changes
	return h.judgeStorage(ctx, c, size.storageBytes)
}

// due says whether a cluster with that node must be looked at. One that is over its storage may have got more without any command of its clients.
func (s *stored) due(node string, changes int64, over bool) bool {
	return s.node != node || !time.Now().Before(s.next) && (changes != s.changes || over)
}

// judgeStorage lets a cluster's data grow or not.
func (h *Host) judgeStorage(ctx context.Context, c store.Cluster, used int64) error {
	plan, _ := h.cfg.Catalog.Plan(c.Size)
	scales := c.Autoscale.Enabled && c.StorageMiB < plan.MaxStorageMiB
	is := over(h.isOver(c.ID), used, c.StorageMiB*bytesPerMiB, scales)
	h.setOver(c.ID, is)
	message := "The cluster has room again: writes are possible."
	if is {
		message = fmt.Sprintf("The data have reached the cluster's storage of %d MiB: they can be read and deleted, but writes that add to them are refused until "+
			"something is dropped, deleted and compacted, or the storage is enlarged.", c.StorageMiB)
	}
	_, err := h.cfg.Store.SetOverStorage(ctx, c.ID, is, message)
	return err
}

// growth says whether a cluster's data may grow.
func (h *Host) growth(id, pool string) gateway.Growth {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.mu.full[pool]:
		return gateway.DiskFull
	case h.mu.over[id]:
		return gateway.OverStorage
	default:
		return gateway.MayGrow
	}
}

func (h *Host) isOver(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.over[id]
}

func (h *Host) setOver(id string, over bool) {
	h.mu.Lock()
	changed := h.mu.over[id] != over
	if over {
		h.mu.over[id] = true
	} else {
		delete(h.mu.over, id)
	}
	h.mu.Unlock()
	if changed {
		h.tellGrowth(id)
	}
}

// tellGrowth tells a cluster's gateway what it would be told if it opened now. It does without the store, which may be on the same full disk.
func (h *Host) tellGrowth(id string) {
	h.gateways.Lock()
	defer h.gateways.Unlock()
	if r := h.runningOf(id); r != nil {
		h.cfg.Gateway.SetGrowth(id, h.growth(id, r.cluster.Pool))
	}
}

// setFull lets no data in a pool grow, or all again.
func (h *Host) setFull(pool string, full bool) {
	h.mu.Lock()
	changed := h.mu.full[pool] != full
	h.mu.full[pool] = full
	h.mu.Unlock()
	if !changed {
		return
	}
	for _, id := range h.runningIDs() {
		h.tellGrowth(id)
	}
}
