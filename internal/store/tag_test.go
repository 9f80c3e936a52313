package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestTagsAreGivenToAllClustersOrNone(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	first, second := mustCreate(t, s, newCluster(1)), mustCreate(t, s, newCluster(2)) // both are red
	if err := s.CreateTag(t.Context(), "blue"); err != nil {
		t.Fatal(err)
	}
	tags := func(id string) []string { return must(s.Cluster(t.Context(), id))(t).Tags }
	for name, try := range map[string]func() error{
		"one unknown cluster": func() error { return s.TagClusters(t.Context(), "blue", []string{first.ID, uuid.NewString()}) },
		"no UUID":             func() error { return s.TagClusters(t.Context(), "blue", []string{first.ID, "x"}) },
		"unknown tag":         func() error { return s.TagClusters(t.Context(), "green", []string{first.ID}) },
		"deletion of nothing": func() error { return s.DeleteTag(t.Context(), "green") },
	} {
		if err := try(); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
	}
	if got := tags(first.ID); !slices.Equal(got, []string{"red"}) {
		t.Errorf("a refused tagging left %s", got)
	}
	for range 2 {
		if err := s.TagClusters(t.Context(), "blue", []string{first.ID, second.ID, first.ID}); err != nil {
			t.Fatal(err)
		}
	}
	if got := tags(first.ID); !slices.Equal(got, []string{"blue", "red"}) {
		t.Errorf("tags %s", got)
	}
	if got := must(s.Tag(t.Context(), "blue"))(t); got.Clusters != 2 || got.Latest != second.ID {
		t.Errorf("tag %+v", got)
	}
	if err := s.UntagClusters(t.Context(), "red", []string{second.ID}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteTag(t.Context(), "blue"); err != nil {
		t.Fatal(err)
	}
	if got, other := tags(first.ID), tags(second.ID); !slices.Equal(got, []string{"red"}) || len(other) != 0 {
		t.Errorf("tags %s and %s, want red and none", got, other)
	}
	if list := must(s.Tags(t.Context()))(t); len(list) != 1 || list[0] != (store.Tag{Name: "red", Clusters: 1, Latest: first.ID}) {
		t.Errorf("tags %+v", list)
	}
}

// Requests that tag the same clusters must not wait for each other in a circle.
func TestTagsOfManyRequestsAtOnceAreAllKept(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	const clusters, tags, rounds = 12, 8, 6
	ids := make([]string, clusters)
	for n := range ids {
		c := newCluster(n)
		c.Tags = nil
		ids[n] = mustCreate(t, s, c).ID
	}
	var running sync.WaitGroup
	for n := range tags {
		kept, dropped := fmt.Sprintf("kept-%d", n), fmt.Sprintf("dropped-%d", n)
		running.Go(func() {
			for round := range rounds {
				mine := slices.Clone(ids)
				rand.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
				err := errors.Join(s.CreateTag(t.Context(), kept), s.CreateTag(t.Context(), dropped),
					s.TagClusters(t.Context(), kept, mine), s.TagClusters(t.Context(), dropped, mine),
					s.UntagClusters(t.Context(), kept, mine[:round]), s.TagClusters(t.Context(), kept, mine), s.DeleteTag(t.Context(), dropped))
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	for _, id := range ids {
		if got := must(s.Cluster(t.Context(), id))(t).Tags; len(got) != tags {
			t.Errorf("cluster has the tags %v", got)
		}
	}
}
