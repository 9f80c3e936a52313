package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tine/internal/engine"
	"tine/internal/gateway/mongoerr"
)

const (
	gatewayLogin = "tine_gateway"
	// indexLogin must log in itself: the engine stores the session's user with an index that is to be built, and
	// connects as that user to build it.
	indexLogin = "documentdb_bg_worker_role"

	// maxBackends bounds the PostgreSQL connections of a cluster, over all pools. The node has 200 for us, the
	// engine's own connections to itself, TTL, archiving and the host.
	maxBackends = 140
	// maxPool bounds one pool.
	maxPool = 64
	// backendIdle closes connections that nobody used for so long: a backend costs the node about 7 MB.
	backendIdle = time.Minute
	// nodePatience is how long a command waits for a node that is not there, such as one that restarts.
	nodePatience = 5 * time.Second
	// nodeRetry is the pause between two attempts to reach it.
	nodeRetry = 50 * time.Millisecond
)

var (
	// errUnavailable is in every error that says that the node is gone.
	errUnavailable = errors.New("node is not available")
	// errUnknownOutcome is in those of them where the statement had been sent, so that it may have been carried out.
	errUnknownOutcome = fmt.Errorf("%w; the outcome of the statement is unknown", errUnavailable)
)

// login is whose rights a pool's connections have.
type login struct {
	user string // PostgreSQL's session user
	role string // taken with SET ROLE; "" for none
	held bool   // for transactions, which keep their connection while their client thinks
}

// asReader is the login for the work of commands that only read, whoever's they are.
func asReader() login { return login{user: gatewayLogin, role: "tine_reader"} }

// asWriter is the login for the work of commands that may write.
func asWriter() login { return login{user: gatewayLogin, role: "tine_writer"} }

// node is the way to a cluster's PostgreSQL: a pool of connections for each login, made when it is first needed.
type node struct {
	dial     pgconn.DialFunc
	backends chan struct{}

	mu struct {
		sync.Mutex
		pools  map[login]*pgxpool.Pool
		closed bool
	}
}

func newNode(socketDir string) *node {
	n := &node{dial: engine.Dialer(socketDir), backends: make(chan struct{}, maxBackends)}
	n.mu.pools = map[login]*pgxpool.Pool{}
	return n
}

// queryRow runs a statement that returns one row, in a transaction of its own. It waits a while for a node that is
// not there. If it fails with errUnknownOutcome the statement may have been carried out; after any other error
// nothing has been changed.
func (n *node) queryRow(ctx context.Context, l login, sql string, args []any, dest ...any) error {
	return n.with(ctx, l, func(c *pgxpool.Conn) error {
		return c.QueryRow(ctx, sql, args...).Scan(dest...)
	})
}

// exec is queryRow for a statement that returns nothing.
func (n *node) exec(ctx context.Context, l login, sql string, args ...any) error {
	return n.with(ctx, l, func(c *pgxpool.Conn) error {
		_, err := c.Exec(ctx, sql, args...)
		return err
	})
}

// with is checkout for a connection that is not needed longer than do.
func (n *node) with(ctx context.Context, l login, do func(*pgxpool.Conn) error) error {
	conn, err := n.checkout(ctx, l, do)
	if err == nil {
		conn.Release()
	}
	return err
}

// checkout runs do on a connection, again if it turns out that the connection was dead and nothing had been sent. If do
// succeeds the connection is the caller's, to be released.
func (n *node) checkout(ctx context.Context, l login, do func(*pgxpool.Conn) error) (*pgxpool.Conn, error) {
	deadline := time.Now().Add(nodePatience)
	for {
		conn, err := n.acquire(ctx, l)
		if err == nil {
			if err = do(conn); err == nil {
				return conn, nil
			}
			lost := conn.Conn().IsClosed()
			conn.Release()
			if !lost && !isShutdown(err) {
				return nil, err
			}
			if ctx.Err() == nil {
				n.reset() // the others are dead or dying, too, and whoever tries again must not get one of them
			}
			if ctx.Err() != nil || !pgconn.SafeToRetry(err) {
				return nil, mongoerr.Wrap(fmt.Errorf("%w: %w", errUnknownOutcome, err), mongoerr.PrimarySteppedDown,
					"the connection to the cluster's node broke; whether the operation was carried out is not known")
			}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !isPassing(err) || time.Now().After(deadline) || !pause(ctx, nodeRetry) {
			return nil, mongoerr.Wrap(fmt.Errorf("%w: %w", errUnavailable, err), mongoerr.PrimarySteppedDown,
				"the cluster's node is not available").WithLabel(mongoerr.RetryableWrite)
		}
	}
}

// acquire takes a connection from the pool of l.
func (n *node) acquire(ctx context.Context, l login) (*pgxpool.Conn, error) {
	pool, err := n.pool(ctx, l)
	if err != nil {
		return nil, err
	}
	return pool.Acquire(ctx)
}

// isPassing reports whether an error of acquire may go away when the node is up.
func isPassing(err error) bool {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pe.Code == "53300" || isShutdown(err)
	}
	return !errors.Is(err, errClosed)
}

// isShutdown reports whether PostgreSQL said that it stops, starts or has just crashed.
func isShutdown(err error) bool {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return false
	}
	switch pe.Code {
	case "57P01", "57P02", "57P03":
		return true
	default:
		return false
	}
}

var (
	errClosed = errors.New("cluster is closed")
	errRole   = errors.New("connection did not take its role")
)

func (n *node) pool(ctx context.Context, l login) (*pgxpool.Pool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.closed {
		return nil, errClosed
	}
	if p := n.mu.pools[l]; p != nil {
		return p, nil
	}
	cfg, err := n.config(l)
	if err != nil {
		return nil, fmt.Errorf("configure pool: %w", err)
	}
	p, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), cfg)
	if err != nil {
		return nil, fmt.Errorf("make pool: %w", err)
	}
	n.mu.pools[l] = p
	return p, nil
}

func (n *node) config(l login) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig("host=node user=" + l.user + " dbname=postgres sslmode=disable application_name=tine_gateway")
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = maxPool
	cfg.MaxConnIdleTime = backendIdle
	cfg.HealthCheckPeriod = backendIdle / 2
	cfg.ConnConfig.ConnectTimeout = nodePatience
	cfg.ConnConfig.DialFunc = n.dialBackend
	cfg.ConnConfig.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	maps.Copy(cfg.ConnConfig.RuntimeParams, l.settings())
	if l.role != "" {
		cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error { return takeRole(ctx, c, l.role) }
	}
	return cfg, nil
}

// settings are the PostgreSQL settings of a login's connections.
func (l login) settings() map[string]string {
	set := map[string]string{}
	if l.role != "" {
		// The victim of a deadlock fails as a whole, so that it can be tried again; else it would have written a part.
		set["documentdb.throwDeadlockOnCRUD"] = "on"
		set["enable_hashagg"] = "off" // see aggregatePage
	}
	if l.held {
		// MongoDB reports a conflict at once. Waiting pays only if the other transaction is rolled back: if it commits,
		// this one has met a conflict all the same.
		set["lock_timeout"] = "50ms"
	}
	return set
}

// takeRole gives a new connection the rights of its pool. The statement stands alone and its effect is checked: see the
// package comment.
func takeRole(ctx context.Context, c *pgx.Conn, role string) error {
	if _, err := c.Exec(ctx, "SET ROLE "+pgx.Identifier{role}.Sanitize()); err != nil {
		return fmt.Errorf("%w: %w", errRole, err)
	}
	var is string
	if err := c.QueryRow(ctx, "SELECT current_user").Scan(&is); err != nil {
		return fmt.Errorf("check role: %w", err)
	}
	if is != role {
		return fmt.Errorf("%w: current_user is another", errRole)
	}
	return nil
}

// dialBackend connects when the cluster has less than maxBackends connections. If it has not, some other pool gives up its
// idle ones.
func (n *node) dialBackend(ctx context.Context, network, addr string) (net.Conn, error) {
	select {
	case n.backends <- struct{}{}:
	default:
		n.shed()
		select {
		case n.backends <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c, err := n.dial(ctx, network, addr)
	if err != nil {
		<-n.backends
		return nil, err
	}
	return &backend{Conn: newSocket(c), closed: sync.OnceFunc(func() { <-n.backends })}, nil
}

// backend gives its place back when it is closed.
type backend struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (b *backend) Close() error {
	defer b.closed()
	return b.Conn.Close()
}

// reset closes all connections: idle ones now, others when they are given back.
func (n *node) reset() {
	for _, p := range n.snapshot() {
		p.Reset()
	}
}

// shed closes the connections of pools that have idle ones.
func (n *node) shed() {
	for _, p := range n.snapshot() {
		if p.Stat().IdleConns() > 0 {
			p.Reset()
		}
	}
}

// close closes all connections and makes no more. All statements must have ended.
func (n *node) close() {
	n.mu.Lock()
	n.mu.closed = true
	n.mu.Unlock()
	for _, p := range n.snapshot() {
		p.Close()
	}
}

func (n *node) snapshot() []*pgxpool.Pool {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*pgxpool.Pool, 0, len(n.mu.pools))
	for _, p := range n.mu.pools {
		all = append(all, p)
	}
	return all
}
