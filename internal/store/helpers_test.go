package store_test

import (
	"fmt"
	"testing"

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
