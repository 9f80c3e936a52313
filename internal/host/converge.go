package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tine/internal/engine"
	"tine/internal/store"
)

// converge makes the machine what the store says: nothing runs or lies about that belongs to no cluster, and every online
// cluster is served.
func (h *Host) converge(ctx context.Context) error {
	clusters, err := h.cfg.Store.ClustersOnHost(ctx, h.cfg.Name)
	if err != nil {
		return err
	}
	if err := h.checkPools(clusters); err != nil {
		return err
	}
	if err := h.claimPools(ctx); err != nil {
		return err
	}
	if err := h.removeOrphans(ctx, clusters); err != nil {
		return err
	}
	h.serve(ctx, clusters)
	return nil
}

// removeOrphans removes containers, volumes, histories and files that belong to no cluster. What a failed cluster left belongs to
// nothing: it is undone before its status says so, but for a kill in between.
func (h *Host) removeOrphans(ctx context.Context, clusters []store.Cluster) error {
	nodes := map[string]bool{ControlNode: true}
	for _, c := range clusters {
		if c.Status != store.StatusFailed {
			nodes[c.Node.ID] = true
		}
	}
	containers, err := h.cfg.Runtime.List(ctx)
	if err != nil {
		return err
	}
	for _, s := range containers {
		if !nodes[s.ID] {
			if err := h.cfg.Runtime.Remove(ctx, s.ID); err != nil {
				return fmt.Errorf("remove orphaned container %s: %w", s.ID, err)
			}
		}
	}
	for _, dir := range []string{"sockets", "logs", usersDir} {
		if err := removeUnknown(filepath.Join(h.cfg.DataDir, dir), nodes); err != nil {
			return err
		}
	}
	for name := range h.cfg.Pools {
		if err := h.removeOrphansOf(ctx, name, clusters); err != nil {
			return err
		}
	}
	return nil
}

// removeOrphansOf removes what is in a pool and belongs to no cluster there.
func (h *Host) removeOrphansOf(ctx context.Context, name string, clusters []store.Cluster) error {
	pool := h.cfg.Pools[name]
	nodes, histories := map[string]bool{}, map[string]string{}
	if name == store.DefaultPool {
		nodes[ControlNode] = true
	}
	for _, c := range clusters {
		if c.Status != store.StatusFailed && c.Pool == name {
			nodes[c.Node.ID] = true
			histories[c.HistoryID] = c.ID
		}
		if arriving, err := h.arrives(ctx, c, name); err != nil {
			return err
		} else if arriving {
			histories[c.HistoryID] = c.ID
		}
	}
	names, err := pool.Storage.List(volumes)
	if err != nil {
		return err
	}
	for _, node := range names {
		if !nodes[node] {
			if err := pool.Storage.Delete(ctx, volumes+"/"+node); err != nil {
				return fmt.Errorf("remove orphaned volume %s: %w", node, err)
			}
		}
	}
	if err := h.removeOldGolden(ctx, pool); err != nil {
		return err
	}
	if err := h.removeOldTransit(ctx, pool, clusters); err != nil {
		return err
	}
	return pool.History.Sweep(ctx, histories)
}

// arrives says whether a cluster is about to be moved to a pool.
func (h *Host) arrives(ctx context.Context, c store.Cluster, pool string) (bool, error) {
	if c.Status != store.StatusMigrating {
		return false, nil
	}
	t, err := h.cfg.Store.Transfer(ctx, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return t.ToPool == pool, err
}

// removeOldGolden removes the golden volumes of earlier engines and configurations from a pool. Clusters that were made from them do not need them.
func (h *Host) removeOldGolden(ctx context.Context, pool Pool) error {
	names, err := pool.Storage.List(pool.goldenDir())
	if err != nil {
		return err
	}
	for _, name := range names {
		if volume := pool.goldenDir() + "/" + name; volume != pool.Golden {
			if err := pool.Storage.Delete(ctx, volume); err != nil {
				return fmt.Errorf("remove old golden volume: %w", err)
			}
		}
	}
	return nil
}

// removeUnknown removes the entries of dir that are named after no node.
func removeUnknown(dir string, nodes map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for orphans: %w", err)
	}
	for _, e := range entries {
		node, _, _ := strings.Cut(e.Name(), ".")
		if nodes[node] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("remove orphan: %w", err)
		}
	}
	return nil
}

// startsAtOnce bounds how many nodes are started at the same time after a reboot.
const startsAtOnce = 4

// serve adopts the nodes of the online clusters that run, starts those that do not, and opens their gateways. A node that cannot be
// started, or a port that is taken, does not keep the others from working: it is tried again in the background.
func (h *Host) serve(ctx context.Context, clusters []store.Cluster) {
	slots := make(chan struct{}, startsAtOnce)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range clusters {
		if !c.IsServed() {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			suspended, err := c.Suspension != nil, error(nil)
			if suspended {
				if suspended, err = h.adoptSuspended(ctx, c); err != nil {
					h.log.ErrorContext(ctx, "suspended cluster could not be looked at", "cluster", c.Name, "error", err)
				}
			}
			if !suspended {
				c.Suspension = nil
			}
			opens := h.adopt(ctx, c)
			if err != nil && !suspended {
				h.recordAwakeLater(c.ID, messageAwake)
			}
			if opens {
				if err := h.openGateway(ctx, c); err != nil {
					h.openLater(c, err)
				}
			}
		})
	}
}

// portPatience is the pause between two attempts to listen on a port that somebody else has.
const portPatience = 2 * time.Second

// openLater goes on trying to open the gateway of a cluster whose port was taken.
func (h *Host) openLater(c store.Cluster, err error) {
	h.mu.Lock()
	r := h.mu.running[c.ID]
	h.mu.Unlock()
	r.waiting = err
	r.tasks.Go(func() {
		for r.waiting != nil {
			h.log.Error("gateway cannot be opened; trying again", "cluster", c.Name, "error", r.waiting)
			select {
			case <-r.ctx.Done():
				return
			case <-time.After(portPatience):
			}
			r.waiting = h.openGateway(r.ctx, c)
		}
	})
}

// adopt takes over a cluster's node from the process before, and says whether its gateway may open: not on data that a
// later Tine has made. Clients of a node that cannot be started are better told so by its gateway than by nobody.
func (h *Host) adopt(ctx context.Context, c store.Cluster) bool {
	n := h.node(c)
	log := h.log.With("cluster", c.Name, "node", n.ID())
	var err error
	if c.Suspension == nil {
		err = h.revive(ctx, c, n)
	}
	newer := errors.Is(err, engine.ErrNewerSchema)
	switch {
	case newer:
		log.ErrorContext(ctx, "cluster is not served", "error", err)
	case err != nil:
		log.ErrorContext(ctx, "node could not be started; trying again", "error", err)
	}
	h.watch(c, n)
	return !newer
}

// revive makes the node run, with the schema of this version of Tine.
func (h *Host) revive(ctx context.Context, c store.Cluster, n *engine.Node) error {
	up, err := n.Running(ctx)
	if err != nil {
		return err
	}
	if up {
		return errors.Join(n.Limit(ctx), n.Migrate(ctx), h.noteBuild(ctx, c, n))
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	if err := h.noteBuild(ctx, c, n); err != nil {
		return err
	}
	if err := n.Migrate(ctx); err != nil {
		return err
	}
	return h.cfg.Store.AddEvent(ctx, store.Event{
		ClusterID: c.ID, ClusterName: c.Name, Type: store.EventNodeRestart,
		Message: "The node was not running when the host started, and was started.",
	})
}
