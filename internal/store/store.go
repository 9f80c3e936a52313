package store

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// schema is where everything lives; the SQL in this package names it in full.
const schema = "tine"

// Store is the control plane's memory. Its methods may be called from any number of goroutines.
type Store struct {
	pool   *pgxpool.Pool
	driver *riverpgxv5.Driver // shared: it learns once what the server can do
	log    *slog.Logger
}

// leastConns is what the store needs: a migration alone takes three connections, and jobs, requests and River share the rest.
const leastConns = 10

// Open connects to the database (PostgreSQL 13 or later, reached directly: jobs need LISTEN), brings its tables up to date
// and returns the store ready for use. Several processes may open the same database at once: one migrates, the others wait.
// The caller closes the store.
func Open(ctx context.Context, cfg *pgxpool.Config, log *slog.Logger) (*Store, error) {
	cfg = cfg.Copy()
	// With no search path a name without its schema is an error at once, not a table somewhere else one day.
	cfg.ConnConfig.RuntimeParams["search_path"] = ""
	cfg.MaxConns = max(cfg.MaxConns, leastConns)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := migrate(ctx, pool, log); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return &Store{pool: pool, driver: riverpgxv5.New(pool), log: log}, nil
}

// Close waits for the connections in use and closes all.
func (s *Store) Close() { s.pool.Close() }

// Pool is the store's connection pool, for health checks. Nobody else may write to the store's tables.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// execer is what a pool and a transaction have in common.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func (s *Store) inTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, fn)
}

// lazyCommit is a condition that is true, and whose statement does not wait for the disk: a crash of the database right after it may lose what it wrote, until a later commit that waits.
const lazyCommit = "set_config('synchronous_commit', 'off', true) = 'off'"
