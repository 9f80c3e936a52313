package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"tine/internal/engine"
	"tine/internal/store"
)

type reconfigureWorker struct {
	river.WorkerDefaults[store.ReconfigureJob]
	host *Host
}

// Work implements river.Worker.
func (w reconfigureWorker) Work(ctx context.Context, job *river.Job[store.ReconfigureJob]) error {
	return w.host.reconfigure(ctx, job.Args.ClusterID, job.Attempt)
}

type maintenanceWorker struct {
	river.WorkerDefaults[store.MaintenanceJob]
	host *Host
}

// Work implements river.Worker.
func (w maintenanceWorker) Work(ctx context.Context, job *river.Job[store.MaintenanceJob]) error {
	return w.host.maintain(ctx, job.Args.ClusterID)
}

// reconfigure brings a cluster's node to the plan that the row has, or the cluster to another pool. Storage is the row's alone, and so is the region as long as the
// pool stays the same.
func (h *Host) reconfigure(ctx context.Context, id string, attempt int) error {
	t, err := h.cfg.Store.Transfer(ctx, id)
	if err == nil {
		return h.migrate(ctx, id, t, attempt)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	defer h.lockCluster(id)()
	c, err := h.asItRuns(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.Status != store.StatusResizing && c.Status != store.StatusMigrating {
		return nil // done already, or destroyed meanwhile
	}
	do := map[string]func(context.Context) error{
		"node": func(ctx context.Context) error {
			if c.NodeSize == c.Size || c.Suspension != nil { // a suspended one is started with it
				return nil
			}
			return h.startAgain(ctx, c)
		},
		"online": func(ctx context.Context) error { return h.finishChange(ctx, c) },
	}
	return h.runSteps(ctx, "change", inOrder(changeSteps(), do))
}

func (h *Host) finishChange(ctx context.Context, c store.Cluster) error {
	if err := h.cfg.Store.FinishReconfiguration(ctx, c.ID, c.Size); err != nil {
		return err
	}
	return h.applySettings(ctx, c.ID) // the plan has another limit of connections
}

// maintain starts a cluster's node again on the engine that is installed now.
func (h *Host) maintain(ctx context.Context, id string) error {
	defer h.lockCluster(id)()
	c, err := h.asItRuns(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if !c.IsServed() {
		return nil
	}
	if c.Suspension != nil { // waking it is a start
		err = h.wakeLocked(ctx, c.ID)
	} else {
		err = h.startAgain(ctx, c)
	}
	if err != nil {
		return err
	}
	return h.cfg.Store.AddEvent(ctx, store.Event{
		ClusterID: c.ID, ClusterName: c.Name, Type: store.EventMaintenance, Message: "The updates are installed: the node was started again.",
	})
}

// startAgain stops a cluster's node and starts it with the plan that the cluster has now. Clients wait meanwhile, as they do when a node
// dies. It may be repeated from whatever it had come to.
func (h *Host) startAgain(ctx context.Context, c store.Cluster) error {
	n := h.node(c)
	if err := h.checkpoint(ctx, n); err != nil {
		h.log.WarnContext(ctx, "no checkpoint before the node is stopped, which takes longer", "cluster", c.Name, "error", err)
	}
	waiting := h.unwatch(c.ID) // or it would start the node as it was
	err := h.cycle(ctx, n)
	h.watch(c, n)
	if waiting != nil {
		h.openLater(c, waiting)
	}
	if err != nil {
		return fmt.Errorf("start node of cluster %s again: %w", c.Name, err)
	}
	h.cfg.Gateway.Restarted(c.ID)
	return h.noteBuild(ctx, c, n)
}

// noteBuild records whether a cluster's node runs with an older engine or older settings than there are now.
func (h *Host) noteBuild(ctx context.Context, c store.Cluster, n *engine.Node) error {
	outdated, err := n.Outdated()
	if err != nil {
		return err
	}
	return h.cfg.Store.SetUpdatePending(ctx, c.ID, outdated)
}

func (h *Host) cycle(ctx context.Context, n *engine.Node) error {
	if err := n.Stop(ctx, stopPatience); err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	return n.Migrate(ctx)
}

// checkpoint writes what the node has in memory, so that its stop has little left to write while clients wait.
func (h *Host) checkpoint(ctx context.Context, n *engine.Node) error {
	conn, err := n.Connect(ctx, engine.RoleSuperuser)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "CHECKPOINT", pgx.QueryExecModeExec); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}
