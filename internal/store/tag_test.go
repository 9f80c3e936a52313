package store_test

import (
	"errors"
	"slices"
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
