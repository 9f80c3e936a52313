package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"tine/internal/gateway/wire"
)

const (
	// sweepInterval is how often idle cursors and sessions are looked for.
	sweepInterval = time.Minute
	// acceptPause is how long the listener rests after an error such as too many open files.
	acceptPause = 100 * time.Millisecond
)

// cluster serves one cluster.
type cluster struct {
	spec     Cluster
	version  version
	host     string // advertised host:port
	log      *slog.Logger
	clock    func() time.Time
	listener net.Listener
	started  time.Time

	tls       *tls.Config                                                // nil: everybody speaks plain text
	plaintext bool                                                       // clients on this machine may, too
	tellSlow  func(clusterID string, at time.Time, attrs []slog.Attr)    // nil: nobody
	tellHarm  func(clusterID string)                                     // nil: nobody
	tellDrop  func(clusterID string, before time.Time, namespace string) // nil: nobody
	times     Times
	codecs    *wire.Codecs
	buffers   *sync.Pool
	current   atomic.Pointer[Settings]
	topology  *topology
	stats     stats
	penalties *penalties

	commands map[string]command
	node     *node
	rest     *rest
	accounts *accounts
	cursors  *cursors
	tables   tables
	fits     fits
	meter    *meter
	sessions *sessions
	peers    *peers
	recorded atomic.Bool  // there may be records of numbered writes
	replayed atomic.Int64 // numbered writes that were answered from their record
	orphans  atomic.Bool  // there may be files that belong to no cursor
	views    viewsMade
	late     chan snapshots

	deaf     atomic.Bool        // no more connections are to be accepted
	accepted chan struct{}      // closed when the accept loop has ended
	cancel   context.CancelFunc // ends the commands that run
	wg       sync.WaitGroup     // the accept loop, the sweeper and the connections
	refusals chan struct{}
	unbuilt  chan struct{} // has one element if there may be indexes that nobody builds and resumeIndexes does not know yet
	changes  chan struct{} // somebody else has changed users
	lastID   atomic.Int32  // of connections
	lastOp   atomic.Int32  // of operations
	counters opcounters
	usage    tallies

	transactions *transactions

	mu struct {
		sync.Mutex
		conns   map[*conn]struct{}
		closing bool
	}
}

func newCluster(cfg Config, spec Cluster, v version, host string, ln net.Listener, n *node) *cluster {
	c := &cluster{
		spec:      spec,
		version:   v,
		host:      host,
		log:       cfg.Log.With(slog.String("cluster_id", spec.ID)),
		clock:     cfg.Clock,
		listener:  ln,
		started:   cfg.Clock(),
		tls:       cfg.TLS,
		plaintext: cfg.Plaintext,
		tellSlow:  cfg.Slow,
		tellDrop:  cfg.Dropped,
		tellHarm:  cfg.Damaged,
		times:     cfg.Times,
		penalties: newPenalties(cfg.Clock),
		commands:  knownCommands(v),
		node:      n,
		cursors:   newCursors(cfg.Clock, maxCursors),
		peers:     newPeers(),
		sessions:  newSessions(cfg.Clock, maxSessions),
		refusals:  make(chan struct{}, maxRefusals),
		unbuilt:   make(chan struct{}, 1),
		changes:   make(chan struct{}, 1),
		late:      make(chan snapshots, maxLate),
		accepted:  make(chan struct{}),
	}
	c.meter = newMeter(c.commands)
	c.transactions = newTransactions(maxTransactions)
	c.recorded.Store(true)
	c.orphans.Store(true)
	c.accounts = newAccounts(c.node, cfg.Clock)
	c.rest = newRest(cfg.Clock, cfg.waker(spec.ID), spec.Asleep)
	c.mu.conns = map[*conn]struct{}{}
	settings := spec.Settings.withDefaults(host)
	c.current.Store(settings)
	c.topology = newTopology(settings.Topology)
	return c
}

// start begins to accept. ctx is the parent of every command's context.
func (c *cluster) start(ctx context.Context) {
	ctx, c.cancel = context.WithCancel(ctx)
	c.wg.Go(func() { c.accept(ctx) })
	c.wg.Go(func() { c.sweep(ctx) })
	c.wg.Go(func() { c.resumeIndexes(ctx) })
	c.wg.Go(func() { c.followUsers(ctx) })
	c.wg.Go(func() { c.forgetLate(ctx) })
}

// stop cancels what runs and waits for its end.
func (c *cluster) stop() {
	c.cancel()
	c.closeListener()
	c.end()
}

// end closes everything but the listener, which must not wake the accept loop any more.
func (c *cluster) end() {
	c.cancel()
	c.closeConns(true)
	c.wg.Wait()
	c.node.close()
}

// drain lets running commands end, until ctx does, then stops.
func (c *cluster) drain(ctx context.Context) {
	c.closeListener()
	c.closeConns(false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.awaitConns()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	c.stop()
	<-done
}

// awaitConns returns when no connection is left.
func (c *cluster) awaitConns() {
	c.mu.Lock()
	conns := make([]*conn, 0, len(c.mu.conns))
	for conn := range c.mu.conns {
		conns = append(conns, conn)
	}
	c.mu.Unlock()
	for _, conn := range conns {
		<-conn.done
	}
}

func (c *cluster) closeListener() {
	if err := c.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		c.log.Warn("close listener", slog.Any("error", err))
	}
}

// closeConns closes the connections, those that run a command after it, unless now is set. No more are taken.
func (c *cluster) closeConns(now bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.closing = true
	for conn := range c.mu.conns {
		conn.close(now)
	}
}

func (c *cluster) accept(ctx context.Context) {
	defer close(c.accepted)
	for {
		nc, err := c.listener.Accept()
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil || err != nil && c.deaf.Load() {
			return
		}
		if err != nil {
			c.log.Warn("accept connection", slog.Any("error", err))
			pause(ctx, acceptPause)
			continue
		}
		c.admit(ctx, newConn(c, newSocket(nc)))
	}
}

// restarted drops what belongs to the node's old process.
func (c *cluster) restarted() {
	c.node.reset()
	c.buildLater()
}

// sweep ends what nobody uses any more.
func (c *cluster) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.dispose(ctx, c.sessions.expire())
		c.deleteFiles(ctx, c.cursors.expire())
		c.whileAwake(func() {
			if err := c.forgetRecords(ctx); err != nil {
				c.log.DebugContext(ctx, "records of writes not removed", slog.String("cause", cause(err)))
			}
			c.deleteOrphans(ctx)
		})
	}
}

// pause waits for d or the end of ctx, whichever comes first, and reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
