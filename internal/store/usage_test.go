package store_test

import (
	"testing"
	"time"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestTheMeterRunsFromCreationToTheWishToDestroy(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := newCluster(1)
	c.CreatedAt = time.Now().Add(-time.Hour).Truncate(time.Second)
	c.Charge = store.Charge{MonthlyPrice: 15_000_000}
	c = mustOnline(t, s, c)
	all := func() []store.Usage {
		t.Helper()
		return must(s.Usage(t.Context(), time.Time{}, time.Now().Add(time.Hour)))(t)
	}
	if got := all(); len(got) != 1 || got[0].ClusterID != c.ID || got[0].Charge != c.Charge || !got[0].From.Equal(c.CreatedAt) || !got[0].To.IsZero() {
		t.Fatalf("usage %+v", got)
	}
	for range 2 { // the second time the meter stands already
		if err := s.MarkDestroying(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
	}
	stopped := all()
	if len(stopped) != 1 || stopped[0].To.Before(c.CreatedAt.Add(time.Hour)) {
		t.Fatalf("usage %+v", stopped)
	}
	if err := s.DeleteCluster(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if got := all(); len(got) != 1 || got[0] != stopped[0] {
		t.Errorf("after the destruction %+v, want %+v", got, stopped[0])
	}
	if got := must(s.Usage(t.Context(), stopped[0].To, time.Now().Add(time.Hour)))(t); len(got) != 0 {
		t.Errorf("usage after the end: %+v", got)
	}
}

func TestAClusterThatNeverCameToBeCostsNothing(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustCreate(t, s, newCluster(1))
	if changed, err := s.SetFailed(t.Context(), c.ID, "The disk is full."); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if got := must(s.Usage(t.Context(), time.Time{}, time.Now().Add(time.Hour)))(t); len(got) != 0 {
		t.Errorf("usage %+v", got)
	}
}
