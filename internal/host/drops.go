package host

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"tine/internal/store"
)

// dropPause is how long a cluster's drops are collected after one was recorded: a test suite drops a thousand collections, and
// its owner wants to read of the one that matters.
const dropPause = 10 * time.Second

// drops are what clients have dropped and no event tells of yet.
type drops struct {
	wake chan struct{} // has something if there may be something to do

	mu        sync.Mutex
	byCluster map[string]*dropped
}

// dropped is what was dropped of one cluster.
type dropped struct {
	count  int
	first  string    // the namespace
	before time.Time // a moment right before it was dropped
	next   time.Time // no event before that
}

func newDrops() *drops {
	return &drops{wake: make(chan struct{}, 1), byCluster: map[string]*dropped{}}
}

// Dropped takes note of what a client has dropped; before is a moment right before that. It returns at once: the event follows.
func (h *Host) Dropped(clusterID string, before time.Time, namespace string) {
	h.drops.add(clusterID, before, namespace)
}

func (d *drops) add(clusterID string, before time.Time, namespace string) {
	d.mu.Lock()
	one := d.byCluster[clusterID]
	if one == nil {
		one = &dropped{}
		d.byCluster[clusterID] = one
	}
	if one.count == 0 {
		one.first, one.before = namespace, before
	}
	one.count++
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// due takes out what is to be told now, by cluster, and forgets clusters of which there is nothing to tell. It says when there will be more.
func (d *drops) due(now time.Time, all bool) (events []store.Event, next time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next = dropPause
	for id, one := range d.byCluster {
		switch wait := one.next.Sub(now); {
		case one.count == 0 && wait <= 0:
			delete(d.byCluster, id)
		case one.count > 0 && (wait <= 0 || all):
			events = append(events, store.Event{ClusterID: id, Type: store.EventDrop, Message: one.message(), CreatedAt: one.before})
			*one = dropped{next: now.Add(dropPause)}
		case one.count > 0:
			next = min(next, wait)
		}
	}
	return events, next
}

func (d *dropped) message() string {
	kind := "database"
	if strings.Contains(d.first, ".") {
		kind = "collection"
	}
	if d.count == 1 {
		return fmt.Sprintf("The %s %s was dropped.", kind, d.first)
	}
	return fmt.Sprintf("%d collections and databases were dropped, the first of them %s.", d.count, d.first)
}

// recordDrops writes events until ctx ends, and then those that are left.
func (h *Host) recordDrops(ctx context.Context) {
	for {
		events, next := h.drops.due(time.Now(), ctx.Err() != nil)
		for _, e := range events {
			if err := h.cfg.Store.AddEvent(context.WithoutCancel(ctx), e); err != nil {
				h.log.ErrorContext(ctx, "a drop is missing among the events", "cluster_id", e.ClusterID, "error", err)
			}
		}
		if ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-h.drops.wake:
		case <-time.After(next):
		}
	}
}
