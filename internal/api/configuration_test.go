package api_test

import (
	"net/http"
	"testing"

	"github.com/digitalocean/godo"

	"tine/internal/store"
)

func TestGodoResizesAndGetsTheRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	db := b.online(t, "prod")
	response, err := databases.Resize(t.Context(), db.ID, &godo.DatabaseResizeRequest{SizeSlug: "db-s-1vcpu-2gb", NumNodes: 1, StorageSizeMib: 40960})
	if err != nil || response.StatusCode != http.StatusAccepted {
		t.Fatalf("resize %+v, %v", response, err)
	}
	got, _, err := databases.Get(t.Context(), db.ID)
	if err != nil || got.Status != "resizing" || got.SizeSlug != "db-s-1vcpu-2gb" || got.StorageSizeMib != 40960 {
		t.Errorf("cluster %+v, %v", got, err)
	}
	_, err = databases.Resize(t.Context(), db.ID, &godo.DatabaseResizeRequest{SizeSlug: "db-s-2vcpu-4gb", NumNodes: 1})
	wantGodoError(t, err, http.StatusPreconditionFailed, `the cluster "prod" must be online to be changed; it is resizing`)
	_, err = databases.InstallUpdate(t.Context(), db.ID)
	wantGodoError(t, err, http.StatusPreconditionFailed, `the cluster "prod" must be online to be changed; it is resizing`)
	if err := b.store.FinishReconfiguration(t.Context(), db.ID, got.SizeSlug); err != nil {
		t.Fatal(err)
	}
	if response, err := databases.InstallUpdate(t.Context(), db.ID); err != nil || response.StatusCode != http.StatusNoContent {
		t.Errorf("install update %+v, %v", response, err)
	}
	_, err = databases.Migrate(t.Context(), db.ID, &godo.DatabaseMigrateRequest{Region: "ams3"})
	wantGodoError(t, err, http.StatusUnprocessableEntity, `region must be one of nyc1; got "ams3"`)
	_, err = databases.UpgradeMajorVersion(t.Context(), db.ID, &godo.UpgradeVersionRequest{Version: "9"})
	wantGodoError(t, err, http.StatusUnprocessableEntity, `version must be one of 6, 7, 8; got "9"`)
	b.do(t, http.MethodPut, "/v2/databases/"+db.ID+"/resize", `{"size":1}`).wantError(t, 422, "unprocessable_entity", "size must be a string; got number")
}

func TestGodoUpgradesToALaterVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	request := createRequest("old")
	request.Version = "6"
	db, _, err := databases.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	_, err = databases.UpgradeMajorVersion(t.Context(), db.ID, &godo.UpgradeVersionRequest{Version: "7"})
	wantGodoError(t, err, http.StatusPreconditionFailed, `the cluster "old" must be online to be changed; it is still being created`)
	if _, err := b.store.SetOnline(t.Context(), db.ID); err != nil {
		t.Fatal(err)
	}
	if response, err := databases.UpgradeMajorVersion(t.Context(), db.ID, &godo.UpgradeVersionRequest{Version: "7.0"}); err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatalf("upgrade %+v, %v", response, err)
	}
	if got, _, err := databases.Get(t.Context(), db.ID); err != nil || got.VersionSlug != "7" {
		t.Errorf("version %s, %v", got.VersionSlug, err)
	}
}

func TestGodoConfiguresMongoDB(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	db := b.online(t, "prod")
	got, _, err := databases.GetMongoDBConfig(t.Context(), db.ID)
	if err != nil || *got.DefaultReadConcern != "local" || *got.DefaultWriteConcern != "majority" || *got.TransactionLifetimeLimitSeconds != 60 ||
		*got.SlowOpThresholdMs != 100 || *got.Verbosity != 0 {
		t.Fatalf("defaults %+v, %v", got, err)
	}
	if _, err := databases.UpdateMongoDBConfig(t.Context(), db.ID, &godo.MongoDBConfig{
		DefaultReadConcern: new("available"), DefaultWriteConcern: new("1"), SlowOpThresholdMs: new(0),
	}); err != nil {
		t.Fatal(err)
	}
	b.do(t, http.MethodPatch, "/v2/databases/"+db.ID+"/config", `{"config":{"default_write_concern":1,"verbosity":2}}`)
	got, _, err = databases.GetMongoDBConfig(t.Context(), db.ID)
	if err != nil || *got.DefaultReadConcern != "available" || *got.DefaultWriteConcern != "1" || *got.SlowOpThresholdMs != 0 || *got.Verbosity != 2 ||
		*got.TransactionLifetimeLimitSeconds != 60 {
		t.Errorf("configuration %+v, %v", got, err)
	}
	_, err = databases.UpdateMongoDBConfig(t.Context(), db.ID, &godo.MongoDBConfig{Verbosity: new(9)})
	wantGodoError(t, err, http.StatusUnprocessableEntity, "config.verbosity must be between 0 and 5; got 9")
	b.do(t, http.MethodPatch, "/v2/databases/"+db.ID+"/config", `{}`).
		wantError(t, 422, "unprocessable_entity", "config must be an object with the settings to change")
}

func TestGodoSetsTheMaintenanceWindowAndAutoscale(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	db := b.online(t, "prod")
	if response, err := databases.UpdateMaintenance(t.Context(), db.ID, &godo.DatabaseUpdateMaintenanceRequest{Day: "friday", Hour: "13:00:00"}); err != nil ||
		response.StatusCode != http.StatusNoContent {
		t.Fatalf("maintenance %+v, %v", response, err)
	}
	autoscale := &godo.DatabaseStorageAutoscale{Enabled: true, ThresholdPercent: new(90), IncrementGib: new(uint64(20))}
	if response, err := databases.UpdateStorageAutoscale(t.Context(), db.ID, autoscale); err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatalf("autoscale %+v, %v", response, err)
	}
	got, _, err := databases.Get(t.Context(), db.ID)
	if err != nil || got.MaintenanceWindow.Day != "friday" || got.MaintenanceWindow.Hour != "13:00:00" || !got.StorageAutoscale.Enabled {
		t.Errorf("cluster %+v, %v", got, err)
	}
	both := b.do(t, http.MethodGet, "/v2/databases/"+db.ID+"/autoscale", "").json(t)
	for _, storage := range []any{both["storage"], member(both["autoscale"], "storage")} {
		if member(storage, "enabled") != true || member(storage, "threshold_percent") != 90.0 || member(storage, "increment_gib") != 20.0 {
			t.Errorf("autoscale %v", both)
		}
	}
	autoscale.IncrementGib = new(uint64(1))
	_, err = databases.UpdateStorageAutoscale(t.Context(), db.ID, autoscale)
	wantGodoError(t, err, http.StatusUnprocessableEntity, "storage.increment_gib must be between 10 and 500; got 1")
	b.do(t, http.MethodPut, "/v2/databases/"+db.ID+"/autoscale", `{}`).
		wantError(t, 422, "unprocessable_entity", "storage must be an object that says whether it is enabled")
}

func TestSourcesOfOtherTypesAreKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	db := b.online(t, "prod")
	_, err := databases.UpdateFirewallRules(t.Context(), db.ID, &godo.DatabaseUpdateFirewallRulesRequest{
		Rules: []*godo.DatabaseFirewallRule{{Type: "droplet", Value: "163973392"}, {Type: "tag", Value: "web"}, {Type: store.AddressSource, Value: "192.0.2.1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rules, _, err := databases.GetFirewallRules(t.Context(), db.ID)
	if err != nil || len(rules) != 3 || rules[0].Type != "droplet" || rules[0].Value != "163973392" || rules[2].Type != store.AddressSource {
		t.Errorf("rules %+v, %v", rules, err)
	}
}
