package fleet_test

import (
	"testing"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

func TestResizeChangesThePlanAndThePriceFromThen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, request("prod"))
	if err := b.fleet.Resize(t.Context(), c.ID, fleet.ResizeRequest{Size: "db-s-1vcpu-2gb", NumNodes: 1}); err != nil {
		t.Fatal(err)
	}
	got, err := b.fleet.Get(t.Context(), c.ID)
	if err != nil || got.Status != store.StatusResizing || got.Size != "db-s-1vcpu-2gb" || got.StorageMiB != 30720 || got.NodeSize != "db-s-1vcpu-1gb" {
		t.Errorf("cluster %+v, %v", got, err)
	}
	usage, err := b.store.Usage(t.Context(), now.Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil || len(usage) != 2 || !usage[0].To.Equal(usage[1].From) || usage[1].Charge.MonthlyPrice != 30_000_000 || !usage[1].To.IsZero() {
		t.Errorf("usage %+v, %v", usage, err)
	}
	err = b.fleet.Resize(t.Context(), c.ID, fleet.ResizeRequest{Size: "db-s-2vcpu-4gb", NumNodes: 1})
	wantError(t, err, fleet.NotReady, "", `the cluster "prod" must be online to be changed; it is resizing`)
	if err := b.store.FinishReconfiguration(t.Context(), c.ID, "db-s-1vcpu-2gb"); err != nil {
		t.Fatal(err)
	}
	if got, err := b.fleet.Get(t.Context(), c.ID); err != nil || got.Status != store.StatusOnline || got.NodeSize != got.Size {
		t.Errorf("cluster %+v, %v", got, err)
	}
}

func TestResizeRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := request("prod")
	r.Size, r.StorageMiB = "db-s-1vcpu-2gb", 40960
	c := b.online(t, r)
	for name, test := range map[string]struct {
		request        fleet.ResizeRequest
		field, message string
	}{
		"smaller plan": {
			fleet.ResizeRequest{Size: "db-s-1vcpu-1gb", NumNodes: 1, StorageMiB: 40960},
			"size",
			`size must not be smaller than db-s-1vcpu-2gb, which the cluster has; to have less, fork it into a smaller plan; got "db-s-1vcpu-1gb"`,
		},
		"less storage": {
			fleet.ResizeRequest{Size: "db-s-1vcpu-2gb", NumNodes: 1, StorageMiB: 30720},
			"storage_size_mib",
			"storage_size_mib must be at least 40960, which the cluster has; storage never shrinks; got 30720",
		},
		"standby nodes": {fleet.ResizeRequest{Size: "db-s-1vcpu-2gb", NumNodes: 3}, "num_nodes", "num_nodes must be 1 in this release; got 3"},
		"off the steps": {
			fleet.ResizeRequest{Size: "db-s-1vcpu-2gb", NumNodes: 1, StorageMiB: 40961},
			"storage_size_mib",
			"storage_size_mib must be between 30720 and 102400 for plan db-s-1vcpu-2gb, in steps of 1024; got 40961",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantError(t, b.fleet.Resize(t.Context(), c.ID, test.request), fleet.Invalid, test.field, test.message)
		})
	}
	wantError(t, b.fleet.Migrate(t.Context(), c.ID, "ams3"), fleet.Invalid, "region", `region must be one of nyc1; got "ams3"`)
	wantError(t, b.fleet.Migrate(t.Context(), c.ID, "nyc1"), fleet.Invalid, "region", "region must be another one than nyc1, which the cluster is in")
	wantError(t, b.fleet.Upgrade(t.Context(), c.ID, "7"), fleet.Invalid, "version", `version must be later than 8, which the cluster has; got "7"`)
	wantError(t, b.fleet.Upgrade(t.Context(), c.ID, ""), fleet.Invalid, "version", "version is missing")
}

func TestStorageGrowsByItselfWhenItIsUsed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := request("prod")
	r.Autoscale = store.Autoscale{Enabled: true, ThresholdPercent: 95}
	r.StorageMiB = 21 * 1024
	growing := b.online(t, r, now.Add(-time.Hour)) // 20 GiB are used
	r.Name, r.StorageMiB = "roomy", 30*1024
	roomy := b.online(t, r, now.Add(-time.Hour))
	fixed := request("fixed")
	fixed.StorageMiB = 21 * 1024
	other := b.online(t, fixed, now.Add(-time.Hour))
	if err := b.fleet.GrowStorage(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int64{growing.ID: 31 * 1024, roomy.ID: 30 * 1024, other.ID: 21 * 1024} {
		if c, err := b.fleet.Get(t.Context(), id); err != nil || c.StorageMiB != want {
			t.Errorf("%s has %d MiB, want %d, %v", c.Name, c.StorageMiB, want, err)
		}
	}
}

func TestConfigurationIsChangedInPart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, request("prod"))
	word, seconds, zero, six := "available", int64(1), int64(0), int64(6)
	for _, change := range []store.Settings{{DefaultReadConcern: &word}, {TransactionLifetimeSeconds: &seconds, SlowOperationMS: &zero}} {
		if err := b.fleet.Configure(t.Context(), c.ID, change); err != nil {
			t.Fatal(err)
		}
	}
	want := fleet.Configuration{DefaultReadConcern: "available", DefaultWriteConcern: "majority", TransactionLifetimeSeconds: 1}
	if got, err := b.fleet.Configuration(t.Context(), c.ID); err != nil || got != want {
		t.Errorf("configuration %+v, %v; want %+v", got, err, want)
	}
	two, odd := "2", "linearizable"
	wantError(t, b.fleet.Configure(t.Context(), c.ID, store.Settings{DefaultWriteConcern: &two}), fleet.Invalid, "config.default_write_concern",
		`config.default_write_concern must be majority or a number of nodes, from 1 to the 1 that the cluster has; got "2"`)
	wantError(t, b.fleet.Configure(t.Context(), c.ID, store.Settings{DefaultReadConcern: &odd}), fleet.Invalid, "config.default_read_concern",
		`config.default_read_concern must be one of local, available, majority; got "linearizable"`)
	wantError(t, b.fleet.Configure(t.Context(), c.ID, store.Settings{Verbosity: &six}), fleet.Invalid, "config.verbosity",
		"config.verbosity must be between 0 and 5; got 6")
	wantError(t, b.fleet.Configure(t.Context(), c.ID, store.Settings{TransactionLifetimeSeconds: &zero}), fleet.Invalid,
		"config.transaction_lifetime_limit_seconds", "config.transaction_lifetime_limit_seconds must be between 1 and 86400; got 0")
}

func TestMaintenanceWindowIsADayAndAnHour(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, request("prod"))
	if err := b.fleet.SetMaintenance(t.Context(), c.ID, fleet.MaintenanceWindow{Day: "Friday", Hour: "13:00"}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.fleet.Get(t.Context(), c.ID); err != nil || got.Maintenance != (store.MaintenanceWindow{Day: "friday", Hour: "13:00:00"}) {
		t.Errorf("window %+v, %v", got.Maintenance, err)
	}
	for _, hour := range []string{"", "24:00", "3:00", "03:60", "03", "03:00:00:00", "aa:00", "-1:00"} {
		wantError(t, b.fleet.SetMaintenance(t.Context(), c.ID, fleet.MaintenanceWindow{Day: "monday", Hour: hour}), fleet.Invalid, "hour",
			`hour must be a time of day in UTC, such as 03:00; got "`+hour+`"`)
	}
	wantError(t, b.fleet.SetMaintenance(t.Context(), c.ID, fleet.MaintenanceWindow{Day: "someday", Hour: "03:00"}), fleet.Invalid, "day",
		`day must be one of monday, tuesday, wednesday, thursday, friday, saturday, sunday; got "someday"`)
}
