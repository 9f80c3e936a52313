package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"tine/internal/engine"
	"tine/internal/history"
	"tine/internal/store"
)

// watch begins to look after an online cluster: its node is started again when it dies, its history is kept. If it is suspended the node stays
// stopped.
func (h *Host) watch(c store.Cluster, n *engine.Node) { h.watchOn(c, n, nil) }

// watchOn is watch for a cluster that was watched before, if before is not nil: what is known of its node goes on to be.
func (h *Host) watchOn(c store.Cluster, n *engine.Node, before *running) {
	ctx, stop := context.WithCancel(h.ctx)
	r := &running{clusterID: c.ID, cluster: c, node: n, asleep: c.Suspension != nil, ctx: ctx, stop: stop}
	r.measured, r.migrated = new(measured), !r.asleep
	if before != nil {
		r.measured, r.migrated = before.measured, before.migrated || r.migrated
	}
	h.mu.Lock()
	h.mu.running[c.ID] = r
	h.mu.Unlock()
	if r.asleep {
		r.tasks.Go(func() { h.keepSuspended(ctx, c, n) })
		return
	}
	r.tasks.Go(func() { h.keepRunning(ctx, c, n) })
	r.tasks.Go(func() { h.keepHistory(ctx, c, n) })
}

// unwatch ends that and returns when nothing of it runs any more. The node is left as it is. If the cluster's gateway could not be
// opened so far, waiting says why.
func (h *Host) unwatch(clusterID string) (waiting error) {
	h.mu.Lock()
	r := h.mu.running[clusterID]
	delete(h.mu.running, clusterID)
	h.mu.Unlock()
	if r == nil {
		return nil
	}
	r.stop()
	r.tasks.Wait()
	return r.waiting
}

// watched says whether a cluster is looked after.
func (h *Host) watched(clusterID string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.running[clusterID] != nil
}

// Restarts of a node that keeps dying: at once, then later and later; a node that ran for a while is forgiven.
const (
	firstPause   = time.Second
	longestPause = time.Minute
	forgiven     = time.Minute
)

// backOff is the pause before the restart that follows a node's last one.
func backOff(last time.Duration, ran time.Duration) time.Duration {
	switch {
	case ran >= forgiven:
		return 0
	case last == 0:
		return firstPause
	default:
		return min(2*last, longestPause)
	}
}

// keepRunning starts a cluster's node again whenever it exits, until ctx ends.
func (h *Host) keepRunning(ctx context.Context, c store.Cluster, n *engine.Node) {
	log := h.log.With("cluster", c.Name, "node", n.ID())
	restart := func(pause time.Duration) error { return h.restart(ctx, c, n, pause) }
	respawn(ctx, n, restart, func(err error) {
		log.ErrorContext(ctx, "node does not run; trying again", "error", err)
	})
}

// respawn calls restart, after a pause, whenever the node exits, until ctx ends. A node that is down when it is called is
// restarted at once.
func respawn(ctx context.Context, n *engine.Node, restart func(pause time.Duration) error, report func(error)) {
	var pause time.Duration
	started := time.Time{} // long ago: the first restart comes at once
	for {
		err := n.WaitExit(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			report(err)
		}
		pause = backOff(pause, time.Since(started))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		started = time.Now()
		if err := restart(pause); err != nil && ctx.Err() == nil {
			report(err)
		}
	}
}

func (h *Host) restart(ctx context.Context, c store.Cluster, n *engine.Node, pause time.Duration) error {
	start := time.Now()
	// What the node is started with may have been changed since it was last. Without the store it is started as it was.
	if now, err := h.cfg.Store.Cluster(ctx, c.ID); err == nil && now.Node.ID == n.ID() {
		n = h.node(now)
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	// Only a node that could not be started when it was adopted has anything to do here.
	if err := errors.Join(n.Migrate(ctx), h.noteBuild(ctx, c, n)); err != nil {
		return err
	}
	h.cfg.Gateway.Restarted(c.ID)
	message := fmt.Sprintf("The node died and was started again; it was ready after %s.",
		(pause + time.Since(start)).Round(time.Millisecond))
	_, err := h.cfg.Store.RecordRestart(ctx, c.ID, message)
	return err
}

// Intervals of the work on a cluster's history. A look costs two listings of small directories. It comes earlier, but not earlier than historySoon, if a restore
// point will be due by then.
const (
	historyInterval = 500 * time.Millisecond
	historySoon     = 50 * time.Millisecond
	pruneInterval   = 5 * time.Minute
	// pruneAgain is the pause when there was more to delete than is deleted at a time.
	pruneAgain = 10 * time.Second
)

// keepHistory collects WAL, takes restore points when they are due and prunes, until ctx ends.
func (h *Host) keepHistory(ctx context.Context, c store.Cluster, n *engine.Node) {
	log := h.log.With("cluster", c.Name)
	next := time.NewTimer(historyInterval)
	defer next.Stop()
	pruned := time.Now()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		again, err := h.advanceHistory(ctx, c, n)
		next.Reset(again)
		if err == nil && time.Since(pruned) > pruneInterval {
			var more bool
			more, err = h.history(c).Prune(ctx, h.source(c, n))
			if pruned = time.Now(); more {
				pruned = pruned.Add(pruneAgain - pruneInterval)
			}
			err = errors.Join(err, trimLog(h.logPath(c)))
		}
		// One line a failure, not two a second.
		if err != nil && !failing && ctx.Err() == nil {
			log.ErrorContext(ctx, "history could not be kept; trying again", "error", err)
		}
		failing = err != nil
	}
}

// advanceHistory does what there is to do at the moment, and returns when to come again. A restore point comes first, since to collect segments takes a while when many were written.
func (h *Host) advanceHistory(ctx context.Context, c store.Cluster, n *engine.Node) (again time.Duration, err error) {
	src := h.source(c, n)
	again, err = h.takeIfDue(ctx, c, src)
	next := time.Now().Add(again)
	if _, failed := h.history(c).Collect(ctx, src); failed != nil {
		err = errors.Join(err, failed)
	}
	if err == nil {
		err = h.history(c).Measure(ctx, src)
	}
	if err != nil {
		return historyInterval, err
	}
	return max(time.Until(next), historySoon), nil
}

// takeIfDue takes a restore point if it is time, and returns when to look again.
func (h *Host) takeIfDue(ctx context.Context, c store.Cluster, src history.Source) (again time.Duration, err error) {
	due, again, err := h.history(c).Due(ctx, src)
	if due && err == nil {
		_, err = h.history(c).Take(ctx, src)
	}
	return nextLook(due, again), err
}

// nextLook is when to look again after a look that found a restore point to be due, or that one would be then, or, with 0, that the node does not write. Behind a restore point it
// is soon: the node went on writing while it was taken.
func nextLook(due bool, again time.Duration) time.Duration {
	switch {
	case due:
		return historySoon
	case again == 0:
		return historyInterval
	default:
		return min(max(again, historySoon), historyInterval)
	}
}

// longestLog is how much of a node's log is kept twice: in the file and in the one before.
const longestLog = 16 << 20

// trimLog moves a log that has grown long aside. The node goes on writing to the same file, at its end, wherever that is;
// a line that it writes between copy and cut is lost.
func trimLog(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() < longestLog {
		return err
	}
	if err := copyFile(path, path+".1"); err != nil {
		return fmt.Errorf("trim log: %w", err)
	}
	if err := os.Truncate(path, 0); err != nil {
		return fmt.Errorf("trim log: %w", err)
	}
	return nil
}

func copyFile(src, dst string) error {
	from, err := os.Open(src)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
