package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

// fork is a fork of c.
func forkOf(c store.Cluster, n int) store.Cluster {
	f := newCluster(n)
	f.SourceID = c.ID
	return f
}

func addPoint(t *testing.T, s *store.Store, c store.Cluster, volume string) {
	t.Helper()
	p := store.RestorePoint{ClusterID: c.ID, Volume: volume, StartedAt: time.Now(), CompletedAt: time.Now()}
	if _, err := s.AddRestorePoint(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

func statusOf(t *testing.T, s *store.Store, id string) string {
	t.Helper()
	return must(s.Cluster(t.Context(), id))(t).Status
}

// lastEvent is the type of a cluster's newest event.
func lastEvent(t *testing.T, s *store.Store, id string) string {
	t.Helper()
	events := must(s.Events(t.Context(), id))(t)
	return events[len(events)-1].Type
}

func TestRestoreExchangesNodeAndHistoryOnce(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	addPoint(t, s, c, "old")
	x := store.Exchange{ClusterID: c.ID, Kind: store.ExchangeRestore, Keep: time.Hour}
	fork := must(s.BeginExchange(t.Context(), x, forkOf(c, 2), anyPort))(t)
	if got := statusOf(t, s, c.ID); got != store.StatusRestoring || fork.Status != store.StatusForking {
		t.Errorf("the cluster is %s and the fork %s", got, fork.Status)
	}
	if jobs := jobsOf(t, s, "cluster_swap"); len(jobs) != 0 {
		t.Errorf("the exchange is queued before the fork is made: %v", jobs)
	}
	must(s.SetOnline(t.Context(), fork.ID))(t)
	if jobs := jobsOf(t, s, "cluster_swap"); !slices.Equal(jobs, []string{c.ID}) || statusOf(t, s, fork.ID) != store.StatusSwapping {
		t.Errorf("the exchange is queued for %v, the fork is %s", jobs, statusOf(t, s, fork.ID))
	}
	addPoint(t, s, fork, "new")
	cut := time.Now()
	for range 2 { // it may be repeated
		if err := s.ExchangeNodes(t.Context(), c.ID, cut); err != nil {
			t.Fatal(err)
		}
	}
	after, other := must(s.Cluster(t.Context(), c.ID))(t), must(s.Cluster(t.Context(), fork.ID))(t)
	if after.Node != fork.Node || after.HistoryID != fork.HistoryID || other.Node != c.Node || other.HistoryID != c.HistoryID {
		t.Errorf("nodes and histories are %+v %s and %+v %s", after.Node, after.HistoryID, other.Node, other.HistoryID)
	}
	if after.Name != c.Name || after.Port != c.Port || after.SourceID != "" || other.ForkAt == nil || !other.ForkAt.Equal(cut.Truncate(time.Microsecond)) {
		t.Errorf("the cluster is %+v, the other one is from %v", after, other.ForkAt)
	}
	for cluster, volume := range map[string]string{c.ID: "new", fork.ID: "old"} {
		if points := must(s.RestorePoints(t.Context(), cluster))(t); len(points) != 1 || points[0].Volume != volume {
			t.Errorf("restore points %+v, want the one in %s", points, volume)
		}
	}
	if err := s.CancelExchange(t.Context(), c.ID, "Too late."); err != nil || statusOf(t, s, c.ID) != store.StatusRestoring {
		t.Errorf("an exchange that was made is given up: %v", err)
	}
	for range 2 {
		if err := s.FinishExchange(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
	}
	other = must(s.Cluster(t.Context(), fork.ID))(t)
	if statusOf(t, s, c.ID) != store.StatusOnline || other.Status != store.StatusOnline || other.ExpiresAt == nil ||
		!other.ExpiresAt.Equal(cut.Truncate(time.Microsecond).Add(time.Hour)) {
		t.Errorf("the cluster is %s, the other one %s and expires at %v", statusOf(t, s, c.ID), other.Status, other.ExpiresAt)
	}
	if got := lastEvent(t, s, c.ID); got != "cluster_restore_done" {
		t.Errorf("the last event is %s", got)
	}
}

// While two clusters exchange their nodes nothing else can be done with either.
func TestClustersInAnExchangeAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c, d := mustOnline(t, s, newCluster(1)), mustOnline(t, s, newCluster(2))
	e := mustOnline(t, s, newCluster(3))
	if err := s.BeginSwap(t.Context(), c.ID, d.ID); err != nil {
		t.Fatal(err)
	}
	before := counts(t, s)
	for what, attempt := range map[string]func() error{
		"destroy": func() error { return s.MarkDestroying(t.Context(), d.ID) },
		"resize":  func() error { return s.Reconfigure(t.Context(), c, store.Configuration{}) },
		"swap":    func() error { return s.BeginSwap(t.Context(), e.ID, d.ID) },
		"fork":    func() error { _, err := s.CreateCluster(t.Context(), forkOf(c, 4), anyPort); return err },
		"restore": func() error {
			_, err := s.BeginExchange(t.Context(), store.Exchange{ClusterID: c.ID, Kind: "restore"}, forkOf(c, 5), anyPort)
			return err
		},
		"yourself": func() error { return s.BeginSwap(t.Context(), e.ID, e.ID) },
	} {
		if err := attempt(); err == nil {
			t.Errorf("%s is possible in the middle of an exchange", what)
		}
	}
	if after := counts(t, s); after != before {
		t.Errorf("what was refused left %+v, want %+v", after, before)
	}
	if !errors.Is(s.MarkDestroying(t.Context(), c.ID), store.ErrInExchange) {
		t.Error("the refusal has no name")
	}
	if err := s.CancelExchange(t.Context(), c.ID, "It was not to be."); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{c.ID, d.ID} {
		if statusOf(t, s, id) != store.StatusOnline || lastEvent(t, s, id) != "cluster_swap_failed" {
			t.Errorf("after a swap that was given up a cluster is %s, its last event %s", statusOf(t, s, id), lastEvent(t, s, id))
		}
	}
}

// If the fork for a restore cannot be made, the cluster is as before, and nothing is left of the fork.
func TestRestoreWhoseForkFails(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	fork := must(s.BeginExchange(t.Context(), store.Exchange{ClusterID: c.ID, Kind: store.ExchangeRestore}, forkOf(c, 2), anyPort))(t)
	must(s.SetFailed(t.Context(), fork.ID, "The history has a gap."))(t)
	if statusOf(t, s, c.ID) != store.StatusOnline || lastEvent(t, s, c.ID) != "cluster_restore_failed" || statusOf(t, s, fork.ID) != store.StatusDestroying {
		t.Errorf("the cluster is %s after %s, the fork %s", statusOf(t, s, c.ID), lastEvent(t, s, c.ID), statusOf(t, s, fork.ID))
	}
	if jobs := jobsOf(t, s, "cluster_destroy"); !slices.Equal(jobs, []string{fork.ID}) {
		t.Errorf("to be destroyed are %v", jobs)
	}
}

func TestResetShowsTheSourcesMoment(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	source := mustOnline(t, s, newCluster(1))
	c := mustOnline(t, s, forkOf(source, 2))
	at := time.Now().Add(-time.Minute).UTC().Truncate(time.Microsecond)
	made := forkOf(source, 3)
	made.ForkAt = &at
	other := must(s.BeginExchange(t.Context(), store.Exchange{ClusterID: c.ID, Kind: store.ExchangeReset, At: &at}, made, anyPort))(t)
	must(s.SetOnline(t.Context(), other.ID))(t)
	if err := s.ExchangeNodes(t.Context(), c.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	c, other = must(s.Cluster(t.Context(), c.ID))(t), must(s.Cluster(t.Context(), other.ID))(t)
	if c.SourceID != source.ID || c.ForkAt == nil || !c.ForkAt.Equal(at) || other.SourceID != c.ID || other.SourceName != c.Name {
		t.Errorf("the fork is of %s at %v, its state before of %s", c.SourceName, c.ForkAt, other.SourceName)
	}
}

// Right before a drop and right after it are the same moment; events say which.
func TestRestoreAndResetSayAtWhichTransaction(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	source := mustOnline(t, s, newCluster(1))
	at := time.Date(2026, 8, 10, 11, 0, 0, 0, time.UTC)
	for n, test := range []struct {
		kind  string
		after bool
		keep  time.Duration
		want  []string // what each of its events has
		kept  string   // what the last event of the state before has
	}{
		{store.ExchangeRestore, false, 0, []string{"its state right before transaction 1/3A2F198, of 2026-08-10T11:00:00Z; its present state", "its own state right before transaction 1/3A2F198, of 2026-08-10T11:00:00Z. Connections"}, "before the restore, and is kept for ever."},
		{store.ExchangeReset, true, time.Hour, []string{"right after transaction 1/3A2F198, of 2026-08-10T11:00:00Z; its own state", "right after transaction 1/3A2F198, of 2026-08-10T11:00:00Z. Connections"}, "before the reset, and is kept until 2"},
	} {
		c := mustOnline(t, s, forkOf(source, 2+2*n))
		made := forkOf(source, 3+2*n)
		made.ForkAt, made.ForkLSN, made.ForkAfter = &at, 0x1_03A2F198, test.after
		other := must(s.BeginExchange(t.Context(), store.Exchange{ClusterID: c.ID, Kind: test.kind, At: &at, Keep: test.keep}, made, anyPort))(t)
		must(s.SetOnline(t.Context(), other.ID))(t)
		if err := errors.Join(s.ExchangeNodes(t.Context(), c.ID, time.Now()), s.FinishExchange(t.Context(), c.ID)); err != nil {
			t.Fatal(err)
		}
		events := must(s.Events(t.Context(), c.ID))(t)
		for i, want := range test.want {
			if got := events[len(events)-2+i].Message; !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", test.kind, got, want)
			}
		}
		events = must(s.Events(t.Context(), other.ID))(t)
		if got := events[len(events)-1].Message; !strings.Contains(got, test.kept) {
			t.Errorf("%s: %q lacks %q", test.kind, got, test.kept)
		}
	}
}

// A cluster that gets the data of another one by a swap does not take them with it when its own time is over a moment later.
func TestSwapPutsAnExpiryOff(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	soon := time.Now().Add(time.Minute)
	temporary := newCluster(2)
	temporary.ExpiresAt = &soon
	c, d := mustOnline(t, s, newCluster(1)), mustOnline(t, s, temporary)
	if err := s.BeginSwap(t.Context(), c.ID, d.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.ExchangeNodes(t.Context(), c.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.FinishExchange(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	c, d = must(s.Cluster(t.Context(), c.ID))(t), must(s.Cluster(t.Context(), d.ID))(t)
	if c.ExpiresAt != nil || d.ExpiresAt == nil || time.Until(*d.ExpiresAt) < 6*24*time.Hour {
		t.Errorf("the clusters expire at %v and %v", c.ExpiresAt, d.ExpiresAt)
	}
}

// Of an exchange whose job is lost, or was given up, the next start makes a new one, once it can be done.
func TestLostExchangesAreQueuedAgain(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c, d := mustOnline(t, s, newCluster(1)), mustOnline(t, s, newCluster(2))
	e := mustOnline(t, s, newCluster(3))
	if err := s.BeginSwap(t.Context(), c.ID, d.ID); err != nil {
		t.Fatal(err)
	}
	must(s.BeginExchange(t.Context(), store.Exchange{ClusterID: e.ID, Kind: store.ExchangeRestore}, forkOf(e, 4), anyPort))(t)
	if _, err := s.Pool().Exec(t.Context(), "DELETE FROM tine.river_job WHERE kind = 'cluster_swap'"); err != nil {
		t.Fatal(err)
	}
	if err := s.RequeueInterrupted(t.Context(), "local"); err != nil {
		t.Fatal(err)
	}
	if jobs := jobsOf(t, s, "cluster_swap"); !slices.Equal(jobs, []string{c.ID}) {
		t.Errorf("exchanges are queued for %v", jobs)
	}
}

// River learns a moment later than everybody else that an exchange is done. One that is asked for in that moment has a job of its own.
func TestAnExchangeRightAfterAnotherHasAJob(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c, d := mustOnline(t, s, newCluster(1)), mustOnline(t, s, newCluster(2))
	for range 2 {
		if err := errors.Join(s.BeginSwap(t.Context(), c.ID, d.ID), s.ExchangeNodes(t.Context(), c.ID, time.Now())); err != nil {
			t.Fatal(err)
		}
		if err := s.FinishExchange(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.BeginSwap(t.Context(), c.ID, d.ID); err != nil {
		t.Fatal(err)
	}
	want := []string{c.ID, c.ID, c.ID}
	if err := s.RequeueInterrupted(t.Context(), "local"); err != nil {
		t.Fatal(err)
	}
	if jobs := jobsOf(t, s, "cluster_swap"); !slices.Equal(jobs, want) {
		t.Errorf("exchanges are queued for %v, want %v", jobs, want)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	now := time.Now()
	at := now.Add(time.Hour)
	temporary := newCluster(1)
	temporary.ExpiresAt = &at
	c, d := mustOnline(t, s, temporary), mustOnline(t, s, newCluster(2))
	if over := must(s.ExpiredClusters(t.Context(), at.Add(time.Hour)))(t); len(over) != 0 {
		t.Error("a cluster expires unannounced")
	}
	for range 2 {
		if err := s.AnnounceExpiries(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	if events := must(s.Events(t.Context(), c.ID))(t); len(events) != 3 || events[2].Type != store.EventExpiry {
		t.Errorf("events %+v, want one announcement", events)
	}
	if over := must(s.ExpiredClusters(t.Context(), now))(t); len(over) != 0 {
		t.Error("a cluster expires before its time")
	}
	later := at.Add(time.Second)
	if over := must(s.ExpiredClusters(t.Context(), later))(t); len(over) != 1 || over[0].ID != c.ID {
		t.Errorf("expired are %+v", over)
	}
	if err := errors.Join(s.Expire(t.Context(), c.ID, now), s.Expire(t.Context(), d.ID, later)); err != nil {
		t.Fatal(err)
	}
	if statusOf(t, s, c.ID) != store.StatusOnline || statusOf(t, s, d.ID) != store.StatusOnline {
		t.Error("a cluster was destroyed whose time is not over")
	}
	if err := s.BeginSwap(t.Context(), c.ID, d.ID); err != nil {
		t.Fatal(err)
	}
	if over := must(s.ExpiredClusters(t.Context(), later))(t); len(over) != 0 {
		t.Error("a cluster expires in the middle of an exchange")
	}
	if err := errors.Join(s.CancelExchange(t.Context(), c.ID, "No."), s.SetExpiry(t.Context(), c.ID, nil)); err != nil {
		t.Fatal(err)
	}
	if err := s.Expire(t.Context(), c.ID, later); err != nil || statusOf(t, s, c.ID) != store.StatusOnline {
		t.Errorf("a cluster whose expiry was cleared expires: %v", err)
	}
	if err := errors.Join(s.SetExpiry(t.Context(), c.ID, &at), s.AnnounceExpiries(t.Context(), at), s.Expire(t.Context(), c.ID, later)); err != nil {
		t.Fatal(err)
	}
	if statusOf(t, s, c.ID) != store.StatusDestroying {
		t.Errorf("the expired cluster is %s", statusOf(t, s, c.ID))
	}
}

// TTL indexes wait where a past state is kept: the property belongs to the data, and moves with them.
func TestTTLWaitsInThePast(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	addPoint(t, s, c, "v")
	at := time.Now()
	past := forkOf(c, 2)
	past.ForkAt = &at
	past = mustOnline(t, s, past)
	latest, ofPast := mustOnline(t, s, forkOf(c, 3)), mustOnline(t, s, forkOf(past, 4))
	want := func(id string, paused bool) {
		t.Helper()
		if got := must(s.Cluster(t.Context(), id))(t).TTLPaused; got != paused {
			t.Errorf("paused: %t, want %t", got, paused)
		}
	}
	want(c.ID, false)
	want(latest.ID, false)
	want(past.ID, true)
	want(ofPast.ID, true)
	if err := errors.Join(s.SetTTLPaused(t.Context(), past.ID, false), s.BeginSwap(t.Context(), c.ID, ofPast.ID), s.ExchangeNodes(t.Context(), c.ID, at)); err != nil {
		t.Fatal(err)
	}
	want(past.ID, false)
	want(c.ID, true)
	want(ofPast.ID, false)
	if err := s.SetTTLPaused(t.Context(), c.ID, false); !errors.Is(err, store.ErrNotOnline) {
		t.Errorf("in the middle of an exchange: %v", err)
	}
	if err := s.FinishExchange(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	fork := must(s.BeginExchange(t.Context(), store.Exchange{ClusterID: past.ID, Kind: store.ExchangeRestore}, forkOf(past, 5), anyPort))(t)
	must(s.SetOnline(t.Context(), fork.ID))(t)
	if err := s.ExchangeNodes(t.Context(), past.ID, at); err != nil {
		t.Fatal(err)
	}
	want(past.ID, false) // it has the latest state of one that deletes
	want(fork.ID, true)  // what is kept stays as it is
}
