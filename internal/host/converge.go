package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tine/internal/store"
)

// converge makes the machine what the store says: nothing runs or lies about that belongs to no cluster, and every online
// cluster is served.
func (h *Host) converge(ctx context.Context) error {
	clusters, err := h.cfg.Store.ClustersOnHost(ctx, h.cfg.Name)
	if err != nil {
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
	ids := make(map[string]bool)
	for _, c := range clusters {
		if c.Status == store.StatusFailed {
			continue
		}
		nodes[c.Node.ID] = true
		ids[c.ID] = true
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
	names, err := h.cfg.Pool.List(volumes)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !nodes[name] {
			if err := h.cfg.Pool.Delete(ctx, volumes+"/"+name); err != nil {
				return fmt.Errorf("remove orphaned volume %s: %w", name, err)
			}
		}
	}
	if err := h.removeOldGolden(ctx); err != nil {
		return err
	}
	for _, dir := range []string{"sockets", "logs"} {
		if err := removeUnknown(filepath.Join(h.cfg.DataDir, dir), nodes); err != nil {
			return err
		}
	}
	return h.cfg.History.Sweep(ctx, ids)
}

// removeOldGolden removes the golden volumes of earlier engines and configurations. Clusters that were made from them do not need them.
func (h *Host) removeOldGolden(ctx context.Context) error {
	dir := path.Dir(h.cfg.Golden)
	names, err := h.cfg.Pool.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if volume := dir + "/" + name; volume != h.cfg.Golden {
			if err := h.cfg.Pool.Delete(ctx, volume); err != nil {
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

// serve opens the gateways of the online clusters, adopts the nodes that run and starts those that do not. A node that cannot be
// started, or a port that is taken, does not keep the others from working: it is tried again in the background.
func (h *Host) serve(ctx context.Context, clusters []store.Cluster) {
	slots := make(chan struct{}, startsAtOnce)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range clusters {
		if c.Status != store.StatusOnline {
			continue
		}
		// Clients that are there already wait for their node, not for the gateway.
		err := h.openGateway(ctx, c)
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			h.adopt(ctx, c)
			if err != nil {
				h.openLater(c, err)
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
	r.tasks.Go(func() {
		for err != nil {
			h.log.Error("gateway cannot be opened; trying again", "cluster", c.Name, "error", err)
			select {
			case <-r.ctx.Done():
				return
			case <-time.After(portPatience):
			}
			err = h.openGateway(r.ctx, c)
		}
	})
}

// adopt takes over a cluster's node from the process before.
func (h *Host) adopt(ctx context.Context, c store.Cluster) {
	n := h.node(c)
	log := h.log.With("cluster", c.Name, "node", n.ID())
	up, err := n.Running(ctx)
	if up {
		err = n.Limit(ctx)
	} else if err == nil {
		err = n.Start(ctx)
		if err == nil {
			err = h.cfg.Store.AddEvent(ctx, store.Event{
				ClusterID: c.ID, ClusterName: c.Name, Type: store.EventNodeRestart,
				Message: "The node was not running when the host started, and was started.",
			})
		}
	}
	if err != nil {
		log.ErrorContext(ctx, "node could not be started; trying again", "error", err)
	}
	h.watch(c, n)
}
