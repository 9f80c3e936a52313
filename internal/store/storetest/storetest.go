// Package storetest gives each test a store of its own, in a database of its own on the test's PostgreSQL.
//
// Open makes the database, brings it up to date and drops it when the test ends. Nothing outside of tests may import
// this package.
package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tine/internal/engine"
	"tine/internal/store"
)

// Open returns a store with nothing in it, which is gone when the test ends.
func Open(tb testing.TB) *store.Store {
	tb.Helper()
	s, err := store.Open(tb.Context(), Database(tb), Logger(tb))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Database makes an empty database, dropped when the test ends, and returns how to connect to it.
func Database(tb testing.TB) *pgxpool.Config {
	tb.Helper()
	dir := socketDir(tb)
	relax(tb, dir)
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	admin(tb, dir, "CREATE DATABASE "+name+" TEMPLATE template0")
	tb.Cleanup(func() { admin(tb, dir, "DROP DATABASE "+name+" WITH (FORCE)") })
	return config(tb, dir, name)
}

// Logger writes warnings and errors into the test's own log.
func Logger(tb testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// relax makes the test's PostgreSQL forget about power cuts: dropping a database waits for a checkpoint, and with fsync that is a
// second a test.
func relax(tb testing.TB, dir string) {
	tb.Helper()
	admin(tb, dir, "ALTER SYSTEM SET fsync = off")
	admin(tb, dir, "SELECT pg_reload_conf()")
}

func socketDir(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("TINE_TEST_SOCKET_DIR")
	if dir == "" {
		tb.Fatal("TINE_TEST_SOCKET_DIR must name the socket directory of a test PostgreSQL")
	}
	return dir
}

func config(tb testing.TB, dir, database string) *pgxpool.Config {
	tb.Helper()
	cfg, err := pgxpool.ParseConfig(fmt.Sprintf("host=node user=postgres database=%s", database))
	if err != nil {
		tb.Fatal(err)
	}
	cfg.ConnConfig.DialFunc = engine.Dialer(dir)
	cfg.ConnConfig.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	return cfg
}

// admin runs one statement outside of the test's database and outside of the test's time.
func admin(tb testing.TB, dir, statement string) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	conn, err := pgx.ConnectConfig(ctx, config(tb, dir, "postgres").ConnConfig)
	if err != nil {
		tb.Fatalf("connect to the test PostgreSQL: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}
