package store_test

import (
	"errors"
	"testing"
	"time"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestRestorePointsAreListedByCompletion(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	if _, err := s.OldestRestorePoint(t.Context(), c.ID); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("OldestRestorePoint without any: %v, want ErrNotFound", err)
	}
	base := time.Date(2026, 11, 1, 12, 0, 0, 1500, time.UTC)
	var added []store.RestorePoint
	for _, hours := range []int{2, 0, 1} {
		at := base.Add(time.Duration(hours) * time.Hour)
		p := store.RestorePoint{
			ClusterID: c.ID, Volume: "v", StartedAt: at, CompletedAt: at.Add(time.Second),
			RedoLSN: 0x1_0000_0028, EndLSN: 1<<63 - 1, MarkerLSN: 7, Timeline: 3, SizeBytes: 1 << 40,
		}
		added = append(added, must(s.AddRestorePoint(t.Context(), p))(t))
	}
	want := []store.RestorePoint{added[1], added[2], added[0]}
	got := must(s.RestorePoints(t.Context(), c.ID))(t)
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("RestorePoints =\n%+v, want\n%+v", got, want)
	}
	if oldest := must(s.OldestRestorePoint(t.Context(), c.ID))(t); oldest != want[0] {
		t.Errorf("OldestRestorePoint = %+v, want %+v", oldest, want[0])
	}
	for range 2 {
		if err := s.DeleteRestorePoint(t.Context(), want[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	if oldest := must(s.OldestRestorePoint(t.Context(), c.ID))(t); oldest != want[1] {
		t.Errorf("oldest after deletion = %+v, want %+v", oldest, want[1])
	}
}

func TestRestorePointOfAGoneClusterIsRefused(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	_, err := s.AddRestorePoint(t.Context(), store.RestorePoint{ClusterID: "00000000-0000-4000-8000-000000000000", Volume: "v"})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("AddRestorePoint = %v, want ErrNotFound", err)
	}
}
