package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"tine/internal/databases"
	"tine/internal/engine"
	"tine/internal/store"
	"tine/internal/users"
)

const (
	// idleInterval is how often is looked for nodes that nobody needs. A look asks nobody but the gateway.
	idleInterval = time.Second
	// suspendsAtOnce and wakesAtOnce bound how many nodes are stopped and started at the same time. A start takes a processor for some 100 ms.
	suspendsAtOnce = 2
	wakesAtOnce    = 4
	// suspendPatience is how long the preparations of a stop may take, wakePatience how long a start.
	suspendPatience = 5 * time.Minute
	// requestPatience is how long a suspension that was asked for waits for what ends by itself, such as a command; requestPause is between two tries.
	requestPatience = 3 * time.Second
	requestPause    = 100 * time.Millisecond
	wakePatience    = 5 * time.Minute
)

// suspendSteps are the names of the steps of suspending a cluster, in order; wakeSteps those of waking it.
func suspendSteps() []string { return []string{"history", "row", "node", "archive"} }
func wakeSteps() []string    { return []string{"node", "gateway", "row"} }

type suspendWorker struct {
	river.WorkerDefaults[store.SuspendJob]
	host *Host
}

// Work implements river.Worker.
func (w suspendWorker) Work(ctx context.Context, job *river.Job[store.SuspendJob]) error {
	defer w.host.lockCluster(job.Args.ClusterID)()
	for end := time.Now().Add(requestPatience); time.Now().Before(end); {
		done, err := w.host.suspend(ctx, job.Args.ClusterID, true)
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(requestPause):
		}
	}
	return w.host.cfg.Store.AddEvent(ctx, store.Event{
		ClusterID: job.Args.ClusterID, Type: store.EventNotSuspended,
		Message: "The cluster was not suspended: it is in use, by a command, a transaction, a cursor or an operation of its own.",
	})
}

// suspendIdle suspends the clusters that have been idle for as long as they asked for, until ctx ends.
func (h *Host) suspendIdle(ctx context.Context) {
	var busy sync.WaitGroup
	defer busy.Wait()
	slots := make(chan struct{}, suspendsAtOnce)
	tick := time.NewTicker(idleInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, id := range h.cfg.Gateway.Idle() {
			unlock, ok := h.tryLockCluster(id)
			if !ok {
				continue // something is done with it
			}
			slots <- struct{}{}
			busy.Go(func() {
				defer func() { <-slots }()
				defer unlock()
				if _, err := h.suspend(ctx, id, false); err != nil && ctx.Err() == nil {
					h.log.ErrorContext(ctx, "cluster could not be suspended; trying again", "cluster_id", id, "error", err)
				}
			})
		}
	}
}

// suspend stops the node of an online cluster that nobody needs, and nobody has needed for as long as it asks for, unless now is set. It returns false,
// and leaves all as it was, if somebody does. It may be interrupted anywhere: a node that still runs at the next start of the host stays awake. The caller
// has the cluster's lock.
func (h *Host) suspend(ctx context.Context, id string, now bool) (done bool, err error) {
	lock := h.usesOf(id)
	if !lock.TryLock() {
		return false, nil
	}
	defer lock.Unlock()
	c, err := h.asItRuns(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	r := h.runningOf(id)
	if c.Status != store.StatusOnline || r == nil {
		return false, nil
	}
	if c.Suspension != nil {
		return true, nil
	}
	s := &suspending{Host: h, cluster: c, node: h.node(c), idle: c.SuspendAfter}
	if now {
		s.idle = 0
	} else if s.idle == 0 {
		return false, nil // it was changed just now
	}
	ctx, cancel := context.WithTimeout(ctx, suspendPatience)
	defer cancel()
	waiting := h.unwatch(id) // or it would start the node again
	err = h.runSteps(ctx, "suspend", s.steps())
	if errors.Is(err, errInUse) {
		err = nil
	}
	if s.asleep {
		h.rest.suspensions.Inc()
		c.Suspension = &store.Suspension{Contents: s.contents}
	}
	h.watchOn(c, s.node, r)
	if waiting != nil {
		h.openLater(c, waiting)
	}
	if s.unrecorded {
		h.recordAwakeLater(id, messageAwake)
	}
	return s.asleep, err
}

// errInUse says that a cluster was not suspended because somebody needs its node.
var errInUse = errors.New("the cluster is in use")

// suspending is one attempt to suspend a cluster.
type suspending struct {
	*Host
	cluster  store.Cluster
	node     *engine.Node
	idle     time.Duration
	contents json.RawMessage
	asleep   bool // no command comes to the node, and the row says so
	// unrecorded says that the row says so although it is not.
	unrecorded bool
}

func (s *suspending) steps() []step {
	return inOrder(suspendSteps(), map[string]func(context.Context) error{
		"history": s.keepHistory,
		"row":     s.closeGate,
		"node":    s.stopNode,
		"archive": func(ctx context.Context) error {
			return s.history(s.cluster).AfterStop(ctx, s.source(s.cluster, s.node))
		},
	})
}

// keepHistory does for the cluster's history what it needs the node for, and asks what is in the cluster, while clients may still come.
func (s *suspending) keepHistory(ctx context.Context) error {
	src := s.source(s.cluster, s.node)
	if _, err := s.history(s.cluster).Collect(ctx, src); err != nil {
		return err
	}
	if err := s.history(s.cluster).BeforeStop(ctx, src); err != nil {
		return err
	}
	conn, err := s.node.Connect(ctx, engine.RoleGateway)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	known, err := readContents(ctx, conn)
	if err != nil {
		return err
	}
	s.contents, err = json.Marshal(known)
	return err
}

func readContents(ctx context.Context, conn *pgx.Conn) (known store.Contents, err error) {
	all, err := users.List(ctx, conn)
	if err != nil {
		return known, err
	}
	if known.Users, err = json.Marshal(all); err != nil {
		return known, fmt.Errorf("encode users: %w", err)
	}
	known.Databases, err = databases.List(ctx, conn)
	return known, err
}

// closeGate has clients wait from now on, and records it, in one go: a gateway that is opened again must not think that the node runs.
func (s *suspending) closeGate(ctx context.Context) error {
	s.gateways.Lock()
	defer s.gateways.Unlock()
	if !s.cfg.Gateway.Suspend(s.cluster.ID, s.idle) {
		return errInUse
	}
	changed, err := s.cfg.Store.SetSuspended(ctx, s.cluster.ID, s.contents)
	if err != nil || !changed { // destroyed meanwhile, or changed
		s.cfg.Gateway.Woken(s.cluster.ID)
		if err == nil {
			err = errInUse
		}
		return err
	}
	s.asleep = true
	return nil
}

// stopNode stops the node in order. One that cannot be stopped is served again.
func (s *suspending) stopNode(ctx context.Context) error {
	err := s.node.Stop(ctx, stopPatience)
	if err == nil {
		return nil
	}
	s.asleep = false
	s.cfg.Gateway.Woken(s.cluster.ID)
	failed := s.cfg.Store.SetAwake(context.WithoutCancel(ctx), s.cluster.ID, "The node could not be stopped, and is in use again.")
	s.unrecorded = failed != nil
	return errors.Join(err, failed)
}

// useNode keeps a cluster's node from being suspended until the returned function is called. If it is suspended it is woken, or that is the error.
func (h *Host) useNode(ctx context.Context, clusterID string, wake bool) (release func(), err error) {
	lock := h.usesOf(clusterID)
	for {
		for !lock.TryRLock() { // unlike RLock it does not outlast its caller's patience
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(usePatience):
			}
		}
		if r := h.runningOf(clusterID); r == nil || !r.asleep {
			return lock.RUnlock, nil
		}
		lock.RUnlock()
		if !wake {
			return nil, store.ErrSuspended
		}
		if err := h.wakeFor(ctx, clusterID); err != nil {
			return nil, err
		}
	}
}

// wakeFor is Wake for somebody who may go away; the start goes on.
func (h *Host) wakeFor(ctx context.Context, clusterID string) error {
	done := make(chan error, 1)
	go func() { done <- h.Wake(clusterID) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// keepAsIs keeps a cluster's node from being suspended, or stopped half-way, until the returned function is called; it wakes nobody.
func (h *Host) keepAsIs(clusterID string) (release func()) {
	lock := h.usesOf(clusterID)
	lock.RLock()
	return lock.RUnlock
}

func (h *Host) runningOf(id string) *running {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.running[id]
}

// keepSuspended does what the history of a suspended cluster needs, until ctx ends.
func (h *Host) keepSuspended(ctx context.Context, c store.Cluster, n *engine.Node) {
	tick := time.NewTicker(pruneInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for more := true; more && ctx.Err() == nil; {
			var err error
			more, err = h.history(c).Prune(ctx, h.source(c, n))
			if err != nil && ctx.Err() == nil {
				h.log.ErrorContext(ctx, "history could not be pruned; trying again", "cluster", c.Name, "error", err)
			}
		}
	}
}

// adoptSuspended takes over a suspended cluster from the process before. One whose node runs was about to be stopped, or had just been
// started: it is awake. It says whether the cluster is still suspended; if not, and with an error, the row does not say so yet.
func (h *Host) adoptSuspended(ctx context.Context, c store.Cluster) (bool, error) {
	up, err := h.node(c).Running(ctx)
	if err != nil || !up {
		return true, err
	}
	return false, h.cfg.Store.SetAwake(ctx, c.ID, "The host was started again while the cluster was being suspended or woken: it is awake.")
}
