package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/riverqueue/river"

	"tine/internal/store"
)

type destroyWorker struct {
	river.WorkerDefaults[store.DestroyJob]
	host *Host
}

// Work implements river.Worker.
func (w destroyWorker) Work(ctx context.Context, job *river.Job[store.DestroyJob]) error {
	return w.host.destroy(ctx, job.Args.ClusterID)
}

// forkPatience is when a destruction that waits for forks of its cluster looks again.
const forkPatience = 200 * time.Millisecond

// destroy removes everything of a cluster. Its forks have copies of what they share with it.
func (h *Host) destroy(ctx context.Context, id string) error {
	defer h.lockTransfer(id)() // one that is under way notices that nobody wants it
	defer h.lockCluster(id)()
	c, err := h.cfg.Store.Cluster(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.Status != store.StatusDestroying {
		return fmt.Errorf("destroy cluster %s: its status is %s", c.Name, c.Status)
	}
	// A fork that was promised before the destruction was asked for is made first. No new ones can come.
	forks, err := h.cfg.Store.PendingForks(ctx, id)
	if err != nil {
		return err
	}
	if len(forks) > 0 {
		return river.JobSnooze(forkPatience)
	}
	do := map[string]func(context.Context) error{
		"gateway": func(context.Context) error {
			_ = h.unwatch(c.ID) // first, or it might open the gateway again
			h.closeGateway(c.ID)
			return nil
		},
		"node": h.node(c).Kill,
		"volume": func(ctx context.Context) error {
			return errors.Join(h.pool(c).Storage.Delete(ctx, volumeOf(c)), h.dropTransit(ctx, c.ID))
		},
		"history": func(ctx context.Context) error { return h.forgetHistory(ctx, c) },
		"files":   func(context.Context) error { return h.removeFiles(c) },
		"row":     func(ctx context.Context) error { return h.cfg.Store.DeleteCluster(ctx, c.ID) },
	}
	return h.runSteps(ctx, "destroy", inOrder(destroySteps(), do))
}

// forgetHistory removes a cluster's history, and what of the cluster has arrived in pools that it was to migrate to.
func (h *Host) forgetHistory(ctx context.Context, c store.Cluster) error {
	for name, pool := range h.cfg.Pools {
		if name == c.Pool {
			continue
		}
		if err := pool.remove(ctx, c); err != nil {
			return err
		}
	}
	return h.history(c).Forget(ctx, h.source(c, h.node(c)))
}

// removeFiles removes what a cluster's node has outside the pool.
func (h *Host) removeFiles(c store.Cluster) error {
	if err := os.RemoveAll(h.socketDir(c)); err != nil {
		return fmt.Errorf("remove socket directory: %w", err)
	}
	if err := os.RemoveAll(h.ownUsersPath(c.Node.ID)); err != nil {
		return fmt.Errorf("remove users: %w", err)
	}
	logs := filepath.Join(h.cfg.DataDir, "logs")
	names, err := fs.Glob(os.DirFS(logs), c.Node.ID+".*") // its logs, and what log sinks have beside them
	if err != nil {
		return fmt.Errorf("remove log: %w", err)
	}
	for _, name := range names {
		if err := os.Remove(filepath.Join(logs, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove log: %w", err)
		}
	}
	return nil
}
