package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func newSink(clusterID, name string) store.LogSink {
	return store.LogSink{ID: uuid.NewString(), ClusterID: clusterID, Name: name, Type: "datadog", Site: "datadoghq.eu", APIKey: []byte("sealed")}
}

func mustAddSink(t testing.TB, s *store.Store, sink store.LogSink) store.LogSink {
	t.Helper()
	if err := s.AddLogSink(t.Context(), sink); err != nil {
		t.Fatal(err)
	}
	return sink
}

func TestLogSinksAreKeptChangedAndRemoved(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	first := mustAddSink(t, s, newSink(c.ID, "first"))
	second := mustAddSink(t, s, newSink(c.ID, "second"))
	first.Site, first.APIKey = "us5.datadoghq.com", []byte("another")
	if err := s.UpdateLogSink(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	list := must(s.LogSinks(t.Context(), c.ID))(t)
	if len(list) != 2 || fmt.Sprintf("%+v", list[0]) != fmt.Sprintf("%+v", first) || list[1].ID != second.ID {
		t.Errorf("sinks %+v, want %+v changed and then %+v", list, first, second)
	}
	if err := s.DeleteLogSink(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if list := must(s.LogSinks(t.Context(), c.ID))(t); len(list) != 1 || list[0].ID != second.ID {
		t.Errorf("after the deletion there are %+v", list)
	}
	messages := map[string]bool{}
	for _, e := range must(s.Events(t.Context(), c.ID))(t) {
		messages[e.Message] = true
	}
	for _, want := range []string{"The log sink first was added.", "The log sink first was changed.", "The log sink first was removed."} {
		if !messages[want] {
			t.Errorf("no event says %q: %v", want, messages)
		}
	}
}

func TestLogSinksThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c, dying := mustOnline(t, s, newCluster(1)), mustOnline(t, s, newCluster(2))
	if err := s.MarkDestroying(t.Context(), dying.ID); err != nil {
		t.Fatal(err)
	}
	sink := mustAddSink(t, s, newSink(c.ID, "taken"))
	other := sink
	other.ClusterID = uuid.NewString() // the sink of another cluster
	for name, tt := range map[string]struct {
		do   func() error
		want error
	}{
		"name taken":          {func() error { return s.AddLogSink(t.Context(), newSink(c.ID, "taken")) }, store.ErrNameTaken},
		"no cluster":          {func() error { return s.AddLogSink(t.Context(), newSink(uuid.NewString(), "x")) }, store.ErrNotFound},
		"no UUID":             {func() error { return s.AddLogSink(t.Context(), newSink("x", "x")) }, store.ErrNotFound},
		"being destroyed":     {func() error { return s.AddLogSink(t.Context(), newSink(dying.ID, "x")) }, store.ErrNotFound},
		"change of none":      {func() error { return s.UpdateLogSink(t.Context(), newSink(c.ID, "x")) }, store.ErrNotFound},
		"change of another's": {func() error { return s.UpdateLogSink(t.Context(), other) }, store.ErrNotFound},
		"deletion of none":    {func() error { return s.DeleteLogSink(t.Context(), newSink(c.ID, "x")) }, store.ErrNotFound},
	} {
		if err := tt.do(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	const most = 10
	for n := range most - 1 {
		mustAddSink(t, s, newSink(c.ID, fmt.Sprint(n)))
	}
	if err := s.AddLogSink(t.Context(), newSink(c.ID, "one too many")); !errors.Is(err, store.ErrTooMany) {
		t.Errorf("sink number %d: %v, want ErrTooMany", most+1, err)
	}
	if n := len(must(s.LogSinks(t.Context(), c.ID))(t)); n != most {
		t.Errorf("there are %d sinks, want %d", n, most)
	}
}

// Delivered are the logs of clusters that have a node on the host; a sink goes with its cluster.
func TestActiveLogSinksAreThoseOfServedClustersOnTheHost(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	served := mustOnline(t, s, newCluster(1))
	making := mustCreate(t, s, newCluster(2))
	elsewhere := newCluster(3)
	elsewhere.Host = "another"
	elsewhere = mustOnline(t, s, elsewhere)
	for _, c := range []store.Cluster{served, making, elsewhere} {
		mustAddSink(t, s, newSink(c.ID, "logs"))
	}
	active := must(s.ActiveLogSinks(t.Context(), served.Host))(t)
	if len(active) != 1 || active[0].ClusterID != served.ID || active[0].NodeID != served.Node.ID || active[0].ClusterName != served.Name ||
		active[0].Region != served.Region || string(active[0].APIKey) != "sealed" {
		t.Errorf("active sinks %+v, want that of %+v", active, served)
	}
	if err := s.MarkDestroying(t.Context(), served.ID); err != nil {
		t.Fatal(err)
	}
	if active := must(s.ActiveLogSinks(t.Context(), served.Host))(t); len(active) != 0 {
		t.Errorf("a cluster that is being destroyed has the active sinks %+v", active)
	}
	if err := s.DeleteCluster(t.Context(), served.ID); err != nil {
		t.Fatal(err)
	}
	if list := must(s.LogSinks(t.Context(), served.ID))(t); len(list) != 0 {
		t.Errorf("a destroyed cluster has the sinks %+v", list)
	}
}

func TestDatadogSiteIsTheSameHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for _, given := range []string{"datadoghq.eu", "http-intake.logs.datadoghq.eu", "https://http-intake.logs.DatadogHQ.eu/"} {
		if got := (store.LogSink{Site: given}).DatadogSite(); got != "datadoghq.eu" {
			t.Errorf("%s is the site %s", given, got)
		}
	}
}

func TestPendingUpdateIsRecordedOnceWithItsEvent(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	mustOnline(t, s, newCluster(2))
	before := counts(t, s).events
	for range 2 {
		if err := s.SetUpdatePending(t.Context(), c.ID, true); err != nil {
			t.Fatal(err)
		}
	}
	if got := must(s.Cluster(t.Context(), c.ID))(t); !got.UpdatePending || counts(t, s).events != before+1 {
		t.Errorf("pending %v with %d events, want one", got.UpdatePending, counts(t, s).events-before)
	}
	if due := must(s.ClustersToUpdate(t.Context()))(t); len(due) != 1 || due[0].ID != c.ID {
		t.Errorf("clusters to update %+v", due)
	}
	if err := s.SetUpdatePending(t.Context(), c.ID, false); err != nil {
		t.Fatal(err)
	}
	if due := must(s.ClustersToUpdate(t.Context()))(t); len(due) != 0 || counts(t, s).events != before+1 {
		t.Errorf("after the update clusters to update are %+v", due)
	}
	if err := s.SetUpdatePending(t.Context(), uuid.NewString(), true); err != nil {
		t.Errorf("of no cluster: %v", err)
	}
}
