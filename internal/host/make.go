package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"tine/internal/engine"
	"tine/internal/history"
	"tine/internal/store"
	"tine/internal/users"
	"tine/internal/wal"
)

type createWorker struct {
	river.WorkerDefaults[store.CreateJob]
	host *Host
}

// Work implements river.Worker.
func (w createWorker) Work(ctx context.Context, job *river.Job[store.CreateJob]) error {
	return w.host.make(ctx, job.Args.ClusterID, job.Attempt)
}

type forkWorker struct {
	river.WorkerDefaults[store.ForkJob]
	host *Host
}

// Work implements river.Worker.
func (w forkWorker) Work(ctx context.Context, job *river.Job[store.ForkJob]) error {
	return w.host.make(ctx, job.Args.ClusterID, job.Attempt)
}

// step is a part of an operation. It may be interrupted anywhere.
type step struct {
	name string
	do   func(ctx context.Context) error
}

// makeSteps are the names of the steps of making a cluster, in order.
func makeSteps() []string {
	return []string{"clear", "volume", "node", "doadmin", "durable", "gateway", "online"}
}

// destroySteps are the names of the steps of destroying a cluster, in order.
func destroySteps() []string {
	return []string{"gateway", "node", "volume", "history", "files", "row"}
}

// changeSteps are the names of the steps of changing what a cluster is, in order.
func changeSteps() []string { return []string{"node", "online"} }

// Steps lists the steps of all operations as Config.AfterStep sees them.
func Steps() []string {
	var all []string
	for _, operation := range []string{"create", "fork"} {
		for _, s := range makeSteps() {
			all = append(all, operation+"/"+s)
		}
	}
	for _, s := range destroySteps() {
		all = append(all, "destroy/"+s)
	}
	for _, s := range bringSteps() {
		all = append(all, "transfer/"+s)
	}
	for _, s := range migrateSteps() {
		all = append(all, "migrate/"+s)
	}
	for _, s := range changeSteps() {
		all = append(all, "change/"+s)
	}
	for _, s := range exchangeSteps() {
		all = append(all, "exchange/"+s)
	}
	for _, s := range suspendSteps() {
		all = append(all, "suspend/"+s)
	}
	for _, s := range wakeSteps() {
		all = append(all, "wake/"+s)
	}
	return all
}

func (h *Host) runSteps(ctx context.Context, operation string, steps []step) error {
	for _, s := range steps {
		start := time.Now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s, step %s: %w", operation, s.name, err)
		}
		h.log.DebugContext(ctx, "step done", "operation", operation, "step", s.name, "duration", time.Since(start))
		h.cfg.AfterStep(operation + "/" + s.name)
	}
	return nil
}

// attempts is how often making a cluster is tried before its user is told that it failed: with the store's pauses between
// them about half a minute, in which a source that is recovering from a crash becomes ready.
const attempts = 8

// making is one attempt to make a cluster.
type making struct {
	*Host
	cluster  store.Cluster
	node     *engine.Node
	conn     *pgx.Conn      // to the node, as superuser, once it is ready
	warm     sync.WaitGroup // preparations of the gateway
	recovery engine.Recovery
	from     history.Source   // whose history the volume is made from
	past     *history.History // in which that is
	restored history.Restored
}

// make creates or forks the cluster. It returns nil when there is nothing more to do, also because the attempt is given up.
func (h *Host) make(ctx context.Context, id string, attempt int) error {
	defer h.lockCluster(id)()
	c, err := h.cfg.Store.Cluster(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	operation := "create"
	switch c.Status {
	case store.StatusCreating:
	case store.StatusForking:
		operation = "fork"
	default:
		return nil // online already, or destroyed meanwhile
	}
	m := &making{Host: h, cluster: c, node: h.node(c)}
	defer m.disconnect(ctx)
	err = h.checkRoom(c.Pool)
	if err == nil {
		err = h.runSteps(ctx, operation, m.steps())
	}
	var waits *rivertype.JobSnoozeError
	switch {
	case errors.As(err, &waits), errors.Is(err, errStopping): // it has not begun, or goes on later
		return errors.Join(m.clear(ctx), river.JobSnooze(transferPatience))
	case err != nil:
		return m.giveUp(ctx, err, attempt)
	}
	return nil
}

func (m *making) disconnect(ctx context.Context) {
	if m.conn != nil {
		_ = m.conn.Close(ctx)
		m.conn = nil
	}
}

func (m *making) steps() []step {
	do := map[string]func(context.Context) error{
		"clear":   m.clear,
		"volume":  m.makeVolume,
		"node":    m.startNode,
		"doadmin": m.setPassword,
		"durable": m.makeDurable,
		"gateway": func(ctx context.Context) error {
			m.warm.Wait()
			return m.openGateway(ctx, m.cluster)
		},
		"online": m.goOnline,
	}
	steps := inOrder(makeSteps(), do)
	for i := range steps {
		steps[i].do = m.told(steps[i])
	}
	return steps
}

// told is a step that says when it is complete, for who watches.
func (m *making) told(s step) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := s.do(ctx); err != nil || s.name == "online" {
			return err
		}
		if err := m.cfg.Store.SetPhase(ctx, m.cluster.ID, s.name); err != nil {
			m.log.WarnContext(ctx, "progress not told", "cluster", m.cluster.Name, "error", err)
		}
		return nil
	}
}

// inOrder puts what is to be done into the order of the names.
func inOrder(names []string, do map[string]func(context.Context) error) []step {
	steps := make([]step, len(names))
	for i, name := range names {
		steps[i] = step{name: name, do: do[name]}
	}
	return steps
}

// giveUp undoes the attempt and, if another one would not help, tells the cluster's user.
func (m *making) giveUp(ctx context.Context, cause error, attempt int) error {
	if ctx.Err() != nil {
		return cause // interrupted, to be resumed at the next start
	}
	if err := errors.Join(m.clear(ctx), m.dropTransit(ctx, m.cluster.ID)); err != nil {
		return errors.Join(cause, err)
	}
	if errors.Is(cause, errUnwanted) {
		return nil // the job of its destruction waits for us
	}
	sentence, permanent := explain(cause)
	if !permanent && m.outOfSpace(m.cluster.Pool, cause) {
		sentence, permanent = "The host's disk is full; destroy clusters that are not needed, or add storage, and try again.", true
	}
	if !permanent && attempt < attempts {
		return cause
	}
	m.log.ErrorContext(ctx, "cluster could not be made", "cluster", m.cluster.Name, "error", cause)
	_, err := m.cfg.Store.SetFailed(ctx, m.cluster.ID, sentence)
	return err
}

// errSourceGone says that a fork's source was destroyed before the fork could be made.
var errSourceGone = errors.New("the source was destroyed")

// explain says in a sentence for the cluster's owner why it could not be made, and whether trying again is useless.
func explain(cause error) (sentence string, permanent bool) {
	switch {
	case errors.Is(cause, errSourceGone):
		return "The source was destroyed before the fork could be made.", true
	case errors.Is(cause, history.ErrOutside):
		return "The history of the source no longer reaches back to the moment that was asked for.", true
	case errors.Is(cause, history.ErrBroken):
		return "The history of the source has a gap before the moment that was asked for; fork it at an earlier or a much later one.", true
	default:
		return "The cluster could not be made; the host's log says why. Destroy it and try again.", false
	}
}

// clear removes everything that an earlier attempt may have left.
func (m *making) clear(ctx context.Context) error {
	m.warm.Wait()
	m.disconnect(ctx)
	m.closeGateway(m.cluster.ID)
	if err := m.node.Kill(ctx); err != nil {
		return err
	}
	if err := m.pool(m.cluster).Storage.Delete(ctx, volumeOf(m.cluster)); err != nil {
		return err
	}
	return m.history(m.cluster).Forget(ctx, m.source(m.cluster, m.node))
}

func (m *making) makeVolume(ctx context.Context) error {
	c := m.cluster
	if !c.IsFork() {
		return m.pool(c).Storage.Clone(ctx, m.pool(c).Golden, volumeOf(c))
	}
	for {
		src, err := m.readSource(ctx)
		if err != nil {
			return err
		}
		if err = m.makeVolumeOf(ctx, src); !errors.Is(err, errMoved) {
			return err
		}
	}
}

// errMoved says that a source has moved to another pool since somebody looked where it is.
var errMoved = errors.New("the source has moved to another pool")

func (m *making) readSource(ctx context.Context) (store.Cluster, error) {
	src, err := m.cfg.Store.Cluster(ctx, m.cluster.SourceID)
	if errors.Is(err, store.ErrNotFound) {
		return src, errSourceGone
	}
	return src, err
}

func (m *making) makeVolumeOf(ctx context.Context, src store.Cluster) error {
	if from, elsewhere, err := m.sentFrom(src); err != nil || elsewhere {
		if err == nil {
			err = m.bring(ctx, src, from)
		}
		return err
	}
	return m.copySource(ctx, src, volumeOf(m.cluster))
}

// copySource makes volume, in the source's pool, what the fork begins with. While it waited for a migration to be over the source may have moved: errMoved.
func (m *making) copySource(ctx context.Context, src store.Cluster, volume string) (err error) {
	defer m.keepAsIs(src.ID)() // a stop half-way through would fail it
	if now, err := m.readSource(ctx); err != nil {
		return err
	} else if now.Pool != src.Pool {
		return errMoved
	}
	if m.cluster.ForkAt == nil {
		m.restored.Recovery.Live = true
		m.recovery = m.restored.Recovery
		return m.pool(src).Storage.Clone(ctx, volumeOf(src), volume)
	}
	m.from, m.past = m.liveSource(ctx, src), m.history(src)
	m.restored, err = m.past.Restore(ctx, m.from, target(m.cluster), volume)
	m.recovery = m.restored.Recovery
	return err
}

// target is the state that a fork shall have.
func target(c store.Cluster) history.Target {
	return history.Target{At: *c.ForkAt, LSN: wal.LSN(c.ForkLSN), After: c.ForkAfter}
}

// liveSource is the source of a fork; it is without a connection if its node is down.
func (m *making) liveSource(ctx context.Context, c store.Cluster) history.Source {
	n := m.Host.node(c)
	src := m.source(c, n)
	if up, err := n.Running(ctx); err != nil || !up {
		src.Connect = nil
	}
	return src
}

func (m *making) startNode(ctx context.Context) (err error) {
	m.conn, err = m.node.StartFresh(ctx, m.recovery)
	if m.cluster.ForkAt != nil && (errors.Is(err, engine.ErrExited) || errors.Is(err, engine.ErrIncomplete)) {
		err = errors.Join(err, m.past.Verify(ctx, m.from, m.restored))
	}
	if err == nil {
		// A fork has the schema of its source, as it was then.
		err = engine.Migrate(ctx, m.conn)
	}
	if err == nil {
		// Nobody can come before the gateway opens, but its connections can be made while the disk is waited for.
		m.warm.Go(func() { m.cfg.Gateway.Prepare(ctx, m.gatewayCluster(m.cluster)) })
	}
	return err
}

// setPassword makes the password valid that the answer to the request carried.
func (m *making) setPassword(ctx context.Context) error {
	change := users.Change{Verifier: &m.cluster.DoadminVerifier}
	if err := users.Update(ctx, m.conn, users.Owner, change); err != nil {
		return fmt.Errorf("set password of doadmin: %w", err)
	}
	if m.cluster.FreshVerifiers == nil {
		return nil
	}
	return users.Refresh(ctx, m.conn, m.cluster.FreshVerifiers)
}

// makeDurable takes the first restore point, whose snapshot brings the volume to the disk.
func (m *making) makeDurable(ctx context.Context) error {
	src := m.source(m.cluster, m.node)
	src.Connect = func(context.Context) (*pgx.Conn, func(), error) { return m.conn, func() {}, nil }
	_, err := m.history(m.cluster).TakeFirst(ctx, src, func() error { return m.node.TurnSyncOn(ctx, m.conn) })
	return err
}

func (m *making) goOnline(ctx context.Context) error {
	changed, err := m.cfg.Store.SetOnline(ctx, m.cluster.ID)
	if err != nil {
		return err
	}
	if !changed {
		return m.clear(ctx) // destroyed meanwhile; the job for that waits for our lock
	}
	m.watch(m.cluster, m.node)
	if err := m.dropTransit(ctx, m.cluster.ID); err != nil {
		m.log.WarnContext(ctx, "what was sent is not removed; it is at the next start", "cluster", m.cluster.Name, "error", err)
	}
	if err := m.node.Limit(ctx); err != nil {
		m.log.WarnContext(ctx, "cpu limit not set; it is set at the next start", "cluster", m.cluster.Name, "error", err)
	}
	return nil
}
