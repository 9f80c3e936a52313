package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/riverqueue/river"

	"tine/internal/engine"
	"tine/internal/store"
	"tine/internal/users"
)

type swapWorker struct {
	river.WorkerDefaults[store.SwapJob]
	host *Host
}

// Work implements river.Worker.
func (w swapWorker) Work(ctx context.Context, job *river.Job[store.SwapJob]) error {
	return w.host.exchange(ctx, job.Args.ClusterID, job.Attempt)
}

// exchangePatience is when an exchange that could not go on is tried again.
const exchangePatience = time.Second

// exchange gives two clusters each other's node. Up to the one transaction that does it, both are as they were and a failure leaves them so;
// from then on it is only a matter of going on until both are served.
func (h *Host) exchange(ctx context.Context, id string, attempt int) error {
	x, err := h.cfg.Store.Exchange(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // done, or given up
	}
	if err != nil {
		return err
	}
	defer h.lockCluster(min(x.ClusterID, x.OtherID))()
	defer h.lockCluster(max(x.ClusterID, x.OtherID))()
	if x, err = h.cfg.Store.Exchange(ctx, id); errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if waiting, err := h.hasForks(ctx, x); err != nil {
		return err
	} else if waiting {
		return river.JobSnooze(forkPatience)
	}
	e := &exchanging{Host: h, x: x, done: x.ExchangedAt != nil, attempt: attempt, listeners: map[string]net.Listener{}, idle: map[string]bool{}}
	if err := e.wakeBoth(ctx); err != nil {
		return e.goOnLater(ctx, err)
	}
	err = h.runSteps(ctx, "exchange", e.steps())
	if err == nil {
		return nil
	}
	if errors.Is(err, store.ErrUnknown) {
		e.abandon() // the next start serves both with the nodes that their rows name then
		return err
	}
	e.serveAgain(ctx)
	return e.goOnLater(ctx, err)
}

// goOnLater has an exchange tried again, or gives it up if nothing has changed yet and another attempt would not help.
func (e *exchanging) goOnLater(ctx context.Context, cause error) error {
	sentence := "The data could not be exchanged; the host's log says why. Nothing has changed."
	newer := errors.Is(cause, engine.ErrNewerSchema)
	if newer {
		sentence = "The data could not be exchanged: one of the clusters was used by a later version of Tine, which must be started again. Nothing has changed."
	}
	switch {
	case ctx.Err() != nil:
		return cause // interrupted, to be resumed at the next start
	case e.done:
		e.log.ErrorContext(ctx, "exchange could not be finished; trying again", "cluster_id", e.x.ClusterID, "error", cause)
		return river.JobSnooze(exchangePatience)
	case newer, e.attempt >= attempts:
		e.log.ErrorContext(ctx, "exchange given up", "cluster_id", e.x.ClusterID, "error", cause)
		return e.cfg.Store.CancelExchange(ctx, e.x.ClusterID, sentence)
	default:
		return cause
	}
}

// wakeBoth has both clusters awake: users are carried from node to node.
func (e *exchanging) wakeBoth(ctx context.Context) error {
	for _, id := range e.ids() {
		if err := e.wakeLocked(ctx, id); err != nil {
			return err
		}
		if _, err := e.asItRuns(ctx, id); err != nil { // the rows say from here on who is watched, and how
			return err
		}
	}
	return nil
}

// hasForks says whether forks of the clusters are being made, which read their histories. No new ones can come.
func (h *Host) hasForks(ctx context.Context, x store.Exchange) (bool, error) {
	if x.ExchangedAt != nil {
		return false, nil
	}
	for _, id := range []string{x.ClusterID, x.OtherID} {
		forks, err := h.cfg.Store.PendingForks(ctx, id)
		if err != nil || len(forks) > 0 {
			return true, err
		}
	}
	return false, nil
}

// exchanging is one attempt to exchange the nodes of two clusters.
type exchanging struct {
	*Host
	x       store.Exchange
	attempt int
	done    bool      // the nodes are exchanged
	cutAt   time.Time // when clients were cut off

	listeners map[string]net.Listener // by cluster ID: open, and nobody serves on them
	idle      map[string]bool         // by cluster ID: nobody watches the node
	unlock    func()                  // lets the control plane in again
}

// exchangeSteps are the names of the steps of exchanging two clusters' nodes, in order.
func exchangeSteps() []string { return []string{"cut", "users", "rows", "nodes", "gateways", "online"} }

func (e *exchanging) steps() []step {
	do := map[string]func(context.Context) error{
		"cut":   e.cut,
		"users": e.carryUsers,
		"rows": func(ctx context.Context) error {
			if e.done {
				return nil
			}
			err := e.untilKnown(ctx, func(ctx context.Context) error { return e.cfg.Store.ExchangeNodes(ctx, e.x.ClusterID, e.cutAt) })
			e.done = err == nil
			return err
		},
		"nodes":    e.runNodes,
		"gateways": e.openGateways,
		"online":   func(ctx context.Context) error { return e.cfg.Store.FinishExchange(ctx, e.x.ClusterID) },
	}
	return inOrder(exchangeSteps(), do)
}

func (e *exchanging) ids() []string { return []string{e.x.ClusterID, e.x.OtherID} }

// both reads the rows of both clusters, as they are now.
func (e *exchanging) both(ctx context.Context) (c, other store.Cluster, err error) {
	if c, err = e.cfg.Store.Cluster(ctx, e.x.ClusterID); err != nil {
		return c, other, err
	}
	other, err = e.cfg.Store.Cluster(ctx, e.x.OtherID)
	return c, other, err
}

// cut ends everybody's work on both clusters: clients', the control plane's and our own. The listeners stay open.
func (e *exchanging) cut(ctx context.Context) error {
	for _, id := range e.ids() {
		e.idle[id] = true
		_ = e.unwatch(id)
		if e.done {
			continue // the gateway that is open, if one is, knows the right node
		}
		if ln := e.cutGateway(ctx, id); ln != nil {
			e.listeners[id] = ln
		}
	}
	e.unlock = e.lockUses(e.ids())
	e.cutAt = time.Now()
	return nil
}

// withoutUsers is after how many attempts a cluster is restored whose own users cannot be read, because its node is broken: that is when a
// restore is needed most. It has the users of the moment then.
const withoutUsers = attempts - 1

// carryUsers gives each cluster's present users to the data that it gets. What stays behind keeps its own. Data of a cluster that is swapped are in use until the
// rows are exchanged, and after an attempt that fails, so what they had is kept until then.
func (e *exchanging) carryUsers(ctx context.Context) error {
	if e.done {
		return nil
	}
	c, other, err := e.both(ctx)
	if err != nil {
		return err
	}
	saved, err := e.readUsers(ctx, c)
	if err != nil && e.x.Kind != store.ExchangeSwap && e.attempt >= withoutUsers {
		return e.doWithoutUsers(ctx, c, other)
	}
	if err != nil {
		return err
	}
	if e.x.Kind == store.ExchangeSwap {
		others, err := e.readUsers(ctx, other)
		if err != nil {
			return err
		}
		if err := errors.Join(e.keepOwnUsers(c, saved), e.keepOwnUsers(other, others)); err != nil {
			return err
		}
		if err := e.writeUsers(ctx, c, others); err != nil {
			return err
		}
	}
	return e.writeUsers(ctx, other, saved)
}

func (e *exchanging) readUsers(ctx context.Context, c store.Cluster) (saved []users.Saved, err error) {
	if err := e.settleUsers(ctx, c); err != nil {
		return nil, err
	}
	err = e.onNode(ctx, c, func(db users.DB) (err error) {
		saved, err = users.Save(ctx, db)
		return err
	})
	return saved, err
}

func (e *exchanging) writeUsers(ctx context.Context, c store.Cluster, saved []users.Saved) error {
	return e.onNode(ctx, c, func(db users.DB) error { return users.Carry(ctx, db, saved) })
}

func (h *Host) onNode(ctx context.Context, c store.Cluster, do func(users.DB) error) error {
	conn, err := h.node(c).Connect(ctx, engine.RoleSuperuser)
	if err != nil {
		return fmt.Errorf("reach cluster %s: %w", c.Name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return do(conn)
}

func (e *exchanging) doWithoutUsers(ctx context.Context, c, other store.Cluster) error {
	err := e.onNode(ctx, other, func(db users.DB) error {
		return users.Update(ctx, db, users.Owner, users.Change{Verifier: &c.DoadminVerifier})
	})
	if err != nil {
		return err
	}
	return e.cfg.Store.AddEvent(ctx, store.Event{
		ClusterID: c.ID, ClusterName: c.Name, Type: "cluster_" + e.x.Kind,
		Message: "The node does not answer, so that its users could not be taken over: the cluster will have those of the state that it gets, and the password that doadmin had at first.",
	})
}

// settleBoth is settleUsers while nobody can change users. What fails is tried again by whoever opens the gateway.
func (e *exchanging) settleBoth(ctx context.Context) {
	if e.unlock == nil {
		return // nothing was cut
	}
	c, other, err := e.both(ctx)
	if err == nil {
		err = errors.Join(e.settleUsers(ctx, c), e.settleUsers(ctx, other))
	}
	if err != nil {
		e.log.ErrorContext(ctx, "users could not be put back; trying again before clients come", "error", err)
	}
}

// runNodes has each node run as its cluster now needs it.
func (e *exchanging) runNodes(ctx context.Context) error {
	e.release()
	c, other, err := e.both(ctx)
	if err != nil {
		return err
	}
	for _, c := range []store.Cluster{c, other} {
		n := e.node(c)
		if c.NodeSize != c.Size {
			if err := e.cycle(ctx, n); err != nil {
				return fmt.Errorf("start node of cluster %s with its plan: %w", c.Name, err)
			}
		}
		if err := errors.Join(n.Apply(ctx), e.noteBuild(ctx, c, n)); err != nil {
			return err
		}
		e.watch(c, n)
		delete(e.idle, c.ID)
	}
	return nil
}

func (e *exchanging) openGateways(ctx context.Context) error {
	c, other, err := e.both(ctx)
	if err != nil {
		return err
	}
	for _, c := range []store.Cluster{c, other} {
		if err := e.openOn(ctx, c.ID); err != nil {
			e.openLater(c, err)
		}
	}
	return nil
}

// openOn opens a cluster's gateway on the listener that was kept, or on a new one. It may be open already.
func (e *exchanging) openOn(ctx context.Context, id string) error {
	e.gateways.Lock()
	defer e.gateways.Unlock()
	if _, open := e.versions[id]; open {
		return nil
	}
	c, err := e.cfg.Store.Cluster(ctx, id)
	if err != nil {
		return err
	}
	ln := e.listeners[id]
	if ln == nil {
		return e.openGatewayLocked(ctx, c)
	}
	if err := e.settleUsers(ctx, c); err != nil {
		return err
	}
	if err := e.serveOn(c, ln); err != nil {
		return err
	}
	delete(e.listeners, id)
	return nil
}

func (e *exchanging) release() {
	if e.unlock != nil {
		e.unlock()
		e.unlock = nil
	}
}

// abandon leaves both clusters to the next start of the host.
func (e *exchanging) abandon() {
	e.release()
	for _, ln := range e.listeners {
		_ = ln.Close()
	}
}

// serveAgain makes good what an attempt left undone, so that both clusters are served with the nodes that they have now.
func (e *exchanging) serveAgain(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	e.settleBoth(ctx)
	e.release()
	for _, id := range e.ids() {
		c, err := e.cfg.Store.Cluster(ctx, id)
		if err == nil && e.idle[id] {
			e.watch(c, e.node(c))
		}
		if err == nil {
			err = e.openOn(ctx, id)
		}
		if ln := e.listeners[id]; ln != nil {
			_ = ln.Close()
		}
		if err != nil && e.watched(id) {
			e.openLater(c, err)
		}
	}
}
