package fleet_test

import (
	"slices"
	"testing"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

func TestActivitySharesTheLogOutToTheIntervals(t *testing.T) {
	t.Parallel()
	b, n := withNode(t)
	n.down = true // or the present would count, too
	c := b.online(t, request("shop"))
	const mib = 1 << 20
	from := now.Add(-time.Hour)
	at := func(minutes int) time.Time { return from.Add(time.Duration(minutes) * time.Minute) }
	for _, p := range []store.RestorePoint{
		{StartedAt: at(0), CompletedAt: at(0), MarkerLSN: 100 * mib, EndLSN: 100 * mib},
		{StartedAt: at(20), CompletedAt: at(20), MarkerLSN: 110 * mib, EndLSN: 110 * mib},
	} {
		p.ClusterID, p.Volume = c.ID, "v"
		if _, err := b.store.AddRestorePoint(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	// Nothing for ten minutes, then 60 MiB in one, of which the window ends in the middle.
	err := b.store.AddSamples(t.Context(), []store.Sample{
		{ClusterID: c.ID, At: at(30), Span: time.Minute, LSN: 110 * mib},
		{ClusterID: c.ID, At: at(31), Span: time.Minute, LSN: 170 * mib},
		{ClusterID: c.ID, At: at(59), Span: time.Minute, LSN: 0}, // not known
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.fleet.Activity(t.Context(), c, fleet.Window{From: from, To: now}, 6)
	if want := []int64{5 * mib, 5 * mib, 0, 60 * mib, 0, 0}; err != nil || !slices.Equal(got, want) {
		t.Errorf("activity %v, %v, want %v", got, err, want)
	}
	got, err = b.fleet.Activity(t.Context(), c, fleet.Window{From: at(30), To: at(30).Add(30 * time.Second)}, 3)
	if want := []int64{10 * mib, 10 * mib, 10 * mib}; err != nil || !slices.Equal(got, want) {
		t.Errorf("half a minute: %v, %v, want %v", got, err, want)
	}
	if got, err := b.fleet.Activity(t.Context(), c, fleet.Window{}, 3); err != nil || !slices.Equal(got, make([]int64, 3)) {
		t.Errorf("no window: %v, %v", got, err)
	}
}

func TestActivityEndsWithWhatTheNodeSaysNow(t *testing.T) {
	t.Parallel()
	b, _ := withNode(t)
	c := b.online(t, request("shop"))
	c.Status = store.StatusOnline
	p := store.RestorePoint{ClusterID: c.ID, Volume: "v", StartedAt: now.Add(-time.Hour), CompletedAt: now.Add(-time.Hour), MarkerLSN: 1, EndLSN: 1}
	if _, err := b.store.AddRestorePoint(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	got, err := b.fleet.Activity(t.Context(), c, fleet.Window{From: now.Add(-time.Hour), To: now}, 2)
	if err != nil || got[0] < 1<<20 || got[0] != got[1] {
		t.Errorf("activity %v, %v: want halves of what the node has written", got, err)
	}
}

func TestOffersSayWhyAPlanCannotBeChosen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, request("shop"))
	p := store.RestorePoint{ClusterID: c.ID, Volume: "v", StartedAt: now, CompletedAt: now, SizeBytes: 90 << 30}
	if _, err := b.store.AddRestorePoint(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	offers, err := b.fleet.ForkPlans(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantReason(t, offers, "db-s-1vcpu-1gb", `size must be a plan that can hold the 92160 MiB of "shop"; db-s-1vcpu-1gb has at most 61440`)
	wantReason(t, offers, "db-s-1vcpu-2gb", "")
	c.Size, c.StorageMiB = "db-s-4vcpu-8gb", 143360
	wantReason(t, b.fleet.ResizePlans(c), "db-s-1vcpu-1gb",
		`size must not be smaller than db-s-4vcpu-8gb, which the cluster has; to have less, fork it into a smaller plan; got "db-s-1vcpu-1gb"`)
	wantReason(t, b.fleet.ResizePlans(c), "db-s-8vcpu-32gb", "")
	wantReason(t, b.fleet.Plans(), "db-s-1vcpu-1gb", "")
}

func wantReason(t *testing.T, offers []fleet.PlanOffer, slug, reason string) {
	t.Helper()
	i := slices.IndexFunc(offers, func(o fleet.PlanOffer) bool { return o.Plan.Slug == slug })
	if i < 0 || offers[i].Reason != reason {
		t.Errorf("offer of %s: %+v, want the reason %q", slug, offers, reason)
	}
}

func TestCheckMakesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	would, err := b.fleet.Check(t.Context(), request("shop"))
	if err != nil || would.StorageMiB != 15360 {
		t.Errorf("would make %+v, %v", would, err)
	}
	if _, total, err := b.fleet.List(t.Context(), store.Page{Number: 1, Size: 10}); err != nil || total != 0 {
		t.Errorf("%d clusters, %v", total, err)
	}
	bad := request("Shop")
	if _, err := b.fleet.Check(t.Context(), bad); err == nil {
		t.Error("a bad name passed")
	}
}
