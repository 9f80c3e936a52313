package gateway_test

import (
	"context"
	"crypto/rand"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
	"tine/internal/testnode"
	"tine/internal/users"
)

// password is doadmin's.
const password = "correct horse battery staple"

// nodes are the socket directories of the nodes of running tests, by the test's name.
var nodes sync.Map

// socketDir returns the socket directory of the test's node, which is started when it is first asked for. For work on the
// gateway TINE_TEST_SOCKET_DIR may name that of a node that runs already; then all tests share it.
func socketDir(tb testing.TB) string {
	tb.Helper()
	start := sync.OnceValue(func() string {
		dir := os.Getenv("TINE_TEST_SOCKET_DIR")
		if dir == "" {
			dir = testnode.Start(tb).SocketDir
		}
		su := connect(tb, dir)
		verifier := must(users.NewVerifier(rand.Reader, password))(tb)
		if err := users.Update(tb.Context(), su, users.Owner, users.Change{Verifier: &verifier}); err != nil {
			tb.Fatalf("set password: %v", err)
		}
		return dir
	})
	dir, loaded := nodes.LoadOrStore(tb.Name(), start)
	if !loaded {
		tb.Cleanup(func() { nodes.Delete(tb.Name()) })
	}
	return dir.(func() string)() //nolint:errcheck // the map holds nothing else
}

// superuser connects to the node as its owner, for what only the host may do.
func superuser(tb testing.TB) *pgx.Conn {
	tb.Helper()
	return connect(tb, socketDir(tb))
}

func connect(tb testing.TB, dir string) *pgx.Conn {
	tb.Helper()
	cfg, err := pgx.ParseConfig("host=node user=postgres dbname=postgres sslmode=disable")
	if err != nil {
		tb.Fatal(err)
	}
	cfg.DialFunc = engine.Dialer(dir)
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	conn, err := pgx.ConnectConfig(tb.Context(), cfg)
	if err != nil {
		tb.Fatalf("connect as postgres: %v", err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.WithoutCancel(tb.Context())) })
	return conn
}
