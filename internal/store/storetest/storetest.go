// Package storetest gives each test a store of its own, on a PostgreSQL of its own: a test node.
//
// Open makes it, brings its tables up to date and removes all of it when the test ends. Nothing outside of tests may import
// this package.
package storetest

import (
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"tine/internal/engine"
	"tine/internal/store"
	"tine/internal/testnode"
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

// Database returns how to connect to an empty database that is gone when the test ends.
func Database(tb testing.TB) *pgxpool.Config {
	tb.Helper()
	// The node's own database has the engine in it, which the control plane's has not. template1 is empty, and making
	// another one would take longer than most tests.
	cfg, err := pgxpool.ParseConfig("host=/run/tine user=postgres sslmode=disable dbname=template1")
	if err != nil {
		tb.Fatal(err)
	}
	cfg.ConnConfig.DialFunc = engine.Dialer(testnode.Start(tb).SocketDir)
	return cfg
}

// Logger writes warnings and errors into the test's own log.
func Logger(tb testing.TB) *slog.Logger {
	tb.Helper()
	return slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
