package fleet_test

import (
	"strings"
	"testing"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

func TestRestoreKeepsTheStateBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	from := now.Add(-time.Hour)
	c := b.online(t, request(strings.Repeat("long-", 12)+"end"), from)
	at := now.Add(-time.Minute)
	done, err := b.fleet.RestoreInPlace(t.Context(), c.ID, fleet.RestoreRequest{At: &at})
	if err != nil {
		t.Fatal(err)
	}
	if want := "long-long-long-long-long-long-lo-before-restore-20260810-120000"; done.Kept.Name != want || len(want) != 63 {
		t.Errorf("the state before is kept as %s, want %s", done.Kept.Name, want)
	}
	if done.Cluster.Status != store.StatusRestoring || done.Kept.SourceID != c.ID || !done.Kept.ForkAt.Equal(at) || done.Kept.Size != c.Size ||
		done.Kept.StorageMiB != c.StorageMiB {
		t.Errorf("the cluster is %s, the other one %+v", done.Cluster.Status, done.Kept)
	}
	x, err := b.store.Exchange(t.Context(), c.ID)
	if err != nil || x.Kind != store.ExchangeRestore || x.Keep != fleet.DefaultKeep || x.OtherID != done.Kept.ID {
		t.Errorf("the exchange is %+v, %v", x, err)
	}
	_, err = b.fleet.RestoreInPlace(t.Context(), c.ID, fleet.RestoreRequest{At: &at})
	wantError(t, err, fleet.NotReady, "", `the cluster "`+c.Name+`" must be online to be changed; it is being restored`)
	wantError(t, b.fleet.Destroy(t.Context(), c.ID), fleet.NotReady, "",
		"the cluster cannot be destroyed while it exchanges its data with another one; its events tell when that is over")
}

// Two clusters whose names begin alike are restored in the same second.
func TestNamesOfKeptStatesDiffer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := now.Add(-time.Minute)
	names := map[string]bool{}
	for _, end := range []string{"a", "b", "c"} {
		c := b.online(t, request(strings.Repeat("x", 50)+end), now.Add(-time.Hour))
		done, err := b.fleet.RestoreInPlace(t.Context(), c.ID, fleet.RestoreRequest{At: &at})
		if err != nil {
			t.Fatal(err)
		}
		names[done.Kept.Name] = true
	}
	if len(names) != 3 {
		t.Errorf("the names are %v", names)
	}
}

func TestRestoresThatCannotBe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, request("prod"), now.Add(-time.Hour))
	before := b.rows(t)
	early, late, second := now.Add(-2*time.Hour), now.Add(time.Hour), time.Second
	_, err := b.fleet.RestoreInPlace(t.Context(), c.ID, fleet.RestoreRequest{})
	wantError(t, err, fleet.Invalid, "at", "at is missing; it is the moment to go back to, such as 2026-11-26T14:03:06Z, in place of which before_transaction or after_transaction will do")
	for _, at := range []time.Time{early, late} {
		_, err = b.fleet.RestoreInPlace(t.Context(), c.ID, fleet.RestoreRequest{At: &at})
		wantError(t, err, fleet.Invalid, "at", `at must be between 2026-08-10T11:00:00.25Z and 2026-08-10T12:00:00.25Z, the history of "prod"; got `+at.Format(time.RFC3339Nano))
	}
	_, err = b.fleet.RestoreInPlace(t.Context(), c.ID, fleet.RestoreRequest{At: new(now.Add(-time.Minute)), Keep: &second})
	wantError(t, err, fleet.Invalid, "keep_seconds", "keep_seconds must be between 1 minute and 10 years from now; got 1s")
	_, err = b.fleet.RestoreInPlace(t.Context(), c.ID, fleet.RestoreRequest{Before: "0/250"})
	wantError(t, err, fleet.NotFound, "before_transaction", `before_transaction must be a transaction in the history of "prod"; there is no 0/250`)
	_, err = b.fleet.RestoreInPlace(t.Context(), c.ID, fleet.RestoreRequest{Before: "0/200", After: "0/200"})
	wantError(t, err, fleet.Invalid, "after_transaction", "after_transaction must be the only one of at, before_transaction and after_transaction")
	_, err = b.fleet.Reset(t.Context(), c.ID, fleet.RestoreRequest{})
	wantError(t, err, fleet.Invalid, "", `the cluster "prod" must be a fork to be reset to its source`)
	if after := b.rows(t); after != before {
		t.Errorf("what was refused left clusters, events, jobs %v, want %v", after, before)
	}
}

func TestResetOfAForkWhoseSourceIsGone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, request("prod"), now.Add(-time.Hour))
	r := request("test")
	r.Source = &fleet.Source{ID: source.ID}
	fork := b.online(t, r)
	if err := b.fleet.Destroy(t.Context(), source.ID); err != nil {
		t.Fatal(err)
	}
	_, err := b.fleet.Reset(t.Context(), fork.ID, fleet.RestoreRequest{})
	wantError(t, err, fleet.NotReady, "", `the cluster "test" cannot be reset: its source "prod" is being destroyed`)
	if err := b.store.DeleteCluster(t.Context(), source.ID); err != nil {
		t.Fatal(err)
	}
	_, err = b.fleet.Reset(t.Context(), fork.ID, fleet.RestoreRequest{})
	wantError(t, err, fleet.NotReady, "", `the cluster "test" cannot be reset: its source "prod" is gone`)
}

func TestSwapsThatCannotBe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, request("prod"), now)
	r := request("old")
	r.Version = "7"
	old := b.online(t, r)
	creating := b.create(t, request("new"))
	for _, test := range []struct {
		with    string
		kind    fleet.Kind
		field   string
		message string
	}{
		{"", fleet.Invalid, "with", "with is missing; it is the id or the name of the other cluster"},
		{"nobody", fleet.NotFound, "with", `with must be the id or the name of a cluster; there is no "nobody"`},
		{"prod", fleet.Invalid, "with", `with must be another cluster than "prod" itself`},
		{old.ID, fleet.Invalid, "with", `with must be a cluster of version 8, like "prod"; "old" has version 7`},
		{creating.ID, fleet.NotReady, "", `the cluster "new" must be online to be changed; it is still being created`},
	} {
		wantError(t, b.fleet.Swap(t.Context(), c.ID, test.with), test.kind, test.field, test.message)
	}
	r = request("small")
	r.StorageMiB = 15 << 10
	wantError(t, b.fleet.Swap(t.Context(), c.ID, b.online(t, r).ID), fleet.Invalid, "with",
		`with must not exchange more data than fit: "small" has 15360 MiB of storage, and the data of "prod" take 20480`)
}
