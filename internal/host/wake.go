package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tine/internal/engine"
	"tine/internal/store"
)

const (
	// recordPatience is how long clients of a node that was started wait for the store. A record that comes later is made good by whoever watches the node.
	recordPatience = time.Second
	// recordPause is between two attempts to record a wake while clients wait for it, recordInterval between later ones.
	recordPause    = 50 * time.Millisecond
	recordInterval = time.Second
)

// Wake starts the node of a cluster that was suspended. If it runs, or cannot be started, that is dealt with as with every other node: its gateway
// lets clients through, and whoever watches it goes on trying.
func (h *Host) Wake(clusterID string) error {
	ctx, cancel := context.WithTimeout(h.ctx, wakePatience)
	defer cancel()
	defer h.lockCluster(clusterID)()
	return h.wakeLocked(ctx, clusterID)
}

// wakeLocked is Wake for who has the cluster's lock. It waits for forks that read the cluster's files: what is written meanwhile is not theirs.
func (h *Host) wakeLocked(ctx context.Context, id string) error {
	select {
	case h.wakes <- struct{}{}:
		defer func() { <-h.wakes }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	lock := h.usesOf(id)
	lock.Lock()
	defer lock.Unlock()
	if ctx.Err() != nil { // the host is stopped
		return context.Cause(ctx)
	}
	r := h.runningOf(id)
	if r == nil || !r.asleep {
		h.cfg.Gateway.Woken(id)
		return nil
	}
	reading, cancel := context.WithTimeout(ctx, recordPatience)
	defer cancel()
	c, err := h.cfg.Store.Cluster(reading, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return err
	case err != nil:
		c = r.cluster // it must not need the store to serve its clients
		h.log.WarnContext(ctx, "cluster is woken as it was suspended", "cluster", c.Name, "error", err)
	case !c.IsServed():
		return fmt.Errorf("wake cluster %s: its status is %s", c.Name, c.Status)
	}
	c.Suspension = nil
	w := &wakening{Host: h, cluster: c, node: h.node(c), before: r, began: time.Now()}
	waiting := h.unwatch(id)
	if err = h.runSteps(ctx, "wake", w.steps()); h.runningOf(id) == nil {
		h.watchOn(r.cluster, w.node, r) // it sleeps on
	}
	if waiting != nil {
		h.openLater(c, waiting)
	}
	return err
}

// wakening is one start of a cluster's node that was suspended.
type wakening struct {
	*Host
	cluster store.Cluster
	node    *engine.Node
	before  *running
	began   time.Time
	ready   time.Duration
	failed  error

	recorded bool // the row says that it is awake
	told     bool // and an event that it was woken
}

func (w *wakening) steps() []step {
	return inOrder(wakeSteps(), map[string]func(context.Context) error{
		"node": w.startNode,
		"gateway": func(context.Context) error {
			w.watchOn(w.cluster, w.node, w.before)
			w.cfg.Gateway.Woken(w.cluster.ID)
			w.ready = time.Since(w.began)
			w.rest.woken(w.ready, w.failed)
			return nil
		},
		"row": w.record,
	})
}

// startNode leaves a node that cannot be started to those who watch it. One that this Tine must not serve sleeps on.
func (w *wakening) startNode(ctx context.Context) error {
	recording, giveUp := context.WithCancel(ctx)
	defer giveUp()
	recorded := make(chan error, 1)
	go func() { recorded <- w.recordAwake(recording, w.cluster.ID, "", recordPause) }()
	w.failed = w.node.Wake(ctx)
	if w.failed == nil && !w.before.migrated {
		w.failed = w.node.Migrate(ctx) // a later Tine than the one that suspended it
	}
	defer time.AfterFunc(recordPatience, giveUp).Stop()
	// It is waited for before a client has its answer, so that who asks the API then is not told otherwise; and to its end, so that it does not
	// come after the next suspension.
	w.recorded = <-recorded == nil
	if errors.Is(w.failed, engine.ErrNewerSchema) {
		err := w.node.Stop(ctx, stopPatience)
		_, failed := w.cfg.Store.SetSuspended(ctx, w.cluster.ID, w.before.cluster.Suspension.Contents)
		return errors.Join(w.failed, err, failed)
	}
	if w.failed != nil {
		w.log.ErrorContext(ctx, "node could not be woken; trying again", "cluster", w.cluster.Name, "error", w.failed)
	}
	return nil
}

// recordAwake has the row say that the cluster is awake. It tries until ctx ends.
func (h *Host) recordAwake(ctx context.Context, id, message string, pause time.Duration) error {
	for {
		err := h.cfg.Store.SetAwake(ctx, id, message)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// recordAwakeLater is recordAwake for as long as the node is watched. Whoever ends that to work on the cluster finds out by asItRuns, and so does the next start of
// the host.
func (h *Host) recordAwakeLater(id, message string) {
	h.whileWatched(id, func(ctx context.Context) { _ = h.recordAwake(ctx, id, message, recordInterval) })
}

// whileWatched begins something that ends with the watching of the cluster's node.
func (h *Host) whileWatched(id string, do func(context.Context)) {
	if r := h.runningOf(id); r != nil { // else the host is being stopped
		r.tasks.Go(func() { do(r.ctx) })
	}
}

// record tells of the wake. What fails is tried again as with recordAwakeLater.
func (w *wakening) record(ctx context.Context) error {
	if w.failed == nil {
		if err := w.node.Limit(ctx); err != nil {
			w.log.WarnContext(ctx, "cpu limit not set; it is set at the next start", "cluster", w.cluster.Name, "error", err)
		}
	}
	now, cancel := context.WithTimeout(ctx, recordPatience)
	defer cancel()
	if err := w.tell(now); err != nil {
		w.log.WarnContext(ctx, "a wake is not recorded in full; trying again", "cluster", w.cluster.Name, "error", err)
		w.whileWatched(w.cluster.ID, w.tellLater)
	}
	return nil
}

// tellLater goes on until the wake is recorded, or ctx ends.
func (w *wakening) tellLater(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(recordInterval):
		}
		if w.tell(ctx) == nil {
			return
		}
	}
}

// tell records what is not recorded yet.
func (w *wakening) tell(ctx context.Context) error {
	if !w.recorded {
		if err := w.cfg.Store.SetAwake(ctx, w.cluster.ID, ""); err != nil {
			return err
		}
		w.recorded = true
	}
	if !w.told {
		message := fmt.Sprintf("The cluster was woken; its node was ready after %s.", w.ready.Round(time.Millisecond))
		if w.failed != nil {
			message = "The cluster was woken, but its node could not be started; the host goes on trying."
		}
		err := w.cfg.Store.AddEvent(ctx, store.Event{
			ClusterID: w.cluster.ID, ClusterName: w.cluster.Name, Type: store.EventWoken, Message: message,
		})
		if err != nil {
			return err
		}
		w.told = true
	}
	if w.failed == nil {
		return w.noteBuild(ctx, w.cluster, w.node)
	}
	return nil
}

// asItRuns reads the row of a cluster for who is about to do something with its node and has the cluster's lock. A row that says that it is suspended while the
// node runs is corrected before: it was woken when the store did not answer. Without the store nothing can be done with the cluster but serve it.
func (h *Host) asItRuns(ctx context.Context, id string) (store.Cluster, error) {
	c, err := h.cfg.Store.Cluster(ctx, id)
	if err != nil || c.Suspension == nil {
		return c, err
	}
	if r := h.runningOf(id); r == nil || r.asleep {
		return c, nil
	}
	c.Suspension = nil
	return c, h.cfg.Store.SetAwake(ctx, id, messageAwake)
}

// messageAwake tells of a wake that was found out later.
const messageAwake = "The cluster is awake."
