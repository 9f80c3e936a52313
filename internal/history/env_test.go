package history_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tine/internal/engine"
	"tine/internal/history"
	"tine/internal/sandbox"
	"tine/internal/storage"
	"tine/internal/store"
)

// env is a machine of its own for this package's tests: a pool, containers, and a node for the store.
type env struct {
	dir     string
	pool    *storage.Pool
	runtime *sandbox.Runtime
	root    *engine.Root
	golden  string
	records *store.Store
	control *engine.Node
}

var machine *env

func TestMain(m *testing.M) {
	ctx := context.Background()
	e, err := newEnv(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "history tests:", err)
		_ = e.close(ctx)
		os.Exit(1)
	}
	machine = e
	code := m.Run()
	if err := e.close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "history tests:", err)
		code = 1
	}
	os.Exit(code)
}

func newEnv(ctx context.Context) (e *env, err error) {
	e = &env{}
	if e.dir, err = os.MkdirTemp("", "tine-history-"); err != nil {
		return e, err
	}
	engineDir := os.Getenv("TINE_ENGINE_DIR")
	if engineDir == "" {
		engineDir = "/var/lib/tine/engine"
	}
	if e.root, err = engine.Open(engineDir); err != nil {
		return e, err
	}
	e.pool, err = storage.OpenPool(ctx, storage.PoolConfig{
		Path: filepath.Join(e.dir, "pool"), Image: filepath.Join(e.dir, "pool.img"), ImageSize: 8 << 30,
	})
	if err != nil {
		return e, err
	}
	e.runtime, err = sandbox.New(sandbox.Config{Dir: filepath.Join(e.dir, "sandbox"), CgroupParent: filepath.Base(e.dir)})
	if err != nil {
		return e, err
	}
	e.golden, err = e.root.BuildGolden(ctx, e.pool, e.runtime, filepath.Join(e.dir, "golden"))
	if err != nil {
		return e, err
	}
	if e.control, err = e.startNode(ctx, "control"); err != nil {
		return e, err
	}
	cfg, err := pgxpool.ParseConfig("host=/run/tine user=postgres dbname=postgres")
	if err != nil {
		return e, err
	}
	cfg.ConnConfig.DialFunc = engine.Dialer(e.control.SocketDir())
	e.records, err = store.Open(ctx, cfg, slog.New(slog.DiscardHandler))
	return e, err
}

func (e *env) startNode(ctx context.Context, id string) (*engine.Node, error) {
	if err := e.pool.Clone(ctx, e.golden, "volumes/"+id); err != nil {
		return nil, err
	}
	n := e.node(id)
	return n, n.Start(ctx)
}

func (e *env) node(id string) *engine.Node {
	return engine.NewNode(engine.NodeConfig{
		ID: id, Root: e.root, Runtime: e.runtime,
		Volume:    e.pool.VolumePath("volumes/" + id),
		SocketDir: filepath.Join(e.dir, "sockets", id),
		LogPath:   filepath.Join(e.dir, id+".log"),
	})
}

func (e *env) close(ctx context.Context) error {
	if e.records != nil {
		e.records.Close()
	}
	if e.runtime != nil {
		list, err := e.runtime.List(ctx)
		if err != nil {
			return err
		}
		for _, s := range list {
			if err := e.runtime.Remove(ctx, s.ID); err != nil {
				return err
			}
		}
	}
	if e.pool != nil {
		if err := e.pool.Close(ctx); err != nil {
			return err
		}
	}
	return os.RemoveAll(e.dir)
}

// cluster is a running source with a table of numbers.
type cluster struct {
	tb   testing.TB
	id   string
	node *engine.Node
	src  history.Source
	conn *pgx.Conn
}

// newCluster starts a cluster without a restore point.
func newCluster(tb testing.TB) *cluster {
	tb.Helper()
	ctx := tb.Context()
	row, err := machine.records.CreateCluster(ctx, store.Cluster{
		Name: "c" + uuid.NewString()[:8], Engine: "mongodb", Version: "8", Region: "nyc1", Size: "db-s-1vcpu-1gb", NumNodes: 1,
		StorageMiB: 1, Host: "test", DoadminVerifier: "none",
	}, store.PortRange{First: 1, Last: 60000})
	if err != nil {
		tb.Fatal(err)
	}
	n, err := machine.startNode(ctx, row.ID)
	if err != nil {
		tb.Fatal(err, machine.log(row.ID))
	}
	c := &cluster{tb: tb, id: row.ID, node: n}
	c.src = history.Source{ClusterID: row.ID, HistoryID: row.HistoryID, Volume: "volumes/" + row.ID, Connect: connector(n)}
	c.conn = connect(tb, n)
	c.exec("CREATE TABLE numbers (n int PRIMARY KEY)")
	tb.Cleanup(func() { machine.remove(tb, row.ID) })
	return c
}

func connector(n *engine.Node) func(context.Context) (*pgx.Conn, func(), error) {
	return history.Connector(func(ctx context.Context) (*pgx.Conn, error) { return n.Connect(ctx, engine.RoleSuperuser) })
}

func (e *env) remove(tb testing.TB, id string) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	if err := e.node(id).Kill(ctx); err != nil {
		tb.Error(err)
	}
	if err := e.pool.Delete(ctx, "volumes/"+id); err != nil {
		tb.Error(err)
	}
}

func (e *env) log(id string) string {
	b, _ := os.ReadFile(filepath.Join(e.dir, id+".log"))
	return string(b)
}

func connect(tb testing.TB, n *engine.Node) *pgx.Conn {
	tb.Helper()
	conn, err := n.Connect(tb.Context(), engine.RoleSuperuser)
	if err != nil {
		tb.Fatal(err)
	}
	closeLater(tb, conn)
	return conn
}

func closeLater(tb testing.TB, conn *pgx.Conn) {
	tb.Helper()
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })
}

func (c *cluster) exec(sql string, args ...any) {
	c.tb.Helper()
	if _, err := c.conn.Exec(c.tb.Context(), sql, args...); err != nil {
		c.tb.Fatalf("%s: %v", sql, err)
	}
}

// insert adds numbers, each in a transaction of its own.
func (c *cluster) insert(numbers ...int) {
	c.tb.Helper()
	for _, n := range numbers {
		c.exec("INSERT INTO numbers VALUES ($1)", n)
	}
}

// bulk writes about that many MiB of WAL.
func (c *cluster) bulk(mib int) {
	c.tb.Helper()
	c.exec("CREATE TABLE IF NOT EXISTS bulk (t text)")
	c.exec("INSERT INTO bulk SELECT repeat(md5(g::text), 30) FROM generate_series(1, $1) g", mib*1000)
}

// now is a moment between what was done before and what is done after it.
func now() time.Time {
	t := time.Now()
	for time.Since(t) < 2*time.Microsecond {
		continue // the clock has to move on, to the next microsecond
	}
	return t
}

func newHistory(cfg history.Config) *history.History {
	cfg.Pool, cfg.Records, cfg.Log = machine.pool, machine.records, slog.New(slog.DiscardHandler)
	return history.New(cfg)
}

// forkAt makes a fork and returns its node, which is ready.
func (c *cluster) forkAt(h *history.History, at time.Time) (*engine.Node, history.Restored) {
	c.tb.Helper()
	return c.fork(h, history.Target{At: at})
}

// fork is forkAt for any target.
func (c *cluster) fork(h *history.History, t history.Target) (*engine.Node, history.Restored) {
	c.tb.Helper()
	id := uuid.NewString()
	c.tb.Cleanup(func() { machine.remove(c.tb, id) })
	r, err := h.Restore(c.tb.Context(), c.src, t, "volumes/"+id)
	if err != nil {
		c.tb.Fatal(err)
	}
	n := machine.node(id)
	conn, err := n.StartFresh(c.tb.Context(), r.Recovery)
	if err != nil {
		c.tb.Fatalf("%v\n%s", err, machine.log(id))
	}
	closeLater(c.tb, conn)
	return n, r
}

// numbers reads the table.
func numbers(tb testing.TB, n *engine.Node) []int {
	tb.Helper()
	rows, err := connect(tb, n).Query(tb.Context(), "SELECT n FROM numbers ORDER BY n")
	if err != nil {
		tb.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		tb.Fatal(err)
	}
	return list
}
