package fleet_test

import (
	"testing"
	"time"

	"tine/internal/catalog"
	"tine/internal/fleet"
	"tine/internal/store"
	"tine/internal/store/storetest"
)

// watched is a fleet whose wall clock and passing time a test moves.
type watched struct {
	bundle
	wall    time.Time
	passed  time.Duration
	expirer *fleet.Expirer
}

func setupWatched(t *testing.T) *watched {
	t.Helper()
	s := storetest.Open(t)
	c, err := catalog.Load("")
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{wall: now}
	w.bundle = bundle{store: s, fleet: fleet.New(fleet.Config{
		Store: s, Catalog: c, Clock: func() time.Time { return w.wall }, Host: "local", GatewayHost: "tine.example.com",
		Ports: store.PortRange{First: 28000, Last: 28019},
	})}
	w.begin()
	return w
}

// begin is a start of the process.
func (w *watched) begin() {
	w.expirer = w.fleet.NewExpirer(0, func() time.Duration { return w.passed })
}

// pass lets time go by, with a look every minute.
func (w *watched) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for ; d > 0; d -= time.Minute {
		w.wall, w.passed = w.wall.Add(time.Minute), w.passed+time.Minute
		if err := w.expirer.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *watched) wantStatus(t *testing.T, id, want string) {
	t.Helper()
	if c, err := w.store.Cluster(t.Context(), id); err != nil || c.Status != want {
		t.Errorf("the cluster is %s, want %s: %v", c.Status, want, err)
	}
}

func (w *watched) expiring(t *testing.T, name string, in time.Duration) store.Cluster {
	t.Helper()
	r := request(name)
	r.ExpiresIn = &in
	return w.online(t, r)
}

func TestClusterExpiresInItsTime(t *testing.T) {
	t.Parallel()
	w := setupWatched(t)
	c := w.expiring(t, "temporary", time.Hour)
	w.pass(t, 59*time.Minute)
	w.wantStatus(t, c.ID, store.StatusOnline)
	w.pass(t, 2*time.Minute)
	w.wantStatus(t, c.ID, store.StatusDestroying)
	events, err := w.store.Events(t.Context(), c.ID)
	if err != nil || len(events) != 4 || events[2].Message != "The cluster expires at 2026-08-10T13:00:00Z: it will be destroyed with its data and its history, unless that is changed." {
		t.Errorf("events %+v, %v", events, err)
	}
}

func TestExpiryIsAnnouncedADayBefore(t *testing.T) {
	t.Parallel()
	w := setupWatched(t)
	c := w.expiring(t, "temporary", 25*time.Hour)
	announcements := func() (n int) {
		events, err := w.store.Events(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Type == store.EventExpiry {
				n++
			}
		}
		return n
	}
	w.pass(t, 58*time.Minute)
	if n := announcements(); n != 0 {
		t.Errorf("%d announcements more than a day before", n)
	}
	w.pass(t, 10*time.Minute)
	if n := announcements(); n != 1 {
		t.Errorf("%d announcements, want 1", n)
	}
	if err := w.fleet.SetExpiry(t.Context(), c.ID, nil); err != nil {
		t.Fatal(err)
	}
	w.pass(t, 26*time.Hour)
	w.wantStatus(t, c.ID, store.StatusOnline)
}

// A clock that is set wrong destroys nothing at once, neither at a start nor later: an operator has time to put it right.
func TestJumpOfTheClockDestroysNothingAtOnce(t *testing.T) {
	t.Parallel()
	w := setupWatched(t)
	c := w.expiring(t, "temporary", 30*24*time.Hour)
	w.pass(t, time.Hour)
	w.wall = w.wall.Add(365 * 24 * time.Hour) // while it runs
	w.pass(t, 5*time.Minute)
	w.wantStatus(t, c.ID, store.StatusOnline)
	w.begin() // and at a start
	w.pass(t, 9*time.Minute)
	w.wantStatus(t, c.ID, store.StatusOnline)
	w.wall = now.Add(2 * time.Hour) // put right
	w.pass(t, time.Hour)
	w.wantStatus(t, c.ID, store.StatusOnline)
	w.wall = now.Add(30 * 24 * time.Hour) // and after a long sleep of the machine it is destroyed, a little later
	w.pass(t, 9*time.Minute)
	w.wantStatus(t, c.ID, store.StatusOnline)
	w.pass(t, 5*time.Minute)
	w.wantStatus(t, c.ID, store.StatusDestroying)
}
