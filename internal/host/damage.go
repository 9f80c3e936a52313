package host

import (
	"context"
	"time"

	"tine/internal/store"
)

const (
	// damageInterval is how long nothing more is told of a cluster's damage after it was.
	damageInterval = time.Hour
	// damagePatience is how long a command waits for the event to be recorded.
	damagePatience = 5 * time.Second
)

// Damaged records that a cluster's disk does not return what was written to it, at most once an hour.
func (h *Host) Damaged(clusterID string) {
	h.mu.Lock()
	now := time.Now()
	told := now.Sub(h.mu.damaged[clusterID]) < damageInterval
	if !told {
		h.mu.damaged[clusterID] = now
	}
	h.mu.Unlock()
	if told {
		return
	}
	ctx, cancel := context.WithTimeout(h.ctx, damagePatience)
	defer cancel()
	err := h.cfg.Store.AddEvent(ctx, store.Event{
		ClusterID: clusterID, Type: store.EventDamaged,
		Message: "The disk does not return what was written to it: commands that need what is damaged fail, all others go on. Forks and restore points may share the damage; " +
			"what was written anew since does not. The kernel's log names the files.",
	})
	if err != nil {
		h.log.ErrorContext(ctx, "damage could not be recorded", "cluster_id", clusterID, "error", err)
	}
}
