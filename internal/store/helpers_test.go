package store_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"tine/internal/store"
)

var anyPort = store.PortRange{First: 20000, Last: 40000}

// newCluster is a valid cluster, different for each n.
func newCluster(n int) store.Cluster {
	return store.Cluster{
		Name: fmt.Sprintf("cluster-%d", n), Engine: "mongodb", Version: "8", Region: "nyc1", Size: "db-s-1vcpu-1gb",
		NumNodes: 1, StorageMiB: 15360, Tags: []string{"red"}, Host: "local", DoadminVerifier: "SCRAM-SHA-256$4096:x",
	}
}

func mustCreate(t testing.TB, s *store.Store, c store.Cluster) store.Cluster {
	t.Helper()
	c, err := s.CreateCluster(t.Context(), c, anyPort)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mustOnline makes a cluster that is online.
func mustOnline(t testing.TB, s *store.Store, c store.Cluster) store.Cluster {
	t.Helper()
	c = mustCreate(t, s, c)
	changed, err := s.SetOnline(t.Context(), c.ID)
	if err != nil || !changed {
		t.Fatalf("SetOnline = %v, %v; want true", changed, err)
	}
	c.Status = store.StatusOnline
	return c
}

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// rows says how much there is of everything, to see that something was not made.
type rows struct{ clusters, events, jobs int }

func counts(t testing.TB, s *store.Store) rows {
	t.Helper()
	var r rows
	row := s.Pool().QueryRow(t.Context(), `SELECT (SELECT count(*) FROM tine.clusters), (SELECT count(*) FROM tine.events),
		(SELECT count(*) FROM tine.river_job)`)
	if err := row.Scan(&r.clusters, &r.events, &r.jobs); err != nil {
		t.Fatal(err)
	}
	return r
}

// jobsOf returns the cluster ids of the jobs of a kind, in the order of their insertion.
func jobsOf(t testing.TB, s *store.Store, kind string) []string {
	t.Helper()
	result, err := s.Pool().Query(t.Context(), "SELECT args ->> 'cluster_id' FROM tine.river_job WHERE kind = $1 ORDER BY id", kind)
	if err != nil {
		t.Fatal(err)
	}
	return must(pgx.CollectRows(result, pgx.RowTo[string]))(t)
}
