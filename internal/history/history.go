package history

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/internal/storage"
	"tine/internal/store"
	"tine/internal/wal"
)

// Records keeps restore points. *store.Store does.
type Records interface {
	AddRestorePoint(ctx context.Context, p store.RestorePoint) (store.RestorePoint, error)
	AddFirstRestorePoint(ctx context.Context, p store.RestorePoint) (store.RestorePoint, error)
	RestorePoints(ctx context.Context, clusterID string) ([]store.RestorePoint, error)
	SetRestorePointSize(ctx context.Context, id, bytes int64) error
	DeleteRestorePoint(ctx context.Context, id int64) error
}

var _ Records = (*store.Store)(nil)

// Defaults of Config.
const (
	DefaultBudget   = 64 << 20
	DefaultInterval = time.Hour
	DefaultWindow   = 7 * 24 * time.Hour
)

// Config says where history is kept and how much of it.
type Config struct {
	Pool    *storage.Pool
	Records Records
	Log     *slog.Logger

	Budget   int64         // bytes of WAL after which the next restore point is due; 0 means DefaultBudget
	Interval time.Duration // after which one is due if anything was written; 0 means DefaultInterval
	Window   time.Duration // how far back a cluster can be forked; 0 means DefaultWindow

	Now func() time.Time // must be the clock that the nodes have; nil means time.Now
	// Elapsed is how much time has really passed since New, whatever Now says; nil means by the machine's monotonic clock.
	Elapsed func() time.Duration
}

// History is the history of all clusters in one pool. It is safe for concurrent use.
type History struct {
	cfg Config

	mu struct {
		sync.Mutex
		locks map[string]*sync.Mutex        // by history
		last  map[string]store.RestorePoint // by history: the newest restore point, once it was looked up
		// looked is where the WAL of a history ended when Due looked last.
		looked map[string]look
		// idle is when Due found out last that nothing was written since the newest restore point of a history.
		idle map[string]time.Time
		// loose is, by history, a snapshot that may not be recorded.
		loose map[string]string

		began      time.Time     // when Elapsed was 0, by Now, without a monotonic reading
		ahead      time.Duration // by how much Now was set forward since, 0 if it was not
		aheadSince time.Duration // when that was found out, by Elapsed
	}
}

// New returns the history in a pool.
func New(cfg Config) *History {
	if cfg.Budget == 0 {
		cfg.Budget = DefaultBudget
	}
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Elapsed == nil {
		start := time.Now()
		cfg.Elapsed = func() time.Duration { return time.Since(start) }
	}
	h := &History{cfg: cfg}
	h.mu.began = cfg.Now().Round(0)
	h.mu.locks = make(map[string]*sync.Mutex)
	h.mu.last = make(map[string]store.RestorePoint)
	h.mu.looked = make(map[string]look)
	h.mu.idle = make(map[string]time.Time)
	h.mu.loose = make(map[string]string)
	return h
}

// Source is a cluster whose history is kept or read.
type Source struct {
	ClusterID string
	HistoryID string // names the history of its data, which is not the cluster's for good
	Volume    string // name of the live volume in the pool
	// Connect returns a connection to the running node as superuser, and what to call when it is not needed any more. Nil says that
	// the node is down.
	Connect func(ctx context.Context) (conn *pgx.Conn, release func(), err error)
}

// Connector makes a Source's Connect of what opens connections.
func Connector(open func(ctx context.Context) (*pgx.Conn, error)) func(context.Context) (*pgx.Conn, func(), error) {
	return func(ctx context.Context) (*pgx.Conn, func(), error) {
		conn, err := open(ctx)
		if err != nil {
			return nil, nil, err
		}
		return conn, func() { _ = conn.Close(ctx) }, nil
	}
}

// lock takes a history's lock and returns its release.
func (h *History) lock(historyID string) func() {
	h.mu.Lock()
	m := h.mu.locks[historyID]
	if m == nil {
		m = new(sync.Mutex)
		h.mu.locks[historyID] = m
	}
	h.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// Root is the directory of all histories, below the pool.
const Root = "history"

func (h *History) dir(historyID string) string {
	return filepath.Join(h.cfg.Pool.Path(), Root, historyID)
}

func (h *History) walDir(historyID string) string { return filepath.Join(h.dir(historyID), "wal") }

// PointVolume is the volume of a restore point, by its name within the history.
func PointVolume(historyID, name string) string { return pointsDir(historyID) + "/" + name }

func pointsDir(historyID string) string { return Root + "/" + historyID + "/points" }

// volumePath is where the source's live volume is.
func (h *History) volumePath(src Source) string { return h.cfg.Pool.VolumePath(src.Volume) }

// newest returns a cluster's newest restore point; ok is false if it has none.
func (h *History) newest(ctx context.Context, src Source) (p store.RestorePoint, ok bool, err error) {
	h.mu.Lock()
	p, ok = h.mu.last[src.HistoryID]
	h.mu.Unlock()
	if ok {
		return p, true, nil
	}
	points, err := h.cfg.Records.RestorePoints(ctx, src.ClusterID)
	if err != nil || len(points) == 0 {
		return store.RestorePoint{}, false, err
	}
	p = points[len(points)-1]
	h.remember(src, p)
	return p, true, nil
}

func (h *History) remember(src Source, p store.RestorePoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.last[src.HistoryID] = p
	delete(h.mu.idle, src.HistoryID)
}

func (h *History) forget(historyID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.mu.last, historyID)
	delete(h.mu.looked, historyID)
	delete(h.mu.idle, historyID)
	delete(h.mu.loose, historyID)
	// The lock stays: somebody may be waiting for it. It is a word of memory a destroyed cluster, until the next start.
}

// mark commits a transaction that changes nothing. Its stamp is later than any moment before the call. It costs the source one flush of a few bytes of WAL. The empty message makes PostgreSQL wait for that flush: a
// transaction that has only a number commits asynchronously.
func mark(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "SELECT pg_logical_emit_message(true, 'tine', '')", pgx.QueryExecModeExec); err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	return nil
}

// position is how far a node has come.
type position struct {
	end      wal.LSN // of the WAL that is in its files, whatever else is in its memory
	redo     wal.LSN // where recovery of a copy of it would begin
	timeline int     // that it writes to
}

func readPosition(ctx context.Context, conn *pgx.Conn) (p position, err error) {
	const sql = `SELECT flushed::text, pg_walfile_name(flushed), redo_lsn::text
		FROM pg_current_wal_flush_lsn() AS flushed, pg_control_checkpoint()`
	var end, file, redo string
	if err := conn.QueryRow(ctx, sql, pgx.QueryExecModeExec).Scan(&end, &file, &redo); err != nil {
		return position{}, fmt.Errorf("read WAL position: %w", err)
	}
	s, ok := wal.ParseSegment(file)
	if !ok {
		return position{}, fmt.Errorf("read WAL position: %q is no segment", file)
	}
	p.timeline = int(s.Timeline)
	if p.end, err = wal.ParseLSN(end); err != nil {
		return position{}, fmt.Errorf("read WAL position: %w", err)
	}
	if p.redo, err = wal.ParseLSN(redo); err != nil {
		return position{}, fmt.Errorf("read WAL position: %w", err)
	}
	return p, nil
}
