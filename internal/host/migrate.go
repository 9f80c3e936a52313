package host

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"tine/internal/engine"
	"tine/internal/history"
	"tine/internal/store"
)

// migrateSteps are the names of the steps of moving a cluster to another pool, in order.
func migrateSteps() []string {
	return []string{"points", "wal", "live", "cut", "row", "node", "clear", "online"}
}

const (
	// A migration sends the live volume again and again, until what was written meanwhile is little or it has done so often enough; then the node is stopped for the rest.
	littleLeft = 16 << 20
	mostRounds = 6
	// unknownPatience is how long is waited for the answer to a record that is tried again because it is not known whether it was made. It is less than the host's stop waits.
	unknownPatience = 2 * time.Second
)

// migration is one attempt to move a cluster to another pool of the host.
type migration struct {
	*transfer
	cluster store.Cluster
	done    bool   // the row says that the cluster is there
	last    string // the last volume that arrived, in both pools; empty: none has
	number  int    // of last

	nowhere bool // nobody knows where the row says that the cluster is

	unlock   func()    // lets others work on the cluster again
	began    time.Time // when the cut began: nobody watches the node since; zero: it has not
	before   *running  // as it was watched
	waiting  error     // why its gateway was not open
	stoppage time.Duration
}

// migrate moves a cluster to the pool of its new region. It may be interrupted anywhere: what has arrived stays, and the row says where the cluster is.
func (h *Host) migrate(ctx context.Context, id string, t store.Transfer, attempt int) error {
	defer h.lockTransfer(id)()
	c, err := h.cfg.Store.Cluster(ctx, id)
	if err != nil || c.Status != store.StatusMigrating {
		return ignoreGone(err)
	}
	to, known := h.cfg.Pools[t.ToPool]
	if !known {
		return h.cfg.Store.EndMigration(ctx, c.ID, store.EventNotMigrated,
			fmt.Sprintf("The cluster was not migrated: the region %s has no pool of its own any more. It is in %s, as before.", t.ToRegion, t.FromRegion))
	}
	x, end, err := h.beginTransfer(ctx, t, h.pool(c), to, c.ID)
	if err != nil {
		return err
	}
	defer end()
	m := &migration{transfer: x, cluster: c, done: c.Pool == t.ToPool}
	err = h.runSteps(ctx, "migrate", m.steps())
	m.serveAgain(ctx)
	var waits *rivertype.JobSnoozeError
	switch {
	case err == nil, errors.As(err, &waits):
		return err
	case errors.Is(err, errUnwanted): // the job of its destruction waits for us
		return nil
	case errors.Is(err, errStopping), ctx.Err() != nil:
		return river.JobSnooze(transferPatience)
	case m.done:
		h.log.ErrorContext(ctx, "migration could not be finished; trying again", "cluster", c.Name, "error", err)
		return river.JobSnooze(exchangePatience)
	case attempt < attempts && !h.outOfSpace(t.ToPool, err):
		return err
	default:
		h.log.ErrorContext(ctx, "migration given up", "cluster", c.Name, "error", err)
		return m.giveUp(ctx)
	}
}

func ignoreGone(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// lockTransfer makes the caller the only one that sends a cluster, or removes what was sent of it. It comes before lockCluster.
func (h *Host) lockTransfer(id string) func() { return h.lockCluster("transfer/" + id) }

func (m *migration) steps() []step {
	do := map[string]func(context.Context) error{
		"points": func(ctx context.Context) error {
			if err := m.resume(); err != nil {
				return err
			}
			if err := m.estimate(ctx); err != nil {
				return err
			}
			return m.sendPoints(ctx)
		},
		"wal":    m.sendWAL,
		"live":   m.catchUp,
		"cut":    m.cut,
		"row":    m.move,
		"node":   m.serveThere,
		"clear":  m.clear,
		"online": m.goOnline,
	}
	steps := inOrder(migrateSteps(), do)
	for m.done && steps[0].name != "node" {
		steps = steps[1:]
	}
	return steps
}

// name is what the next volume to be sent is called, in both pools: its number says what came before it.
func (m *migration) name(volume string) string {
	return fmt.Sprintf("%s/%06d-%s", transitOf(m.cluster.ID), m.number+1, path.Base(volume))
}

// resume finds out what has arrived last.
func (m *migration) resume() error {
	dir := transitOf(m.cluster.ID)
	here, err := m.from.Storage.List(dir)
	if err != nil {
		return err
	}
	m.last, m.number = "", 0
	for _, name := range here {
		digits, _, _ := strings.Cut(name, "-")
		number, err := strconv.Atoi(digits)
		if err != nil {
			continue
		}
		there, err := m.to.Storage.Exists(dir + "/" + name)
		if err != nil {
			return err
		}
		if there && number > m.number {
			m.last, m.number = dir+"/"+name, number
		}
	}
	if m.last == "" {
		m.KeptBytes = 0
	}
	return nil
}

// sendNext sends a copy of a volume as it is now, as the difference to what arrived last.
func (m *migration) sendNext(ctx context.Context, volume string) error {
	name := m.name(volume)
	if err := m.removeOthers(ctx, name); err != nil {
		return err
	}
	there, err := m.from.Storage.Exists(name)
	if err == nil && !there {
		err = m.from.Storage.Snapshot(ctx, volume, name)
	}
	if err != nil {
		return err
	}
	if err := m.send(ctx, name, m.last); err != nil {
		return err
	}
	m.last, m.number = name, m.number+1
	return m.removeOthers(ctx, name)
}

// removeOthers removes what was sent before the last, and what was to be sent next in place of name.
func (m *migration) removeOthers(ctx context.Context, name string) error {
	dir := transitOf(m.cluster.ID)
	for _, pool := range []Pool{m.from, m.to} {
		names, err := pool.Storage.List(dir)
		if err != nil {
			return err
		}
		for _, other := range names {
			if other = dir + "/" + other; other == m.last || other == name {
				continue
			}
			if err := pool.Storage.Delete(ctx, other); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendPoints sends the restore points that have not arrived, oldest first, until there are no more.
func (m *migration) sendPoints(ctx context.Context) error {
	for {
		missing, err := m.missingPoints(ctx)
		if err != nil || len(missing) == 0 {
			return err
		}
		volume := missing[0].Volume
		err = m.sendNext(ctx, volume)
		if err == nil {
			err = m.to.Storage.Snapshot(ctx, m.last, volume)
		}
		if err == nil {
			continue
		}
		if there, failed := m.from.Storage.Exists(volume); there || failed != nil {
			return errors.Join(err, failed)
		} // else it was too old by now
	}
}

func (m *migration) missingPoints(ctx context.Context) (missing []store.RestorePoint, err error) {
	points, err := m.cfg.Store.RestorePoints(ctx, m.cluster.ID)
	if err != nil {
		return nil, err
	}
	for _, p := range points {
		there, err := m.to.Storage.Exists(p.Volume)
		if err != nil {
			return nil, err
		}
		if !there {
			missing = append(missing, p)
		}
	}
	return missing, nil
}

// estimate says how much there is to send.
func (m *migration) estimate(ctx context.Context) error {
	missing, err := m.missingPoints(ctx)
	if err != nil {
		return err
	}
	rest, before := int64(0), m.lastOriginal()
	for _, volume := range append(volumesOf(missing), volumeOf(m.cluster)) {
		size, err := m.from.Storage.SendSize(volume, before)
		if err != nil {
			if there, failed := m.from.Storage.Exists(volume); failed == nil && !there {
				continue // too old by now
			}
			return err
		}
		rest, before = rest+size, volume
	}
	wal, err := m.from.History.MissingWAL(m.cluster.HistoryID, m.to.History)
	if err != nil {
		return err
	}
	return m.expect(ctx, rest+wal)
}

// lastOriginal is the volume that was sent last, for estimates: those of a restore point count from when that was taken, not from when it was put aside.
func (m *migration) lastOriginal() string {
	_, name, _ := strings.Cut(path.Base(m.last), "-")
	point := history.PointVolume(m.cluster.HistoryID, name)
	if there, err := m.from.Storage.Exists(point); m.last != "" && err == nil && there {
		return point
	}
	return m.last
}

func volumesOf(points []store.RestorePoint) []string {
	names := make([]string, len(points))
	for i, p := range points {
		names[i] = p.Volume
	}
	return names
}

func (m *migration) sendWAL(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.stop, func() { cancel(errStopping) })()
	m.SentBytes = m.KeptBytes
	err := m.from.History.CopyWAL(ctx, m.cluster.HistoryID, m.to.History, m.pace)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	default:
		m.KeptBytes = m.SentBytes
		return nil
	}
}

// catchUp sends the live volume until little is left to be sent.
func (m *migration) catchUp(ctx context.Context) error {
	for range mostRounds {
		m.flush(ctx)
		left, err := m.from.Storage.SendSize(volumeOf(m.cluster), m.lastOriginal())
		if err != nil {
			return err
		}
		if err := m.sendNext(ctx, volumeOf(m.cluster)); err != nil {
			return err
		}
		if err := m.sendPoints(ctx); err != nil {
			return err
		}
		if err := m.sendWAL(ctx); err != nil || left <= littleLeft {
			return err
		}
	}
	return nil
}

// cut stops the node, and sends what is left. Clients wait from now on.
func (m *migration) cut(ctx context.Context) error {
	m.pacer.hurry = true
	if err := m.stopHere(ctx); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{
		m.sendPoints, m.sendWAL,
		func(ctx context.Context) error { return m.sendNext(ctx, volumeOf(m.cluster)) },
		func(ctx context.Context) error { return m.to.Storage.Delete(ctx, volumeOf(m.cluster)) },
		func(ctx context.Context) error { return m.to.Storage.Clone(ctx, m.last, volumeOf(m.cluster)) },
		m.dropOldPoints,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// flush has the node write what it has in memory, so that it is sent before the node is stopped.
func (m *migration) flush(ctx context.Context) {
	if m.cluster.Suspension != nil {
		return
	}
	if err := m.checkpoint(ctx, m.node(m.cluster)); err != nil {
		m.log.WarnContext(ctx, "no checkpoint before the node is stopped, which takes longer", "cluster", m.cluster.Name, "error", err)
	}
}

// stopHere keeps everybody out of the cluster's data and stops its node.
func (m *migration) stopHere(ctx context.Context) error {
	id := m.cluster.ID
	unlockCluster := m.lockCluster(id)
	unlockUses := m.lockUses([]string{id})
	m.unlock = func() { unlockUses(); unlockCluster() }
	c, err := m.asItRuns(ctx, id)
	if err != nil {
		return err
	}
	if c.Status != store.StatusMigrating {
		return errUnwanted
	}
	m.cluster = c
	n := m.node(c)
	m.flush(ctx)
	m.began, m.before = time.Now(), m.runningOf(id)
	m.waiting = m.unwatch(id)
	return n.Stop(ctx, stopPatience)
}

// dropOldPoints removes restore points that were deleted while they were on their way.
func (m *migration) dropOldPoints(ctx context.Context) error {
	points, err := m.cfg.Store.RestorePoints(ctx, m.cluster.ID)
	if err != nil {
		return err
	}
	return m.to.History.KeepOnly(ctx, m.cluster.HistoryID, points)
}

// move has the row say that the cluster is in the other pool. While nobody knows whether it does, nobody may write where the cluster was: it is said again until there is an answer,
// or the host is stopped. Then the next start finds out, and the node is stopped until then.
func (m *migration) move(ctx context.Context) error {
	var moved bool
	err := m.untilKnown(ctx, func(ctx context.Context) (err error) {
		moved, err = m.cfg.Store.MoveCluster(ctx, m.cluster.ID)
		return err
	})
	switch {
	case err != nil:
		m.nowhere = errors.Is(err, store.ErrUnknown)
		return err
	case !moved:
		return errUnwanted
	default:
		m.done, m.cluster.Pool, m.cluster.Region = true, m.ToPool, m.ToRegion
		return nil
	}
}

// untilKnown records something of which it must be known whether it is recorded. The error is ErrUnknown only if the host is stopped.
func (h *Host) untilKnown(ctx context.Context, record func(context.Context) error) error {
	err := record(ctx)
	for stopping := false; errors.Is(err, store.ErrUnknown) && !stopping; {
		stopping = ctx.Err() != nil // it is tried once more
		h.log.ErrorContext(ctx, "it is not known whether the present step is recorded; trying again", "error", err)
		select {
		case <-h.ctx.Done():
			return err
		case <-time.After(recordPause):
		}
		again, cancel := context.WithTimeout(h.ctx, unknownPatience)
		err = record(again)
		cancel()
		if err != nil {
			err = errors.Join(err, store.ErrUnknown) // the first may still be under way
		}
	}
	return err
}

// serveThere starts the node on what has arrived, unless a process before this one was about to: then the host has done so when it started.
func (m *migration) serveThere(ctx context.Context) error {
	if c, err := m.cfg.Store.Cluster(ctx, m.cluster.ID); err == nil {
		m.cluster = c // its settings may have changed
	} else {
		m.log.WarnContext(ctx, "cluster is served as it was when its node was stopped", "cluster", m.cluster.Name, "error", err)
	}
	m.serveAgain(ctx)
	return nil
}

// serveAgain ends the cut: the node runs where the row says that the cluster is. One that cannot be started is tried again by those who watch it.
func (m *migration) serveAgain(ctx context.Context) {
	if m.unlock == nil {
		return
	}
	defer func() {
		m.unlock()
		m.unlock = nil
	}()
	if m.began.IsZero() || m.nowhere {
		return
	}
	ctx = context.WithoutCancel(ctx)
	c, n := m.cluster, m.node(m.cluster)
	if c.Suspension == nil {
		if err := m.startAnew(ctx, n); err != nil {
			m.log.ErrorContext(ctx, "node could not be started; trying again", "cluster", c.Name, "error", err)
		}
	}
	m.watchOn(c, n, m.before)
	if m.waiting != nil {
		m.openLater(c, m.waiting)
	}
	m.cfg.Gateway.Restarted(c.ID)
	m.tellGrowth(c.ID)
	m.stoppage, m.began = time.Since(m.began), time.Time{}
	if c.Suspension == nil {
		if err := errors.Join(n.Limit(ctx), m.noteBuild(ctx, c, n)); err != nil {
			m.log.WarnContext(ctx, "a start is not recorded in full", "cluster", c.Name, "error", err)
		}
	}
}

// startAnew starts a node, unless it could not be stopped.
func (m *migration) startAnew(ctx context.Context, n *engine.Node) error {
	if up, err := n.Running(ctx); err != nil || up {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	return n.Migrate(ctx)
}

// clear removes what is left of the cluster where it was.
func (m *migration) clear(ctx context.Context) error {
	for name, pool := range m.cfg.Pools {
		if name != m.cluster.Pool {
			if err := pool.remove(ctx, m.cluster); err != nil {
				return err
			}
		}
	}
	return m.dropTransit(ctx, m.cluster.ID)
}

// remove removes volume and history of a cluster that is kept in another pool.
func (p Pool) remove(ctx context.Context, c store.Cluster) error {
	if err := p.Storage.Delete(ctx, volumeOf(c)); err != nil {
		return err
	}
	return p.History.Forget(ctx, history.Source{HistoryID: c.HistoryID}) // the records are those of where it is
}

func (m *migration) goOnline(ctx context.Context) error {
	sentence := fmt.Sprintf("The cluster is in %s now, with its whole history.", m.ToRegion)
	if m.stoppage > 0 && m.cluster.Suspension == nil {
		sentence += fmt.Sprintf(" Its node was stopped for %s.", m.stoppage.Round(time.Millisecond))
	}
	return m.cfg.Store.EndMigration(ctx, m.cluster.ID, store.EventMigrated, sentence)
}

// giveUp leaves the cluster where it is.
func (m *migration) giveUp(ctx context.Context) error {
	why := "the host's log says why"
	if m.outOfSpace(m.ToPool, nil) {
		why = "the disk of that region is full"
	}
	if err := m.clear(ctx); err != nil {
		return err
	}
	return m.cfg.Store.EndMigration(ctx, m.cluster.ID, store.EventNotMigrated,
		fmt.Sprintf("The cluster could not be migrated to %s: %s. It is in %s, as before.", m.ToRegion, why, m.FromRegion))
}
