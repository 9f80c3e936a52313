package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"tine/internal/catalog"
	"tine/internal/engine"
	"tine/internal/gateway"
	"tine/internal/history"
	"tine/internal/sandbox"
	"tine/internal/store"
)

// Config is what a host works with.
type Config struct {
	Name    string // of the host, as in the clusters' rows
	DataDir string // socket directories and logs are below it

	Store *store.Store
	// Pools are where clusters are kept, by what their rows call them; store.DefaultPool is one of them.
	Pools   map[string]Pool
	Root    *engine.Root
	Runtime *sandbox.Runtime
	Catalog *catalog.Catalog
	Gateway *gateway.Server
	// GatewayAddress is the IP address or host name that gateways listen on.
	GatewayAddress string
	Log            *slog.Logger
	// Space says when a pool that fills up is acted on.
	Space SpaceConfig
	// Transfer says how fast clusters go from one pool to another.
	Transfer TransferConfig

	// AfterStep is called after each step of an operation, with a name such as "fork/volume". It is for tests that kill the process
	// there; nil means nothing.
	AfterStep func(step string)
}

// Host runs the clusters of one machine.
type Host struct {
	cfg Config
	log *slog.Logger

	jobs   *river.Client[pgx.Tx]
	ctx    context.Context //nolint:containedctx // of everything that runs in the background; ends at Stop
	cancel context.CancelFunc

	// gateways orders what gateways are told: who holds it reads a cluster's row and acts on it, so that the last to act knows the newest.
	gateways   sync.Mutex
	drops      *drops
	wakes      chan struct{}   // has an element for each start of a suspended node that is under way
	transfers  chan struct{}   // has an element for each transfer that is under way
	stop       context.Context //nolint:containedctx // of transfers; ends when Stop begins
	stopSends  context.CancelFunc
	background sync.WaitGroup
	rest       restMetrics

	versions map[string]string // that open gateways present, by cluster ID; guarded by gateways

	mu struct {
		sync.Mutex
		operations map[string]*sync.Mutex   // one operation a cluster at a time
		running    map[string]*running      // by cluster ID
		damaged    map[string]time.Time     // when an event told last that a cluster's data cannot be read
		over       map[string]bool          // clusters whose data have reached their storage
		full       map[string]bool          // pools that are full: no data in them may grow
		uses       map[string]*sync.RWMutex // by cluster ID: who is in the cluster's data, and who gives them away
	}
}

// running is a cluster whose node is watched.
type running struct {
	clusterID string
	cluster   store.Cluster // as it was when the watching began
	node      *engine.Node
	measured  *measured // by the one who takes readings
	asleep    bool      // the node is stopped because nobody needs it
	migrated  bool      // the node's data is known to have the schema of this Tine

	ctx   context.Context //nolint:containedctx // of its tasks; ends when the watching does
	stop  context.CancelFunc
	tasks sync.WaitGroup
	// waiting is why the gateway is not open yet; it may be read when the tasks have ended.
	waiting error
}

// jobsAtOnce bounds how many clusters are made or destroyed at the same time.
const jobsAtOnce = 8

// New returns a host that does nothing yet.
func New(cfg Config) (*Host, error) {
	if cfg.AfterStep == nil {
		cfg.AfterStep = func(string) {}
	}
	h := &Host{cfg: cfg, log: cfg.Log.With("host", cfg.Name), drops: newDrops(), wakes: make(chan struct{}, wakesAtOnce), transfers: make(chan struct{}, transfersAtOnce)}
	h.rest = newRestMetrics()
	h.versions = make(map[string]string)
	h.mu.operations = make(map[string]*sync.Mutex)
	h.mu.running = make(map[string]*running)
	h.mu.damaged = make(map[string]time.Time)
	h.mu.over = make(map[string]bool)
	h.mu.full = make(map[string]bool)
	h.mu.uses = make(map[string]*sync.RWMutex)
	workers := river.NewWorkers()
	river.AddWorker(workers, createWorker{host: h})
	river.AddWorker(workers, forkWorker{host: h})
	river.AddWorker(workers, destroyWorker{host: h})
	river.AddWorker(workers, settingsWorker{host: h})
	river.AddWorker(workers, reconfigureWorker{host: h})
	river.AddWorker(workers, maintenanceWorker{host: h})
	river.AddWorker(workers, swapWorker{host: h})
	river.AddWorker(workers, suspendWorker{host: h})
	jobs, err := cfg.Store.NewWorkerClient(cfg.Name, workers, jobsAtOnce)
	if err != nil {
		return nil, fmt.Errorf("start host %s: %w", cfg.Name, err)
	}
	h.jobs = jobs
	return h, nil
}

// Start converges and then carries out jobs until Stop. It returns when the machine is as the store says, unfinished operations
// aside.
func (h *Host) Start(ctx context.Context) error {
	// The background must live longer than the call, and have its values.
	h.ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.stop, h.stopSends = context.WithCancel(h.ctx)
	h.background.Go(func() { h.recordDrops(h.ctx) })
	h.background.Go(func() { h.suspendIdle(h.ctx) })
	if err := h.converge(ctx); err != nil {
		return fmt.Errorf("start host %s: %w", h.cfg.Name, err)
	}
	if err := h.cfg.Store.RequeueInterrupted(ctx, h.cfg.Name); err != nil {
		return fmt.Errorf("start host %s: %w", h.cfg.Name, err)
	}
	if err := h.jobs.Start(h.ctx); err != nil {
		return fmt.Errorf("start host %s: start jobs: %w", h.cfg.Name, err)
	}
	for name := range h.cfg.Pools {
		h.background.Go(func() { h.guardSpace(h.ctx, name) })
	}
	h.background.Go(func() { h.watchStorage(h.ctx) })
	h.background.Go(func() { h.keepAccounts(h.ctx) })
	return nil
}

// Stop ends the host's work: running operations are finished or, when ctx ends first, interrupted to be resumed at
// the next start; transfers are interrupted at once. Nodes keep running.
func (h *Host) Stop(ctx context.Context) error {
	h.stopSends()
	err := h.jobs.Stop(ctx)
	if err != nil {
		now, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = h.jobs.StopAndCancel(now)
	}
	h.cancel()
	for _, id := range h.runningIDs() {
		_ = h.unwatch(id)
	}
	h.background.Wait()
	if err != nil {
		return fmt.Errorf("stop host %s: %w", h.cfg.Name, err)
	}
	return nil
}

// StopNodes shuts all nodes down, in parallel. It is for after Stop.
func (h *Host) StopNodes(ctx context.Context) error {
	clusters, err := h.cfg.Store.ClustersOnHost(ctx, h.cfg.Name)
	if err != nil {
		return err
	}
	errs := make([]error, len(clusters))
	var wg sync.WaitGroup
	for i, c := range clusters {
		wg.Go(func() {
			defer h.lockCluster(c.ID)() // one may just be woken
			errs[i] = h.node(c).Stop(ctx, stopPatience)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// stopPatience is how long a node may take to write what it has in memory.
const stopPatience = time.Minute

// lockCluster makes the caller the only one that works on a cluster, and returns the release.
func (h *Host) lockCluster(id string) func() {
	h.mu.Lock()
	m := h.operationLocked(id)
	h.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// operationLocked is the lock of who works on a cluster.
func (h *Host) operationLocked(id string) *sync.Mutex {
	m := h.mu.operations[id]
	if m == nil {
		m = new(sync.Mutex)
		h.mu.operations[id] = m
	}
	return m
}

func (h *Host) runningIDs() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]string, 0, len(h.mu.running))
	for id := range h.mu.running {
		ids = append(ids, id)
	}
	return ids
}

// volumes is where the live volumes are in the pool.
const volumes = "volumes"

func volumeOf(c store.Cluster) string { return volumes + "/" + c.Node.ID }

// node describes a cluster's node, whether it runs or not.
func (h *Host) node(c store.Cluster) *engine.Node {
	cfg := engine.NodeConfig{
		ID:        c.Node.ID,
		Root:      h.cfg.Root,
		Runtime:   h.cfg.Runtime,
		Volume:    h.pool(c).Storage.VolumePath(volumeOf(c)),
		SocketDir: h.socketDir(c),
		LogPath:   h.logPath(c),
		TTLPaused: c.TTLPaused,
	}
	if plan, ok := h.cfg.Catalog.Plan(c.Size); ok {
		cfg.MemoryBytes = plan.MemoryMiB << 20
		cfg.CPUs = float64(plan.VCPUs)
	}
	return engine.NewNode(cfg)
}

func (h *Host) socketDir(c store.Cluster) string {
	return filepath.Join(h.cfg.DataDir, "sockets", c.Node.ID)
}

func (h *Host) logPath(c store.Cluster) string {
	return filepath.Join(h.cfg.DataDir, "logs", c.Node.ID+".log")
}

// source is a cluster as history sees it.
func (h *Host) source(c store.Cluster, n *engine.Node) history.Source {
	return history.Source{
		ClusterID: c.ID,
		HistoryID: c.HistoryID,
		Volume:    volumeOf(c),
		Connect: history.Connector(func(ctx context.Context) (*pgx.Conn, error) {
			return n.Connect(ctx, engine.RoleSuperuser)
		}),
	}
}

// openGateway opens the cluster's listener with the settings that it has now.
func (h *Host) openGateway(ctx context.Context, c store.Cluster) error {
	h.gateways.Lock()
	defer h.gateways.Unlock()
	c, err := h.cfg.Store.Cluster(ctx, c.ID)
	if err != nil {
		return fmt.Errorf("open gateway: %w", err)
	}
	return h.openGatewayLocked(ctx, c)
}

func (h *Host) openGatewayLocked(ctx context.Context, c store.Cluster) error {
	if err := h.settleUsers(ctx, c); err != nil {
		return err
	}
	addr := net.JoinHostPort(h.cfg.GatewayAddress, strconv.Itoa(c.Port))
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("open gateway of cluster %s: %w", c.Name, err)
	}
	if err := h.serveOn(c, ln); err != nil {
		return errors.Join(err, ln.Close())
	}
	return nil
}

// serveOn opens a cluster's gateway on a listener. The caller holds gateways.
func (h *Host) serveOn(c store.Cluster, ln net.Listener) error {
	if err := h.cfg.Gateway.Open(h.ctx, h.gatewayCluster(c), ln); err != nil {
		return fmt.Errorf("open gateway of cluster %s: %w", c.Name, err)
	}
	h.versions[c.ID] = c.Version
	return nil
}

// cutGateway ends what a cluster's gateway does and returns its listener, nil if it is not open.
func (h *Host) cutGateway(ctx context.Context, id string) net.Listener {
	h.gateways.Lock()
	delete(h.versions, id)
	h.gateways.Unlock()
	return h.cfg.Gateway.Cut(ctx, id)
}

// closeGateway closes a cluster's listener and its connections; it may be closed already.
func (h *Host) closeGateway(id string) {
	h.gateways.Lock()
	defer h.gateways.Unlock()
	h.closeGatewayLocked(id)
}

func (h *Host) closeGatewayLocked(id string) {
	h.cfg.Gateway.Close(id)
	delete(h.versions, id)
}

// gatewayCluster is a cluster as its gateway sees it. Whoever watches its node knows better than the row whether it is asleep: its wake may not be recorded yet.
func (h *Host) gatewayCluster(c store.Cluster) gateway.Cluster {
	asleep := c.Suspension != nil
	if r := h.runningOf(c.ID); r != nil {
		asleep = r.asleep
	}
	return gateway.Cluster{
		ID: c.ID, Name: c.Name, Version: c.Version, SocketDir: h.socketDir(c), Settings: h.gatewaySettings(c), Asleep: asleep,
	}
}
