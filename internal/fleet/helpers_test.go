package fleet_test

import (
	"errors"
	"testing"
	"time"

	"tine/internal/catalog"
	"tine/internal/fleet"
	"tine/internal/store"
	"tine/internal/store/storetest"
)

// now is when everything in these tests happens.
var now = time.Date(2026, 8, 10, 12, 0, 0, 250_000_000, time.UTC)

type bundle struct {
	fleet *fleet.Fleet
	store *store.Store
}

func setup(t *testing.T) bundle {
	t.Helper()
	s := storetest.Open(t)
	c, err := catalog.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return bundle{store: s, fleet: fleet.New(fleet.Config{
		Store: s, Data: &node{down: true}, Log: transactions(), Catalog: c, Clock: func() time.Time { return now }, Host: "local", GatewayHost: "tine.example.com",
		Ports: store.PortRange{First: 28000, Last: 28019}, NamePatience: time.Millisecond,
	})}
}

func request(name string) fleet.CreateRequest {
	return fleet.CreateRequest{Name: name, Engine: "mongodb", Version: "8", Region: "nyc1", Size: "db-s-1vcpu-1gb", NumNodes: 1}
}

func (b bundle) create(t *testing.T, r fleet.CreateRequest) store.Cluster {
	t.Helper()
	created, err := b.fleet.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return created.Cluster
}

// online makes an online cluster whose restore points were complete at those times.
func (b bundle) online(t *testing.T, r fleet.CreateRequest, points ...time.Time) store.Cluster {
	t.Helper()
	c := b.create(t, r)
	if changed, err := b.store.SetOnline(t.Context(), c.ID); err != nil || !changed {
		t.Fatal(changed, err)
	}
	for _, at := range points {
		_, err := b.store.AddRestorePoint(t.Context(), store.RestorePoint{
			ClusterID: c.ID, Volume: "v", StartedAt: at.Add(-time.Second), CompletedAt: at, SizeBytes: 20 << 30,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// rows says how much there is of everything.
func (b bundle) rows(t *testing.T) [3]int {
	t.Helper()
	var n [3]int
	row := b.store.Pool().QueryRow(t.Context(), `SELECT (SELECT count(*) FROM tine.clusters), (SELECT count(*) FROM tine.events),
		(SELECT count(*) FROM tine.river_job)`)
	if err := row.Scan(&n[0], &n[1], &n[2]); err != nil {
		t.Fatal(err)
	}
	return n
}

// refused checks that a request is refused with exactly these words and leaves nothing behind.
func (b bundle) refused(t *testing.T, r fleet.CreateRequest, kind fleet.Kind, field, message string) {
	t.Helper()
	before := b.rows(t)
	_, err := b.fleet.Create(t.Context(), r)
	wantError(t, err, kind, field, message)
	if after := b.rows(t); after != before {
		t.Errorf("the refused request left clusters, events, jobs %v, want %v", after, before)
	}
}

func wantError(t *testing.T, err error, kind fleet.Kind, field, message string) {
	t.Helper()
	var e *fleet.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want a *fleet.Error that says %q", err, message)
	}
	if e.Kind != kind || e.Field != field || e.Message != message {
		t.Errorf("refused with kind %d, field %q,\n%s; want kind %d, field %q,\n%s", e.Kind, e.Field, e.Message, kind, field, message)
	}
}
