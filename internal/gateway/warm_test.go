package gateway_test

import (
	"net"
	"testing"

	"tine/internal/gateway"
)

// What Prepare makes is used by Open, and thrown away by Close.
func TestPreparedClusterIsServedOrDiscarded(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	backends := func() (count int) {
		t.Helper()
		row := superuser(t).QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tine_gateway'")
		if err := row.Scan(&count); err != nil {
			t.Fatal(err)
		}
		return count
	}
	s := gateway.NewServer(gateway.Config{})
	spec := gateway.Cluster{ID: "prepared", Name: "prepared", Version: "8", SocketDir: dir}
	s.Prepare(t.Context(), spec)
	if n := backends(); n != 2 {
		t.Errorf("%d connections are prepared, want one to log in and one to work", n)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context(), spec, ln); err != nil {
		t.Fatal(err)
	}
	if n := backends(); n != 2 {
		t.Errorf("%d connections exist after Open, want the two that were prepared", n)
	}
	s.Close(spec.ID)
	s.Prepare(t.Context(), spec)
	s.Close(spec.ID)
	for backends() != 0 { // PostgreSQL notices the end of a connection a little later
		if t.Context().Err() != nil {
			t.Fatal("connections are left after Close")
		}
	}
}
