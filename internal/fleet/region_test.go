package fleet_test

import (
	"testing"
	"time"

	"tine/internal/catalog"
	"tine/internal/fleet"
	"tine/internal/store"
	"tine/internal/store/storetest"
)

// What is forked stays where its source is kept, unless it is to be in another region.
func TestRegionsWithPoolsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c, err := catalog.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c.Regions = append(c.Regions, catalog.Region{Slug: "fra1"}, catalog.Region{Slug: "ams3"})
	config := fleet.Config{
		Store: s, Data: &node{down: true}, Catalog: c, Clock: func() time.Time { return now }, Host: "local", GatewayHost: "tine.example.com",
		Ports: store.PortRange{First: 28000, Last: 28019}, NamePatience: time.Millisecond,
	}
	before := bundle{store: s, fleet: fleet.New(config)}
	source := before.online(t, request("source"), now.Add(-time.Hour))
	old := request("before")
	old.Region = "fra1"
	shared := before.online(t, old, now.Add(-time.Hour)) // before the region got its pool
	config.Pools = []string{"fra1"}
	b := bundle{store: s, fleet: fleet.New(config)}
	for name, test := range map[string]struct {
		source, region, want string
	}{
		"created":              {"", "fra1", "fra1"},
		"created-elsewhere":    {"", "ams3", store.DefaultPool},
		"fork":                 {source.ID, "", store.DefaultPool},
		"fork-elsewhere":       {source.ID, "fra1", "fra1"},
		"fork-in-shared":       {source.ID, "ams3", store.DefaultPool},
		"fork-beside-its-old":  {shared.ID, "", store.DefaultPool},
		"fork-named-as-its-is": {shared.ID, "fra1", store.DefaultPool},
	} {
		r := request(name)
		if r.Region = test.region; test.source != "" {
			r.Source, r.Size = &fleet.Source{ID: test.source}, "db-s-1vcpu-2gb"
		}
		would, err := b.fleet.Check(t.Context(), r)
		if err != nil || would.Pool != test.want {
			t.Errorf("%s is kept in %q, %v; want %q", name, would.Pool, err, test.want)
		}
		if copied := would.Charge.SharedBytes == 0; copied != (name == "fork-elsewhere" || test.source == "") {
			t.Errorf("%s shares %d bytes with its source", name, would.Charge.SharedBytes)
		}
	}
	if !b.fleet.MustSend(source, "fra1") || b.fleet.MustSend(source, "ams3") || b.fleet.MustSend(shared, "fra1") {
		t.Error("what must be sent is wrong")
	}

	estimateSendings(t, b, source, config)

	// A full pool takes no migrations, and a region in the same pool needs none of its data moved.
	full := store.HostSpace{Host: "local", Pool: "fra1", Level: store.SpaceTight, FreeShare: 0.099, RequiredShare: 0.1875}
	if err := s.SetHostSpace(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	wantError(t, b.fleet.Migrate(t.Context(), source.ID, "fra1"), fleet.Full, "",
		"the region fra1 has no room for another cluster: 19 % of its disk must be free, and 9 % are; destroy clusters that are not needed, or add storage")
	full.Level = store.SpaceAmple
	if err := s.SetHostSpace(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	if err := b.fleet.Migrate(t.Context(), source.ID, "fra1"); err != nil {
		t.Fatal(err)
	}
	moving, err := s.Cluster(t.Context(), source.ID)
	if err != nil || moving.Status != store.StatusMigrating || moving.Region != "nyc1" {
		t.Errorf("a cluster that is sent is %s in %s, %v", moving.Status, moving.Region, err)
	}
	if x, err := b.fleet.Transfer(t.Context(), moving); err != nil || x == nil || x.ToPool != "fra1" {
		t.Errorf("the transfer is %+v, %v", x, err)
	}
	if err := b.fleet.Migrate(t.Context(), shared.ID, "ams3"); err != nil {
		t.Fatal(err)
	}
	staying, err := s.Cluster(t.Context(), shared.ID)
	if err != nil || staying.Region != "ams3" || staying.Pool != store.DefaultPool {
		t.Errorf("a cluster whose data stay is in %s, pool %q, %v", staying.Region, staying.Pool, err)
	}
	if x, err := b.fleet.Transfer(t.Context(), staying); err != nil || x != nil {
		t.Errorf("its transfer is %+v, %v", x, err)
	}
}

// estimateSendings fails unless the estimate of a fork in another region says what is sent there, at which pace and how long that takes at least.
func estimateSendings(t *testing.T, b bundle, source store.Cluster, config fleet.Config) {
	t.Helper()
	const pointBytes, mib = 20 << 30, 1 << 20
	config.TransferRate = 200 * mib
	paced := bundle{store: b.store, fleet: fleet.New(config)}
	for name, test := range map[string]struct {
		of     bundle
		at     time.Time
		region string
		pace   int64 // -1: nothing is sent
	}{
		"latest":          {of: paced, region: "fra1", pace: 200 * mib},
		"a moment":        {of: paced, at: now.Add(-time.Minute), region: "fra1", pace: 200 * mib},
		"unknown pace":    {of: b, region: "fra1"},
		"its own region":  {of: paced, region: source.Region, pace: -1},
		"no region named": {of: paced, pace: -1},
		"the same pool":   {of: paced, region: "ams3", pace: -1},
	} {
		here, err := test.of.fleet.ForkEstimate(t.Context(), source.ID, test.at, "")
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := test.of.fleet.ForkEstimate(t.Context(), source.ID, test.at, test.region)
		switch {
		case err != nil:
			t.Error(name, err)
		case test.pace < 0:
			if got != here {
				t.Errorf("%s: the estimate is %+v, want %+v: nothing is sent", name, got, here)
			}
		case got.Send == nil || *got.Send != (fleet.Sending{Region: test.region, Bytes: pointBytes + got.ReplayBytes, BytesPerSecond: test.pace}):
			t.Errorf("%s: what is sent is %+v", name, got.Send)
		case test.pace == 0 && got.Duration != here.Duration, test.pace > 0 && got.Duration < here.Duration+100*time.Second:
			t.Errorf("%s: it takes %s, without sending %s", name, got.Duration, here.Duration)
		}
	}
	_, err := paced.fleet.ForkEstimate(t.Context(), source.ID, time.Time{}, "moon1")
	wantError(t, err, fleet.Invalid, "region", `region must be one of nyc1, fra1, ams3; got "moon1"`)
}
