package store_test

import (
	"errors"
	"testing"
	"time"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestTransferIsThereUntilItsForkIsOnline(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	source := mustOnline(t, s, newCluster(1))
	c := newCluster(2)
	c.SourceID, c.Pool = source.ID, "fra1"
	fork := mustCreate(t, s, c)
	if got := must(s.Cluster(t.Context(), fork.ID))(t); got.Pool != "fra1" {
		t.Errorf("the pool is %q", got.Pool)
	}
	if _, err := s.Transfer(t.Context(), fork.ID); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Transfer before any = %v", err)
	}
	begin := store.Transfer{ClusterID: fork.ID, FromRegion: "nyc1", ToRegion: "fra1", ToPool: "fra1"}
	x := must(s.BeginTransfer(t.Context(), begin))(t)
	x.SentBytes, x.KeptBytes, x.TotalBytes, x.BytesPerSecond = 100, 60, 400, 30
	if wanted, err := s.SetTransferProgress(t.Context(), x); err != nil || !wanted {
		t.Fatal(wanted, err)
	}
	again := must(s.BeginTransfer(t.Context(), begin))(t)
	if again.SentBytes != 100 || again.KeptBytes != 60 || again.ToRegion != "fra1" {
		t.Errorf("a transfer that is begun again is %+v", again)
	}
	if left, ok := again.Left(); left != 10*time.Second || !ok {
		t.Errorf("%s are left, %t", left, ok)
	}
	if changed, err := s.SetOnline(t.Context(), fork.ID); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if _, err := s.Transfer(t.Context(), fork.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Transfer of an online fork = %v", err)
	}
	if wanted, err := s.SetTransferProgress(t.Context(), x); err != nil || wanted {
		t.Errorf("a transfer that is over is wanted: %t, %v", wanted, err)
	}
}

func TestMigrationChangesRegionAndPoolAtOnce(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	c = must(s.Cluster(t.Context(), c.ID))(t)
	if err := s.BeginMigration(t.Context(), c, "fra1", "fra1"); err != nil {
		t.Fatal(err)
	}
	if err := s.BeginMigration(t.Context(), c, "fra1", "fra1"); !errors.Is(err, store.ErrNotOnline) {
		t.Errorf("a second migration: %v", err)
	}
	if got := must(s.Cluster(t.Context(), c.ID))(t); got.Status != store.StatusMigrating || got.Region != c.Region || got.Pool != c.Pool {
		t.Errorf("a cluster that migrates is %s in %s, pool %q", got.Status, got.Region, got.Pool)
	}
	if moved, err := s.MoveCluster(t.Context(), c.ID); err != nil || !moved {
		t.Fatal(moved, err)
	}
	for range 2 {
		if err := s.EndMigration(t.Context(), c.ID, store.EventMigrated, "There."); err != nil {
			t.Fatal(err)
		}
	}
	if got := must(s.Cluster(t.Context(), c.ID))(t); got.Status != store.StatusOnline || got.Region != "fra1" || got.Pool != "fra1" {
		t.Errorf("a cluster that has migrated is %s in %s, pool %q", got.Status, got.Region, got.Pool)
	}
	if moved, err := s.MoveCluster(t.Context(), c.ID); err != nil || moved {
		t.Errorf("a cluster that does not migrate was moved: %t, %v", moved, err)
	}
	if _, err := s.Transfer(t.Context(), c.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Transfer after the migration = %v", err)
	}
	there := 0
	for _, e := range must(s.Events(t.Context(), c.ID))(t) {
		if e.Type == store.EventMigrated {
			there++
		}
	}
	if there != 1 {
		t.Errorf("%d events tell of the end of the migration", there)
	}
}
