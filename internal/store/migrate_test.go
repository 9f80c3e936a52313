package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestProcessesThatOpenTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	cfg := storetest.Database(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := store.Open(t.Context(), cfg, storetest.Logger(t))
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
	s := must(store.Open(t.Context(), cfg, storetest.Logger(t)))(t)
	defer s.Close()
	mustCreate(t, s, newCluster(1))
}

func TestOldEventsArePruned(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustCreate(t, s, newCluster(1))
	old := store.Event{ClusterID: c.ID, Type: "cluster_update", Message: "Long ago.", CreatedAt: time.Now().Add(-store.EventRetention - time.Hour)}
	if err := s.AddEvent(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if events := must(s.Events(t.Context(), c.ID))(t); len(events) != 2 || events[1].ClusterName != c.Name {
		t.Fatalf("events before pruning: %+v", events)
	}
	client := newRecorders(t, s, "local", make(chan seen, 1), nil)
	finished, cancel := client.Subscribe(river.EventKindJobCompleted)
	defer cancel()
	startClient(t, client)
	for event := range finished {
		if event.Job.Kind == "prune_events" {
			break
		}
	}
	if events := must(s.Events(t.Context(), c.ID))(t); len(events) != 1 || events[0].Type != store.EventClusterCreate {
		t.Fatalf("events after pruning: %+v", events)
	}
}
