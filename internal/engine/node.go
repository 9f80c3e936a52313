package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tine/internal/sandbox"
)

// Roles that the host logs in as.
const (
	RoleSuperuser = "postgres"
	RoleGateway   = "tine_gateway"
)

// ErrExited says that a node's process ended while it was waited for.
var ErrExited = errors.New("the node's process exited")

// NodeConfig says what a node is made of. All paths are the host's.
type NodeConfig struct {
	ID        string // of its container
	Root      *Root
	Runtime   *sandbox.Runtime
	Volume    string // writable
	SocketDir string // made if missing
	LogPath   string

	MemoryBytes int64   // limit of the container and measure for Settings; 0 for none
	CPUs        float64 // limit of the container; 0 for none

	TTLPaused bool // TTL indexes delete nothing

	NoArchive bool // for a node without history: finished WAL is not kept for anybody
}

// Node is one PostgreSQL with the DocumentDB extension, in a container of its own. Its methods may be called from several goroutines,
// but only one of Start, TurnSyncOn and Stop at a time.
type Node struct {
	cfg NodeConfig
}

// NewNode describes a node; nothing is touched.
func NewNode(cfg NodeConfig) *Node { return &Node{cfg: cfg} }

// ID is the name of the node's container.
func (n *Node) ID() string { return n.cfg.ID }

// Volume is the path of the node's volume.
func (n *Node) Volume() string { return n.cfg.Volume }

// SocketDir is where the node's socket is.
func (n *Node) SocketDir() string { return n.cfg.SocketDir }

// StartFresh starts a node on a volume that was just copied, with fsync off: until TurnSyncOn returned nil and the volume was synced, nobody may be told
// that a write to it succeeded, and after a crash of the host the volume must be made again. The caller must have filled RestoreDir if
// the recovery needs it. It returns when the node accepts work, with a connection as superuser that the caller closes, or with ErrExited or ErrIncomplete.
func (n *Node) StartFresh(ctx context.Context, r Recovery) (*pgx.Conn, error) {
	r, err := r.settle(n.cfg.Volume)
	if err == nil {
		err = r.prepare(n.cfg.Volume)
	}
	if err != nil {
		return nil, fmt.Errorf("prepare volume of node %s: %w", n.cfg.ID, err)
	}
	if err := n.run(ctx, n.settings(true), r); err != nil {
		return nil, err
	}
	conn, err := n.connectReady(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.checkEnd(n.cfg.Volume); err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("node %s: %w", n.cfg.ID, err)
	}
	return conn, nil
}

// Start starts a node on its own volume, after whatever end the last process had, and returns when it accepts work.
func (n *Node) Start(ctx context.Context) error {
	if err := n.run(ctx, n.settings(false), Recovery{}); err != nil {
		return err
	}
	if err := n.WaitReady(ctx); err != nil {
		return err
	}
	return n.Limit(ctx)
}

func (n *Node) settings(unsafe bool) Settings {
	return Settings{MemoryBytes: n.cfg.MemoryBytes, TTLPaused: n.cfg.TTLPaused, Unsafe: unsafe}
}

// Apply puts the node's settings in force as far as that can be done while it runs; one that does not run has them at its next start. It must not be called before
// TurnSyncOn has returned.
func (n *Node) Apply(ctx context.Context) error {
	changed, err := settingsDiffer(n.cfg.Volume, n.settings(false))
	if err != nil || !changed {
		return err
	}
	if err := writeSettings(n.cfg.Volume, n.settings(false)); err != nil {
		return fmt.Errorf("apply settings of node %s: %w", n.cfg.ID, err)
	}
	if up, err := n.Running(ctx); err != nil || !up {
		return err
	}
	if err := n.cfg.Runtime.Signal(ctx, n.cfg.ID, syscall.SIGHUP); err != nil {
		return fmt.Errorf("apply settings of node %s: %w", n.cfg.ID, err)
	}
	return nil
}

// Migrate is Migrate for the node, which it waits for as WaitReady does.
func (n *Node) Migrate(ctx context.Context) error {
	conn, err := n.connectReady(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := Migrate(ctx, conn); err != nil {
		return fmt.Errorf("node %s: %w", n.cfg.ID, err)
	}
	return nil
}

// Limit holds the node to its CPU limit. Until it is called, a node that was started may use what the machine has: it is waited for.
func (n *Node) Limit(ctx context.Context) error {
	if n.cfg.CPUs == 0 {
		return nil
	}
	if err := n.cfg.Runtime.LimitCPUs(ctx, n.cfg.ID, n.cfg.CPUs); err != nil {
		return fmt.Errorf("limit node %s: %w", n.cfg.ID, err)
	}
	return nil
}

func (n *Node) run(ctx context.Context, s Settings, r Recovery) error {
	if err := n.cfg.Root.update(n.cfg.Volume); err != nil {
		return fmt.Errorf("start node %s: %w", n.cfg.ID, err)
	}
	if err := writeSettings(n.cfg.Volume, s); err != nil {
		return fmt.Errorf("start node %s: %w", n.cfg.ID, err)
	}
	// A process that was killed leaves its file; what it says would be taken for the new process's word.
	pidFile := filepath.Join(n.cfg.Volume, dirData, "postmaster.pid")
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("start node %s: %w", n.cfg.ID, err)
	}
	if err := n.makeSocketDir(); err != nil {
		return fmt.Errorf("start node %s: %w", n.cfg.ID, err)
	}
	beside := n.besideContainer(s)
	err := n.cfg.Runtime.Run(ctx, n.spec(r))
	if err = errors.Join(err, beside()); err != nil {
		return fmt.Errorf("start node %s: %w", n.cfg.ID, err)
	}
	if !r.Live {
		return nil
	}
	return n.promoteEarly(ctx)
}

// besideContainer begins what is done to the volume while the container is made. The function that it returns waits for that.
func (n *Node) besideContainer(s Settings) (wait func() error) {
	var group errgroup.Group
	group.Go(func() error {
		prefetch(n.cfg.Volume)
		return nil
	})
	if s.Unsafe {
		group.Go(func() error { return unshare(n.cfg.Volume) })
	}
	return group.Wait
}

func (n *Node) makeSocketDir() error {
	if err := os.MkdirAll(n.cfg.SocketDir, 0o700); err != nil {
		return err
	}
	return os.Chown(n.cfg.SocketDir, UserID, UserID)
}

func (n *Node) spec(r Recovery) sandbox.Spec {
	return sandbox.Spec{
		ID:   n.cfg.ID,
		Root: n.cfg.Root.Dir(),
		Mounts: []sandbox.Mount{
			{Source: n.cfg.Volume, Target: "/data"},
			{Source: n.cfg.SocketDir, Target: "/run/tine"},
		},
		Args: n.args(r),
		Env: []string{
			"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC",
			// When memory is short, a backend is killed before the postmaster is, which then cleans up after it.
			"PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj", "PG_OOM_ADJUST_VALUE=200",
			// A backend keeps 1 MiB of what a statement has freed. By default that is 128 KiB, which statements of the engine exceed: they would get
			// pages from the kernel and give them back each time, an eighth of the time of a find of 100 documents.
			"MALLOC_TRIM_THRESHOLD_=1048576", "MALLOC_TOP_PAD_=262144", "MALLOC_MMAP_THRESHOLD_=1048576",
		},
		PIDs:        maxProcesses,
		UID:         UserID,
		GID:         UserID,
		MemoryBytes: n.cfg.MemoryBytes,
		CPUWeight:   n.startWeight(),
		LogPath:     n.cfg.LogPath,
	}
}

// startWeight is what a node that is started weighs until Limit is called: somebody waits for it, and it needs a processor for a moment only, while
// its source may have a dozen processes that would have one for good.
func (n *Node) startWeight() float64 {
	const weight = 16
	if n.cfg.CPUs == 0 {
		return 0 // nobody would take it back
	}
	return weight
}

// maxProcesses is more than max_connections and all workers together.
const maxProcesses = 400

func (n *Node) args(r Recovery) []string {
	args := []string{"/usr/lib/postgresql/18/bin/postgres", "-D", "/data/" + dirData}
	if n.cfg.NoArchive {
		args = append(args, "-c", "archive_mode=off")
	}
	return append(args, r.args()...)
}

// promoteEarly asks for the promotion before recovery has come to the end of the log. PostgreSQL looks for the request when it gets there, and finds it at once; later it would wait for
// more log first, some seconds at a time.
//
// The request is a file and a signal, as pg_ctl makes them: nobody can connect yet.
func (n *Node) promoteEarly(ctx context.Context) error {
	err := n.poll(ctx, func() (bool, error) { return postmasterStatus(n.cfg.Volume) != "", nil })
	if err != nil {
		return fmt.Errorf("promote node %s: %w", n.cfg.ID, err)
	}
	file := filepath.Join(n.cfg.Volume, dirData, "promote")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return fmt.Errorf("promote node %s: %w", n.cfg.ID, err)
	}
	if err := os.Chown(file, UserID, UserID); err != nil {
		return fmt.Errorf("promote node %s: %w", n.cfg.ID, err)
	}
	if err := n.cfg.Runtime.Signal(ctx, n.cfg.ID, syscall.SIGUSR1); err != nil {
		return fmt.Errorf("promote node %s: %w", n.cfg.ID, err)
	}
	return nil
}

// WaitReady returns when the node has recovered and accepts work, or with ErrExited when it never will.
func (n *Node) WaitReady(ctx context.Context) error {
	conn, err := n.connectReady(ctx)
	if err != nil {
		return err
	}
	// An error of closing says nothing about the node.
	_ = conn.Close(ctx)
	return nil
}

func (n *Node) connectReady(ctx context.Context) (conn *pgx.Conn, err error) {
	err = n.poll(ctx, func() (bool, error) {
		// Both are needed: a node that recovers says "ready" for readers, and a control file says "in production" from a
		// crash on until recovery begins.
		if postmasterStatus(n.cfg.Volume) != "ready" {
			return false, nil
		}
		state, err := controlState(n.cfg.Volume)
		if err != nil || state != stateInProduction {
			return false, err
		}
		conn = n.tryConnect(ctx)
		return conn != nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("wait for node %s: %w", n.cfg.ID, err)
	}
	return conn, nil
}

// tryConnect returns a connection to a node that accepts writes, or nil.
func (n *Node) tryConnect(ctx context.Context) *pgx.Conn {
	conn, err := n.Connect(ctx, RoleSuperuser)
	if err != nil {
		return nil
	}
	// Every server says so when a client connects; a question would cost a new backend its first look into the catalogs.
	if conn.PgConn().ParameterStatus("in_hot_standby") != "off" {
		_ = conn.Close(ctx)
		return nil
	}
	return conn
}

// pollInterval is short because a fork's user waits for it; a look costs two small reads of cached files.
const pollInterval = 2 * time.Millisecond

// poll waits until done says so, the process exits, or ctx ends.
func (n *Node) poll(ctx context.Context, done func() (bool, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	exited := make(chan error, 1)
	go func() { exited <- n.cfg.Runtime.Wait(ctx, n.cfg.ID) }()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case err := <-exited:
			if err == nil {
				err = ErrExited
			}
			return err
		case <-tick.C:
		}
	}
}

// ConnConfig is for connections to the node as role.
func (n *Node) ConnConfig(role string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig("host=/run/tine dbname=postgres sslmode=disable application_name=tine")
	if err != nil {
		return nil, fmt.Errorf("configure connection: %w", err)
	}
	cfg.User = role
	cfg.DialFunc = Dialer(n.cfg.SocketDir)
	return cfg, nil
}

// Connect opens a connection to the node as role.
func (n *Node) Connect(ctx context.Context, role string) (*pgx.Conn, error) {
	cfg, err := n.ConnConfig(role)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to node %s: %w", n.cfg.ID, err)
	}
	return conn, nil
}

// TurnSyncOn ends the time in which the node ran with fsync off. conn is a connection as superuser. When it returns nil, what is
// committed from then on survives a crash, provided that the caller then brings to the disk what the node has written so far: a process of
// the node that has not yet seen the new setting can only have called durable what that makes so. Users come after it.
func (n *Node) TurnSyncOn(ctx context.Context, conn *pgx.Conn) error {
	if err := writeSettings(n.cfg.Volume, n.settings(false)); err != nil {
		return fmt.Errorf("turn fsync on in node %s: %w", n.cfg.ID, err)
	}
	if err := n.cfg.Runtime.Signal(ctx, n.cfg.ID, syscall.SIGHUP); err != nil {
		return fmt.Errorf("turn fsync on in node %s: %w", n.cfg.ID, err)
	}
	// The postmaster takes a new setting itself before it tells its children.
	if err := n.poll(ctx, func() (bool, error) { return fsyncIsOn(ctx, conn) }); err != nil {
		return fmt.Errorf("turn fsync on in node %s: %w", n.cfg.ID, err)
	}
	return nil
}

func fsyncIsOn(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var value string
	if err := conn.QueryRow(ctx, "SHOW fsync", pgx.QueryExecModeExec).Scan(&value); err != nil {
		return false, fmt.Errorf("read setting: %w", err)
	}
	return value == "on", nil
}

// Stop shuts the node down: sessions are ended, everything is written. After patience it is killed, which loses no committed write either.
func (n *Node) Stop(ctx context.Context, patience time.Duration) error {
	status, err := n.cfg.Runtime.Status(ctx, n.cfg.ID)
	if err != nil {
		return fmt.Errorf("stop node %s: %w", n.cfg.ID, err)
	}
	if status.Running {
		// SIGINT is PostgreSQL's fast shutdown. If it cannot be sent the process is gone, or Remove kills it.
		if err := n.cfg.Runtime.Signal(ctx, n.cfg.ID, syscall.SIGINT); err == nil {
			wait, cancel := context.WithTimeout(ctx, patience)
			_ = n.cfg.Runtime.Wait(wait, n.cfg.ID)
			cancel()
		}
	}
	return n.Kill(ctx)
}

// Kill ends the node at once and removes its container; nil if there is none.
func (n *Node) Kill(ctx context.Context) error {
	if err := n.cfg.Runtime.Remove(ctx, n.cfg.ID); err != nil {
		return fmt.Errorf("remove node %s: %w", n.cfg.ID, err)
	}
	return nil
}

// Running says whether the node's process lives.
func (n *Node) Running(ctx context.Context) (bool, error) {
	status, err := n.cfg.Runtime.Status(ctx, n.cfg.ID)
	if err != nil {
		return false, fmt.Errorf("look for node %s: %w", n.cfg.ID, err)
	}
	return status.Running, nil
}

// WaitExit returns when the node's process is gone.
func (n *Node) WaitExit(ctx context.Context) error {
	if err := n.cfg.Runtime.Wait(ctx, n.cfg.ID); err != nil {
		return fmt.Errorf("watch node %s: %w", n.cfg.ID, err)
	}
	return nil
}
