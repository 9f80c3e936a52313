package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"

	"tine/internal/api"
	"tine/internal/catalog"
	"tine/internal/certs"
	"tine/internal/engine"
	"tine/internal/fleet"
	"tine/internal/gateway"
	"tine/internal/history"
	"tine/internal/host"
	"tine/internal/insights"
	"tine/internal/logsink"
	"tine/internal/panel"
	"tine/internal/sandbox"
	"tine/internal/secrets"
	"tine/internal/storage"
	"tine/internal/store"
)

// up is the one process of a machine: every part, and the order in which they start and stop.
type up struct {
	opts upOptions
	log  *slog.Logger

	lock    *os.File
	root    *engine.Root
	pools   map[string]host.Pool // by what clusters' rows call them
	runtime *sandbox.Runtime
	control *host.Control
	store   *store.Store
	catalog *catalog.Catalog
	certs   *certs.Source
	secrets *secrets.Box
	gateway *gateway.Server
	host    *host.Host
	fleet   *fleet.Fleet
	sinks   *logsink.Service
	api     *apiServer

	background sync.WaitGroup
	cancel     context.CancelFunc
}

func (u *up) start(ctx context.Context) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	u.cancel = cancel
	for _, part := range []func(context.Context) error{
		u.lockDataDir, u.openCerts, u.openSecrets, u.openCatalog, u.openMachine, u.openStore, u.ensureAdminToken, u.startHost, u.startAPI,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	u.background.Go(func() { returnMemory(background) })
	u.background.Go(func() { u.sinks.Run(background) })
	u.background.Go(func() {
		insights.New(insights.Config{Source: u.host, Records: u.store, Log: u.log, Interval: u.opts.Insights.Interval}).Run(background)
	})
	if u.control != nil {
		u.background.Go(func() {
			u.control.KeepRunning(background, func(err error) {
				u.log.Error("control node does not run; trying again", "error", err)
			})
		})
	}
	u.background.Go(func() { u.keepHouse(background) })
	u.background.Go(func() { u.expireClusters(background) })
	return nil
}

// houseInterval is how often is looked for clusters whose storage is to grow by itself, or whose maintenance window it is.
const houseInterval = time.Minute

// keepHouse does what clusters asked to be done without another request, until ctx ends.
func (u *up) keepHouse(ctx context.Context) {
	tick := time.NewTicker(houseInterval)
	defer tick.Stop()
	for {
		if err := u.fleet.GrowStorage(ctx); err != nil && ctx.Err() == nil {
			u.log.ErrorContext(ctx, "storage could not grow; trying again", "error", err)
		}
		if err := u.fleet.InstallDueUpdates(ctx); err != nil && ctx.Err() == nil {
			u.log.ErrorContext(ctx, "updates could not be installed; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// expiryInterval is how often it is looked whether the time of a cluster is over.
const expiryInterval = 15 * time.Second

// expireClusters destroys the clusters whose time is over, until ctx ends.
func (u *up) expireClusters(ctx context.Context) {
	expirer := u.fleet.NewExpirer(u.opts.ExpirySettle, nil)
	interval := expiryInterval
	if u.opts.ExpirySettle > 0 {
		interval = min(interval, u.opts.ExpirySettle)
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := expirer.Expire(ctx); err != nil && ctx.Err() == nil {
			u.log.ErrorContext(ctx, "expiry of clusters could not be looked after; trying again", "error", err)
		}
	}
}

const (
	// lockPatience is how long is waited for the lock of the data directory: a Tine that was killed while it was starting a process leaves the lock to
	// that one for the moment until it executes its program. Nobody waits for longer for a Tine that runs.
	lockPatience = 2 * time.Second
	lockPause    = 10 * time.Millisecond
)

// lockDataDir makes this the only process of the data directory. The kernel lets go of the lock whatever ends the process.
func (u *up) lockDataDir(ctx context.Context) error {
	for _, dir := range []string{u.opts.DataDir, filepath.Join(u.opts.DataDir, "logs"), filepath.Join(u.opts.DataDir, "sockets")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
	}
	f, err := os.OpenFile(filepath.Join(u.opts.DataDir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("lock data directory: %w", err)
	}
	if err := lock(ctx, f); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("another tine up is using %s", u.opts.DataDir)
		}
		return fmt.Errorf("lock data directory: %w", err)
	}
	u.lock = f
	return nil
}

// lock locks a file, unless it stays somebody else's.
func lock(ctx context.Context, f *os.File) error {
	end := time.Now().Add(lockPatience)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// openSecrets finds or makes the key of what the store keeps sealed.
func (u *up) openSecrets(context.Context) (err error) {
	u.secrets, err = secrets.Open(u.opts.DataDir)
	return err
}

// openCatalog reads what can be had.
func (u *up) openCatalog(context.Context) (err error) {
	if u.catalog, err = catalog.Load(u.opts.Catalog); err != nil {
		return err
	}
	for _, region := range u.regionsWithPools() {
		if _, known := u.catalog.Region(region); !known {
			return fmt.Errorf("pools has the region %q, which is not in the catalog", region)
		}
	}
	return nil
}

// regionsWithPools are those that have a pool of their own.
func (u *up) regionsWithPools() []string { return slices.Sorted(maps.Keys(u.opts.Pools)) }

// openMachine opens what the nodes are made of: engine, pools, containers and the golden volumes.
func (u *up) openMachine(ctx context.Context) (err error) {
	if u.root, err = engine.Open(u.opts.EngineDir); err != nil {
		return err
	}
	u.runtime, err = sandbox.New(sandbox.Config{
		Dir:          filepath.Join(u.opts.DataDir, "sandbox"),
		CgroupParent: "tine-" + shortHash(u.opts.DataDir),
	})
	if err != nil {
		return err
	}
	u.pools = map[string]host.Pool{}
	if err := u.openPool(ctx, store.DefaultPool, u.opts.Pool.poolPlace, u.opts.ownPool()); err != nil {
		return err
	}
	for _, region := range u.regionsWithPools() {
		if err := u.openPool(ctx, region, u.opts.Pools[region], u.opts.ownRegionPool(region)); err != nil {
			return fmt.Errorf("region %s: %w", region, err)
		}
	}
	return nil
}

// openPool opens a pool and sees to it that it has a golden volume.
func (u *up) openPool(ctx context.Context, name string, place poolPlace, own string) error {
	start := time.Now()
	pool, err := storage.OpenPool(ctx, poolConfig(place, own))
	if err != nil {
		return err
	}
	p := host.Pool{Storage: pool}
	u.pools[name] = p // it has to be closed, whatever comes
	if err := host.MakeRoom(pool); err != nil {
		return err
	}
	if p.Golden, err = u.root.BuildGolden(ctx, pool, u.runtime, filepath.Join(u.opts.DataDir, "golden")); err != nil {
		return err
	}
	u.pools[name] = p
	u.log.DebugContext(ctx, "pool open", "path", pool.Path(), "engine", u.root.Version(), "golden", p.Golden, "duration", time.Since(start))
	return nil
}

// poolConfig prefers what the operator provides; without anything it is an image beside own, the pool's path then.
func poolConfig(p poolPlace, own string) storage.PoolConfig {
	const gib = 1 << 30
	cfg := storage.PoolConfig{Path: p.Path, Device: p.Device}
	if p.Device == "" && p.Path == own {
		cfg.Image, cfg.ImageSize = own+".img", p.ImageGiB*gib
	}
	return cfg
}

// shortHash tells the cgroups of two data directories on one machine apart.
func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

func (u *up) openStore(ctx context.Context) error {
	cfg, err := u.databaseConfig(ctx)
	if err != nil {
		return err
	}
	u.store, err = store.Open(ctx, cfg, u.log)
	return err
}

func (u *up) databaseConfig(ctx context.Context) (*pgxpool.Config, error) {
	if u.opts.DatabaseURL != "" {
		cfg, err := pgxpool.ParseConfig(u.opts.DatabaseURL)
		if err != nil {
			return nil, fmt.Errorf("read database_url: %w", err)
		}
		return cfg, nil
	}
	var err error
	u.control, err = host.StartControl(ctx, host.ControlConfig{
		DataDir: u.opts.DataDir, Golden: u.pools[store.DefaultPool].Golden, Pool: u.pools[store.DefaultPool].Storage, Root: u.root, Runtime: u.runtime,
	})
	if err != nil {
		return nil, err
	}
	return u.control.PoolConfig()
}

// adminToken is the name of the token whose secret is in the data directory.
const adminToken = "admin"

// ensureAdminToken makes the file and the store agree. The file is the original: a store that was lost gets the token again.
func (u *up) ensureAdminToken(ctx context.Context) error {
	path := filepath.Join(u.opts.DataDir, "admin-token")
	b, err := os.ReadFile(path)
	secret := strings.TrimSpace(string(b))
	if errors.Is(err, os.ErrNotExist) {
		secret = store.NewSecret()
		err = writeFile(path, secret+"\n")
	}
	if err != nil {
		return fmt.Errorf("admin token: %w", err)
	}
	_, err = u.store.EnsureToken(ctx, adminToken, store.ScopeAdmin, secret)
	return err
}

// writeFile writes a private file whole or not at all.
func writeFile(path, content string) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func (u *up) startHost(ctx context.Context) (err error) {
	u.sinks = logsink.New(logsink.Config{
		Store: u.store, Secrets: u.secrets, Host: u.opts.Host, Dir: filepath.Join(u.opts.DataDir, "logs"), Log: u.log, URL: u.opts.LogSink.DatadogURL,
	})
	u.gateway = gateway.NewServer(gateway.Config{
		Slow: u.sinks.Slow,
		// No cluster is open before there is a host.
		Dropped: func(clusterID string, before time.Time, namespace string) {
			u.host.Dropped(clusterID, before, namespace)
		},
		Damaged: func(clusterID string) { u.host.Damaged(clusterID) },
		Wake:    func(clusterID string) error { return u.host.Wake(clusterID) },
		Log:     u.log, Host: u.opts.GatewayHost, TLS: u.certs.Config(), Plaintext: u.opts.plaintext(),
	})
	for name, p := range u.pools {
		p.History = history.New(history.Config{
			Pool: p.Storage, Records: u.store, Log: u.log,
			Budget: u.opts.History.ReplayBudget << 20, Interval: u.opts.History.Interval, Window: u.opts.History.Window,
		})
		u.pools[name] = p
	}
	u.host, err = host.New(host.Config{
		Name: u.opts.Host, DataDir: u.opts.DataDir,
		Store: u.store, Pools: u.pools, Root: u.root, Runtime: u.runtime, Catalog: u.catalog,
		Gateway: u.gateway, GatewayAddress: u.opts.GatewayListen,
		Log:       u.log,
		Space:     u.opts.Pool.space(),
		Transfer:  host.TransferConfig{BytesPerSecond: u.opts.Transfer.rate()},
		AfterStep: killAt(os.Getenv("TINE_FAILPOINT")),
	})
	if err != nil {
		return err
	}
	return u.host.Start(ctx)
}

// killAt kills this process, as kill -9 does, after the step of that name. Tests use it to show that every operation can be
// interrupted anywhere.
func killAt(failpoint string) func(string) {
	return func(step string) {
		if step == failpoint {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
}

func (u *up) startAPI(ctx context.Context) error {
	ports, err := u.opts.ports()
	if err != nil {
		return err
	}
	ports.Usable = func(port int) bool { return portIsFree(u.opts.GatewayListen, port) }
	f := fleet.New(fleet.Config{
		Store: u.store, Data: u.host, Log: u.host, Catalog: u.catalog, Host: u.opts.Host, GatewayHost: u.opts.GatewayHost,
		Ports: ports, Pools: u.regionsWithPools(), HistoryWindow: u.opts.History.Window, ReplayBudget: u.opts.History.ReplayBudget << 20,
		SuspendAfter: u.opts.Suspend.After, TransferRate: u.opts.Transfer.rate(),
		TLS: u.opts.clustersNeedTLS(), CA: u.certs.CA, Secrets: u.secrets, Logs: u.recentLogs,
	})
	u.fleet = f
	if err := f.StartMeters(ctx); err != nil {
		return err
	}
	mux := http.NewServeMux()
	served := api.New(api.Config{Fleet: f, Auth: u.store, Log: u.log, Ready: u.store.Pool().Ping, Metrics: u.metrics()})
	for _, path := range []string{"/v2", "/v2/", "/healthz", "/readyz", "/metrics", "/openapi.yaml"} {
		mux.Handle(path, served)
	}
	mux.Handle("/", panel.New(panel.Config{Fleet: f, Auth: u.store, Log: u.log}))
	var secure *tls.Config
	if u.opts.listenTLS() {
		secure = u.certs.Config()
	}
	u.api, err = listenAPI(ctx, u.opts.Listen, mux, secure, u.log)
	return err
}

// recentLogs returns the newest lines of a cluster's log.
func (u *up) recentLogs(_ context.Context, c store.Cluster, most int) ([]fleet.LogLine, error) {
	lines, err := u.sinks.Recent(c.Node.ID, most)
	list := make([]fleet.LogLine, len(lines))
	for i, l := range lines {
		list[i] = fleet.LogLine(l)
	}
	return list, err
}

// metrics are those of the clusters' gateways, of the host and of this process.
func (u *up) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(u.gateway, u.host, u.sinks, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// portIsFree says whether nobody listens there.
func portIsFree(address string, port int) bool {
	ln, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port))) //nolint:noctx // it returns at once
	if err != nil {
		return false
	}
	return ln.Close() == nil
}

// wait returns when ctx ends or the API cannot go on.
func (u *up) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-u.api.failed:
		return fmt.Errorf("serve API: %w", err)
	}
}
