package gateway_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
)

// socketDir returns the socket directory of the node that this process's tests share.
func socketDir(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("TINE_TEST_SOCKET_DIR")
	if dir == "" {
		tb.Fatal("these tests need a node: set TINE_TEST_SOCKET_DIR to the socket directory of one made from golden")
	}
	return dir
}

// superuser connects to the node as its owner, for what only the host may do.
func superuser(tb testing.TB) *pgx.Conn {
	tb.Helper()
	cfg, err := pgx.ParseConfig("host=node user=postgres dbname=postgres sslmode=disable")
	if err != nil {
		tb.Fatal(err)
	}
	cfg.DialFunc = engine.Dialer(socketDir(tb))
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	conn, err := pgx.ConnectConfig(tb.Context(), cfg)
	if err != nil {
		tb.Fatalf("connect as postgres: %v", err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })
	return conn
}
