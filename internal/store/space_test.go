package store_test

import (
	"errors"
	"testing"
	"time"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestSpaceOfAHostIsTheNewest(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	if _, err := s.HostSpace(t.Context(), "local", store.DefaultPool); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("HostSpace before any = %v, want ErrNotFound", err)
	}
	want := store.HostSpace{
		Host: "local", Level: store.SpaceAmple, TotalBytes: 1 << 40, FreeBytes: 1 << 39, FreeShare: 0.5, RequiredShare: 0.15,
		MeasuredAt: time.Date(2026, 11, 1, 12, 0, 0, 1000, time.UTC),
	}
	for _, level := range []store.SpaceLevel{store.SpaceAmple, store.SpaceTight, store.SpaceShort, store.SpaceCritical} {
		want.Level = level
		if err := s.SetHostSpace(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got := must(s.HostSpace(t.Context(), "local", store.DefaultPool))(t); got != want {
			t.Errorf("HostSpace = %+v, want %+v", got, want)
		}
	}
}

// The oldest of all clusters come first, whosever they are, and no cluster's newest is among them.
func TestExpendableRestorePointsLeaveEachClusterItsNewest(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	a, b := mustOnline(t, s, newCluster(1)), mustOnline(t, s, newCluster(2))
	base := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	add := func(c store.Cluster, minutes int) int64 {
		at := base.Add(time.Duration(minutes) * time.Minute)
		return must(s.AddRestorePoint(t.Context(), store.RestorePoint{ClusterID: c.ID, Volume: "v", StartedAt: at, CompletedAt: at}))(t).ID
	}
	want := []int64{add(a, 1), add(b, 2), add(a, 3)}
	add(a, 5)
	add(b, 4)
	for most := range 5 {
		points := must(s.ExpendableRestorePoints(t.Context(), a.Host, a.Pool, most))(t)
		if len(points) != min(most, len(want)) {
			t.Fatalf("%d restore points, want %d", len(points), min(most, len(want)))
		}
		for i, p := range points {
			if p.ID != want[i] {
				t.Errorf("restore point %d is number %d, want %d", i, p.ID, want[i])
			}
		}
	}
	if others := must(s.ExpendableRestorePoints(t.Context(), "another", store.DefaultPool, 5))(t); len(others) != 0 {
		t.Errorf("another host has %v", others)
	}
}

// Both edges have their event, and are told once.
func TestOverStorageIsToldOnce(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	before := len(must(s.Events(t.Context(), c.ID))(t))
	for _, step := range []struct{ over, changed bool }{{false, false}, {true, true}, {true, false}, {false, true}, {false, false}, {true, true}} {
		if changed := must(s.SetOverStorage(t.Context(), c.ID, step.over, "words"))(t); changed != step.changed {
			t.Errorf("over %v: changed is %v, want %v", step.over, changed, step.changed)
		}
	}
	events := must(s.Events(t.Context(), c.ID))(t)[before:]
	if len(events) != 3 || events[0].Type != store.EventWritesBlocked || events[1].Type != store.EventWritesAllowed || events[2].Message != "words" {
		t.Errorf("events are %+v", events)
	}
	if changed, err := s.SetOverStorage(t.Context(), "00000000-0000-4000-8000-000000000000", true, "words"); changed || err != nil {
		t.Errorf("of a gone cluster: %v, %v", changed, err)
	}
}
