package testnode

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
)

func dial(tb testing.TB, n *Node) *pgx.Conn {
	tb.Helper()
	cfg, err := pgx.ParseConfig("host=/run/tine user=postgres dbname=postgres sslmode=disable")
	if err != nil {
		tb.Fatal(err)
	}
	cfg.DialFunc = engine.Dialer(n.SocketDir)
	conn, err := pgx.ConnectConfig(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return conn
}

func TestEachTestHasANodeOfItsOwn(t *testing.T) {
	t.Parallel()
	a, b := Start(t), Start(t)
	if a.VolumePath == b.VolumePath || a.SocketDir == b.SocketDir {
		t.Fatalf("two nodes share %+v", a)
	}
	connA, connB := dial(t, a), dial(t, b)
	if _, err := connA.Exec(t.Context(), "CREATE TABLE t ()"); err != nil {
		t.Fatal(err)
	}
	if _, err := connB.Exec(t.Context(), "SELECT FROM t"); err == nil {
		t.Fatal("one node sees the other's table")
	}
}

func TestNothingIsLeftOfANode(t *testing.T) {
	t.Parallel()
	var n *Node
	t.Run("with a node", func(t *testing.T) { // not parallel: it must be over when the parent goes on
		n = Start(t)
	})
	for _, path := range []string{n.VolumePath, n.SocketDir, n.SocketDir + ".log"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
	s, err := Open(t).Runtime.Status(t.Context(), filepath.Base(n.SocketDir))
	if err != nil || s.ID != "" {
		t.Errorf("a container is left: %v, %v", s, err)
	}
}

// A process that is gone stands for a test process that was killed.
func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	t.Parallel()
	gone := exec.CommandContext(t.Context(), "true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	s := Open(t)
	left := volumes + "/t" + strconv.Itoa(gone.Process.Pid) + "-0"
	if err := s.Pool.Clone(t.Context(), s.Golden, left); err != nil {
		t.Fatal(err)
	}
	Open(t)
	if ok, err := s.Pool.Exists(left); ok || err != nil {
		t.Fatalf("%s is there: %v, %v", left, ok, err)
	}
}

func BenchmarkStart(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		n := Start(b)
		_ = dial(b, n).Close(b.Context())
	}
}
