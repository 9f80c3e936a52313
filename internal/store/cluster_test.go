package store_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestCreateClusterReturnsWhatIsStored(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	want := newCluster(1)
	want.SettingsJSON = []byte(`{"verbosity": 2}`)
	want.ProjectID, want.PrivateNetworkUUID = "p", "n"
	made := mustCreate(t, s, want)
	if made.Status != store.StatusCreating || made.Port != anyPort.First || made.ID == "" || made.Node.ID == "" || made.CreatedAt.IsZero() {
		t.Errorf("CreateCluster left something empty: %+v", made)
	}
	byID := must(s.Cluster(t.Context(), made.ID))(t)
	byName := must(s.ClusterByName(t.Context(), made.Name))(t)
	for _, got := range []store.Cluster{byID, byName} {
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", made) {
			t.Errorf("stored\n%+v, want what was returned\n%+v", got, made)
		}
	}
}

func TestCreateClusterRefusesTakenNameAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	first := mustCreate(t, s, newCluster(1))
	before := counts(t, s)
	if _, err := s.CreateCluster(t.Context(), newCluster(1), anyPort); !errors.Is(err, store.ErrNameTaken) {
		t.Fatalf("second cluster of the name: %v, want ErrNameTaken", err)
	}
	if err := s.MarkDestroying(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	before.jobs, before.events = before.jobs+1, before.events+1 // of the destruction
	if _, err := s.CreateCluster(t.Context(), newCluster(1), anyPort); !errors.Is(err, store.ErrNameTaken) {
		t.Fatalf("name of a cluster that is being destroyed: %v, want ErrNameTaken", err)
	}
	if after := counts(t, s); after != before {
		t.Errorf("a refused cluster left something: %+v, want %+v", after, before)
	}
	if err := s.DeleteCluster(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s, newCluster(1))
}

func TestPortsAreTheLowestFreeAndUsable(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	ports := store.PortRange{First: 100, Last: 103, Usable: func(port int) bool { return port != 101 }}
	var made []store.Cluster
	for n, want := range []int{100, 102, 103} {
		c := must(s.CreateCluster(t.Context(), newCluster(n), ports))(t)
		if c.Port != want {
			t.Errorf("cluster %d has port %d, want %d", n, c.Port, want)
		}
		made = append(made, c)
	}
	if _, err := s.CreateCluster(t.Context(), newCluster(9), ports); !errors.Is(err, store.ErrNoPort) {
		t.Fatalf("range used up: %v, want ErrNoPort", err)
	}
	elsewhere := newCluster(10)
	elsewhere.Host = "other"
	if c := must(s.CreateCluster(t.Context(), elsewhere, ports))(t); c.Port != 100 {
		t.Errorf("another host has its own ports: got %d, want 100", c.Port)
	}
	if err := errors.Join(s.MarkDestroying(t.Context(), made[1].ID), s.DeleteCluster(t.Context(), made[1].ID)); err != nil {
		t.Fatal(err)
	}
	if c := must(s.CreateCluster(t.Context(), newCluster(11), ports))(t); c.Port != 102 {
		t.Errorf("freed port not used again: got %d, want 102", c.Port)
	}
}

func TestConcurrentCreationsNeverShareNameOrPort(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	const clusters, rivals = 20, 3
	var mu sync.Mutex
	ports, made := map[int]bool{}, 0
	var wg sync.WaitGroup
	for n := range clusters * rivals {
		wg.Go(func() {
			c, err := s.CreateCluster(t.Context(), newCluster(n%clusters), anyPort)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && !ports[c.Port]:
				ports[c.Port], made = true, made+1
			case err == nil:
				t.Errorf("port %d given twice", c.Port)
			case !errors.Is(err, store.ErrNameTaken):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := counts(t, s); made != clusters || got.clusters != clusters || got.jobs != clusters || got.events != clusters {
		t.Errorf("%d creations succeeded and left %+v, want %d of each", made, got, clusters)
	}
}

func TestOnlyUnfinishedClustersBecomeOnlineOrFailed(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	online := mustOnline(t, s, newCluster(1))
	failed := mustCreate(t, s, newCluster(2))
	if changed, err := s.SetFailed(t.Context(), failed.ID, "The disk is full."); err != nil || !changed {
		t.Fatalf("SetFailed = %v, %v", changed, err)
	}
	if got := must(s.Cluster(t.Context(), failed.ID))(t); got.Status != store.StatusFailed || got.Failure != "The disk is full." {
		t.Errorf("failed cluster is %+v", got)
	}
	destroying := mustCreate(t, s, newCluster(3))
	if err := s.MarkDestroying(t.Context(), destroying.ID); err != nil {
		t.Fatal(err)
	}
	gone := "00000000-0000-4000-8000-000000000000"
	before := counts(t, s)
	for _, id := range []string{online.ID, failed.ID, destroying.ID, gone} {
		if changed, err := s.SetOnline(t.Context(), id); changed || err != nil {
			t.Errorf("SetOnline(%s) = %v, %v; want false", id, changed, err)
		}
		if changed, err := s.SetFailed(t.Context(), id, "No."); changed || err != nil {
			t.Errorf("SetFailed(%s) = %v, %v; want false", id, changed, err)
		}
	}
	if after := counts(t, s); after != before {
		t.Errorf("refused changes left events: %+v, want %+v", after, before)
	}
}

func TestMarkDestroyingWorksInEveryStateAndOnce(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	creating := mustCreate(t, s, newCluster(1))
	online := mustOnline(t, s, newCluster(2))
	fork := newCluster(3)
	fork.SourceID = online.ID
	forking := mustCreate(t, s, fork)
	failed := mustCreate(t, s, newCluster(4))
	_ = must(s.SetFailed(t.Context(), failed.ID, "No."))(t)
	for _, c := range []store.Cluster{creating, online, forking, failed} {
		for range 3 {
			if err := s.MarkDestroying(t.Context(), c.ID); err != nil {
				t.Fatal(err)
			}
		}
		if got := must(s.Cluster(t.Context(), c.ID))(t); got.Status != store.StatusDestroying {
			t.Errorf("%s is %s, want destroying", c.Name, got.Status)
		}
		events := must(s.Events(t.Context(), c.ID))(t)
		deletes := slices.DeleteFunc(slices.Clone(events), func(e store.Event) bool { return e.Type != store.EventClusterDelete })
		if len(deletes) != 1 {
			t.Errorf("%s has %d cluster_delete events, want 1: %+v", c.Name, len(deletes), events)
		}
	}
	if got := jobsOf(t, s, "cluster_destroy"); len(got) != 4 {
		t.Errorf("destroy jobs: %v, want one per cluster", got)
	}
	for _, id := range []string{"00000000-0000-4000-8000-000000000000", "", "x'; --", "{" + online.ID + "}"} {
		if err := s.MarkDestroying(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("MarkDestroying(%q) = %v, want ErrNotFound", id, err)
		}
	}
}

func TestForkKeepsItsLineageWithoutItsSource(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	source := newCluster(1)
	source.SettingsJSON = []byte(`{"verbosity": 3}`)
	source = mustOnline(t, s, source)
	at := time.Date(2026, 8, 1, 10, 0, 0, 123456789, time.UTC)
	fork := newCluster(2)
	fork.SourceID, fork.ForkAt = source.ID, &at
	made := mustCreate(t, s, fork)
	if made.Status != store.StatusForking || made.SourceName != source.Name || string(made.SettingsJSON) != `{"verbosity": 3}` {
		t.Errorf("fork is %+v, want forking, with its source's name and settings", made)
	}
	if made.ForkAt.Nanosecond() != 123456000 {
		t.Errorf("fork time %v is not truncated to microseconds", made.ForkAt)
	}
	pending := must(s.PendingForks(t.Context(), source.ID))(t)
	if len(pending) != 1 || pending[0].ID != made.ID {
		t.Errorf("PendingForks = %+v, want the fork", pending)
	}
	_ = must(s.SetOnline(t.Context(), made.ID))(t)
	if err := errors.Join(s.MarkDestroying(t.Context(), source.ID), s.DeleteCluster(t.Context(), source.ID)); err != nil {
		t.Fatal(err)
	}
	got := must(s.Cluster(t.Context(), made.ID))(t)
	if got.SourceID != source.ID || got.SourceName != source.Name || got.Status != store.StatusOnline || !got.ForkAt.Equal(*made.ForkAt) {
		t.Errorf("fork without its source is %+v", got)
	}
}

func TestForkNeedsAnOnlineSource(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	creating := mustCreate(t, s, newCluster(1))
	destroying := mustOnline(t, s, newCluster(2))
	if err := s.MarkDestroying(t.Context(), destroying.ID); err != nil {
		t.Fatal(err)
	}
	before := counts(t, s)
	for n, id := range []string{creating.ID, destroying.ID, "00000000-0000-4000-8000-000000000000"} {
		fork := newCluster(10 + n)
		fork.SourceID = id
		if _, err := s.CreateCluster(t.Context(), fork, anyPort); !errors.Is(err, store.ErrSourceNotOnline) {
			t.Errorf("fork of %s: %v, want ErrSourceNotOnline", id, err)
		}
	}
	if after := counts(t, s); after != before {
		t.Errorf("refused forks left something: %+v, want %+v", after, before)
	}
}

func TestClustersPagesFiltersAndHidesDestroying(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for n := range 5 {
		c := newCluster(n)
		c.CreatedAt = time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC)
		if n == 2 {
			c.Tags = []string{"blue", "red"}
		}
		c = mustCreate(t, s, c)
		if n == 4 {
			if err := s.MarkDestroying(t.Context(), c.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		page  store.Page
		want  []string
		total int
	}{
		{store.Page{Number: 1, Size: 3}, []string{"cluster-0", "cluster-1", "cluster-2"}, 4},
		{store.Page{Number: 2, Size: 3}, []string{"cluster-3"}, 4},
		{store.Page{Number: 3, Size: 3}, nil, 4},
		{store.Page{Number: 1, Size: 10, Tag: "blue"}, []string{"cluster-2"}, 1},
		{store.Page{Number: 1, Size: 10, Tag: "green"}, nil, 0},
		{store.Page{Number: 2, Size: 4, WithDestroying: true}, []string{"cluster-4"}, 5},
	}
	for _, tt := range tests {
		list, total, err := s.Clusters(t.Context(), tt.page)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range list {
			names = append(names, c.Name)
		}
		if !slices.Equal(names, tt.want) || total != tt.total {
			t.Errorf("Clusters(%+v) = %v of %d, want %v of %d", tt.page, names, total, tt.want, tt.total)
		}
	}
}

func TestDeleteClusterTakesOnlyWhatIsBeingDestroyed(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	_ = must(s.AddRestorePoint(t.Context(), store.RestorePoint{ClusterID: c.ID, Volume: "v"}))(t)
	if err := s.DeleteCluster(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Cluster(t.Context(), c.ID); err != nil {
		t.Fatalf("DeleteCluster deleted an online cluster: %v", err)
	}
	for range 2 {
		if err := errors.Join(ignoreNotFound(s.MarkDestroying(t.Context(), c.ID)), s.DeleteCluster(t.Context(), c.ID)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Cluster(t.Context(), c.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted cluster: %v, want ErrNotFound", err)
	}
	if points := must(s.RestorePoints(t.Context(), c.ID))(t); len(points) != 0 {
		t.Errorf("restore points outlived their cluster: %+v", points)
	}
	events := must(s.Events(t.Context(), c.ID))(t)
	var types []string
	for _, e := range events {
		types = append(types, e.Type)
		if e.ClusterName != c.Name {
			t.Errorf("event %s lost its cluster's name: %q", e.Type, e.ClusterName)
		}
	}
	want := []string{store.EventClusterCreate, store.EventClusterOnline, store.EventClusterDelete, store.EventClusterDestroyed}
	if !slices.Equal(types, want) {
		t.Errorf("events %v, want %v", types, want)
	}
}

func TestRecordRestartCounts(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	for want := 1; want <= 2; want++ {
		if got := must(s.RecordRestart(t.Context(), c.ID, "The node died and was started again."))(t); got != want {
			t.Errorf("RecordRestart = %d, want %d", got, want)
		}
	}
	if got := must(s.Cluster(t.Context(), c.ID))(t); got.Node.Restarts != 2 {
		t.Errorf("stored restarts %d, want 2", got.Node.Restarts)
	}
}

func ignoreNotFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
