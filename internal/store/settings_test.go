package store_test

import (
	"errors"
	"testing"
	"time"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestTrustedSourcesAreReplacedAndEachChangeHasItsJob(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustCreate(t, s, newCluster(1))
	at := time.Date(2026, 8, 1, 12, 0, 0, 123456789, time.UTC)
	for _, sources := range [][]store.TrustedSource{
		{{ID: "a", Value: "192.0.2.0/24", Description: "office", CreatedAt: at}, {ID: "b", Value: "2001:db8::1", CreatedAt: at}},
		{{ID: "b", Value: "2001:db8::1", CreatedAt: at}},
		nil,
	} {
		if err := s.SetTrustedSources(t.Context(), c.ID, sources); err != nil {
			t.Fatal(err)
		}
		got := must(s.Cluster(t.Context(), c.ID))(t).TrustedSources
		if len(got) != len(sources) || got == nil {
			t.Fatalf("there are %v, want %v", got, sources)
		}
		for i := range got {
			want := sources[i]
			want.CreatedAt = at.Truncate(time.Microsecond)
			if got[i] != want {
				t.Errorf("source %d is %+v, want %+v", i, got[i], want)
			}
		}
	}
	if jobs := jobsOf(t, s, "cluster_settings"); len(jobs) != 3 {
		t.Errorf("three changes have %d jobs", len(jobs))
	}
	events := must(s.Events(t.Context(), c.ID))(t)
	if last := events[len(events)-1]; last.Type != store.EventClusterUpdate || last.ClusterName != c.Name {
		t.Errorf("the last event is %+v", last)
	}
}

func TestTrustedSourcesOfNoClusterAreNotFound(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	leaving := mustCreate(t, s, newCluster(1))
	if err := s.MarkDestroying(t.Context(), leaving.ID); err != nil {
		t.Fatal(err)
	}
	before := counts(t, s)
	for _, id := range []string{"x", "2d28a9d9-4c4a-4540-a3b9-d24d8c4e7d30", leaving.ID} {
		if err := s.SetTrustedSources(t.Context(), id, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("cluster %s: %v", id, err)
		}
	}
	if after := counts(t, s); after != before {
		t.Errorf("something was left: %+v, want %+v", after, before)
	}
}

// A fork of a cluster that few may reach must not be reachable by all.
func TestForkHasTheTrustedSourcesOfItsSource(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	source := newCluster(1)
	source.TrustedSources = []store.TrustedSource{{ID: "a", Value: "192.0.2.7", CreatedAt: time.Unix(1, 0).UTC()}}
	source = mustOnline(t, s, source)
	for n, test := range []struct {
		chosen []store.TrustedSource
		want   string
	}{{nil, "192.0.2.7"}, {[]store.TrustedSource{}, ""}, {[]store.TrustedSource{{ID: "b", Value: "10.0.0.0/8"}}, "10.0.0.0/8"}} {
		fork := newCluster(n + 2)
		fork.SourceID, fork.TrustedSources = source.ID, test.chosen
		got := must(s.Cluster(t.Context(), mustCreate(t, s, fork).ID))(t).TrustedSources
		switch {
		case test.want == "" && len(got) == 0:
		case len(got) != 1 || got[0].Value != test.want || got[0].ID == "a":
			t.Errorf("of %v became %v", test.chosen, got)
		}
	}
}

func TestPrefixesOfTrustedSources(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "2001:db8::1": "2001:db8::1/128", "10.0.0.0/8": "10.0.0.0/8",
		"": "", "10.0.0.0/33": "", "here": "", "fe80::1%eth0": "", "192.0.2": "", "0.0.0.0/0": "0.0.0.0/0",
	} {
		prefix, err := store.TrustedSource{Value: value}.Prefix()
		if (err == nil) != (want != "") || err == nil && prefix.String() != want {
			t.Errorf("%q is %s, %v", value, prefix, err)
		}
	}
}

func TestSettingsAreRead(t *testing.T) {
	t.Parallel()
	set, err := store.Cluster{SettingsJSON: []byte(`{"slow_op_threshold_ms": 0, "verbosity": 2}`)}.Settings()
	if err != nil || set.SlowOperationMS == nil || *set.SlowOperationMS != 0 || set.TransactionLifetimeSeconds != nil {
		t.Errorf("settings are %+v, %v", set, err)
	}
	for text, ok := range map[string]bool{"": true, "{}": true, "[]": false} {
		if _, err := (store.Cluster{SettingsJSON: []byte(text)}).Settings(); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A change that was decided for what a cluster was must not undo what somebody else changed since.
func TestChangesAreRefusedThatWereDecidedForAnotherState(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := newCluster(1)
	c.Version = "6"
	seen := mustOnline(t, s, c)
	more := store.Configuration{Region: seen.Region, Size: seen.Size, NumNodes: 1, StorageMiB: seen.StorageMiB + 10240}
	if err := s.Reconfigure(t.Context(), seen, more); err != nil {
		t.Fatal(err)
	}
	if err := s.FinishReconfiguration(t.Context(), seen.ID, seen.Size); err != nil {
		t.Fatal(err)
	}
	before := counts(t, s)
	less := more
	less.StorageMiB = seen.StorageMiB
	less.Size = "db-s-1vcpu-2gb"
	if err := s.Reconfigure(t.Context(), seen, less); !errors.Is(err, store.ErrChanged) {
		t.Errorf("a resize that was decided before another one: %v, want ErrChanged", err)
	}
	now := must(s.Cluster(t.Context(), seen.ID))(t)
	if now.StorageMiB != more.StorageMiB || now.Size != seen.Size || counts(t, s) != before {
		t.Errorf("the refused change left %+v", now)
	}
	if err := s.SetVersion(t.Context(), now, "8"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetVersion(t.Context(), now, "7"); !errors.Is(err, store.ErrChanged) {
		t.Errorf("an upgrade that was decided before another one: %v, want ErrChanged", err)
	}
	if now = must(s.Cluster(t.Context(), seen.ID))(t); now.Version != "8" {
		t.Errorf("the version is %s", now.Version)
	}
}

// River takes a job for running until a moment after it has done its work. A change that comes in that moment needs a job of its own, or nobody carries it out.
func TestChangeThatFollowsAnotherAtOnceHasItsJob(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustOnline(t, s, newCluster(1))
	for n := range int64(2) {
		now := must(s.Cluster(t.Context(), c.ID))(t)
		to := store.Configuration{Region: c.Region, Size: c.Size, NumNodes: 1, StorageMiB: c.StorageMiB + (n+1)*10240}
		if err := s.Reconfigure(t.Context(), now, to); err != nil {
			t.Fatal(err)
		}
		// The row says that it is done; River's job is still there.
		if err := s.FinishReconfiguration(t.Context(), c.ID, c.Size); err != nil {
			t.Fatal(err)
		}
	}
	var jobs int
	row := s.Pool().QueryRow(t.Context(), "SELECT count(*) FROM tine.river_job WHERE kind = 'cluster_change'")
	if err := row.Scan(&jobs); err != nil || jobs != 2 {
		t.Errorf("there are %d jobs for 2 changes, %v", jobs, err)
	}
}
