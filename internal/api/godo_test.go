package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"

	"tine/internal/api"
	"tine/internal/store"
)

func TestGodoCreatesGetsListsAndDeletes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	request := createRequest("prod")
	request.Tags, request.StorageSizeMib = []string{"red"}, 16384
	made, response, err := databases.Create(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusCreated || response.Rate.Limit != 100_000 || response.Rate.Remaining == 0 {
		t.Errorf("status %d, rate %+v", response.StatusCode, response.Rate)
	}
	if made.Status != "creating" || made.StorageSizeMib != 16384 || !slices.Equal(made.Tags, []string{"red"}) || made.VersionSlug != "8" ||
		!made.CreatedAt.Equal(now.Truncate(time.Second)) || !slices.Equal(made.DBNames, []string{"defaultdb"}) || made.MaintenanceWindow == nil ||
		made.StorageAutoscale == nil || made.StorageAutoscale.Enabled || len(made.MetricsEndpoints) != 0 {
		t.Errorf("created %+v", made)
	}
	checkConnections(t, made)

	got, _, err := databases.Get(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Connection.Password != "" || got.Users[0].Password != "" || strings.Contains(got.Connection.URI, ":@") {
		t.Errorf("the password was shown again: %+v", got.Connection)
	}
	if got.Connection.Host != made.Connection.Host || got.Connection.Port != made.Connection.Port || got.PrivateConnection == nil {
		t.Errorf("connection became %+v, was %+v", got.Connection, made.Connection)
	}
	list, _, err := databases.List(t.Context(), nil)
	if err != nil || len(list) != 1 || list[0].ID != made.ID {
		t.Errorf("list %+v, %v", list, err)
	}
	if response, err := databases.Delete(t.Context(), made.ID); err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatalf("delete: %v, %v", response, err)
	}
	if _, err := databases.Delete(t.Context(), made.ID); err != nil {
		t.Errorf("a repeated delete failed: %v", err)
	}
	_, _, err = databases.Get(t.Context(), made.ID)
	wantGodoError(t, err, http.StatusNotFound, "the cluster "+made.ID+" is being destroyed")
	if list, _, err := databases.List(t.Context(), nil); err != nil || len(list) != 0 {
		t.Errorf("list after deletion %+v, %v", list, err)
	}
}

// checkConnections looks at what doctl and Terraform take from the POST and show for ever.
func checkConnections(t *testing.T, made *godo.Database) {
	t.Helper()
	for _, c := range []*godo.DatabaseConnection{made.Connection, made.PrivateConnection} {
		if c == nil {
			t.Fatal("a connection is missing")
		}
		u, err := url.Parse(c.URI)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		if c.Protocol != "mongodb" || c.Host != "tine.example.com" || c.Port != 28000 || c.User != "doadmin" || c.Database != "admin" ||
			len(c.Password) < 24 || password != c.Password || u.Host != "tine.example.com:28000" || u.Query().Get("replicaSet") != "prod" {
			t.Errorf("connection %+v", c)
		}
	}
	if len(made.Users) != 1 || made.Users[0].Name != "doadmin" || made.Users[0].Role != "primary" || made.Users[0].Password != made.Connection.Password {
		t.Errorf("users %+v", made.Users)
	}
}

func TestGodoForksAtLatestAndAtATime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	source := b.online(t, "prod")

	latest := createRequest("latest")
	latest.BackupRestore = &godo.DatabaseBackupRestore{DatabaseName: "prod"}
	fork, _, err := databases.Create(t.Context(), latest)
	if err != nil {
		t.Fatal(err)
	}
	if fork.Status != "forking" || fork.Connection.Password == "" || fork.Connection.Password == source.Connection.Password {
		t.Errorf("fork %+v", fork)
	}
	backups, _, err := databases.ListBackups(t.Context(), source.ID, nil)
	if err != nil || len(backups) != 1 || backups[0].SizeGigabytes != 1.5 {
		t.Fatalf("backups %+v, %v", backups, err)
	}
	want := backups[0].CreatedAt // cut to seconds, as doctl does
	for n, text := range []string{
		want.Format(time.RFC3339), want.In(time.FixedZone("", -7200)).Format(time.RFC3339Nano), want.Format("2006-01-02T15:04:05.000000Z"), want.String(),
	} {
		request := createRequest(fmt.Sprintf("at-%d", n))
		request.BackupRestore = &godo.DatabaseBackupRestore{DatabaseName: "prod", BackupCreatedAt: text}
		fork, _, err := databases.Create(t.Context(), request)
		if err != nil {
			t.Fatalf("fork at %s: %v", text, err)
		}
		if stored, err := b.store.Cluster(t.Context(), fork.ID); err != nil || !stored.ForkAt.Equal(want) {
			t.Errorf("fork at %s became %v, want %v", text, stored.ForkAt, want)
		}
	}
}

func TestGodoSeesRefusalsInWordsAndNothingIsMade(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	b.online(t, "prod")
	young, _, err := databases.Create(t.Context(), createRequest("young"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change  func(*godo.DatabaseCreateRequest)
		status  int
		message string
	}{
		"name": {
			func(r *godo.DatabaseCreateRequest) { r.Name = "Prod_1" }, 422,
			`name must be 3 to 63 characters of lower-case letters, digits, hyphens and periods; "Prod_1" has "P" and "_"`,
		},
		"name taken": {func(r *godo.DatabaseCreateRequest) { r.Name = "prod" }, 422, `name must be unique; there is a cluster "prod" already`},
		"nodes":      {func(r *godo.DatabaseCreateRequest) { r.NumNodes = 3 }, 422, "num_nodes must be 1 in this release; got 3"},
		"version":    {func(r *godo.DatabaseCreateRequest) { r.Version = "5" }, 422, `version must be one of 6, 7, 8; got "5"`},
		"unknown source": {func(r *godo.DatabaseCreateRequest) {
			r.BackupRestore = &godo.DatabaseBackupRestore{DatabaseName: "nobody"}
		}, 404, `backup_restore.database_name must name an existing cluster; there is no "nobody"`},
		"source not online": {func(r *godo.DatabaseCreateRequest) {
			r.BackupRestore = &godo.DatabaseBackupRestore{DatabaseName: "young"}
		}, 412, `backup_restore.database_name must name an online cluster; "young" is still being created`},
		"outside the window": {func(r *godo.DatabaseCreateRequest) {
			r.BackupRestore = &godo.DatabaseBackupRestore{DatabaseName: "prod", BackupCreatedAt: "2026-08-10T10:00:00Z"}
		}, 422, `backup_restore.backup_created_at must be between 2026-08-10T11:00:00.25Z and 2026-08-10T12:00:00.25Z, the history of "prod"; got 2026-08-10T10:00:00Z`},
		"no time": {func(r *godo.DatabaseCreateRequest) {
			r.BackupRestore = &godo.DatabaseBackupRestore{DatabaseName: "prod", BackupCreatedAt: "yesterday"}
		}, 422, `backup_restore.backup_created_at must be a time like 2026-08-01T18:42:27.123456Z; got "yesterday"`},
		"rules": {func(r *godo.DatabaseCreateRequest) {
			r.Rules = []*godo.DatabaseCreateFirewallRule{{Type: "person", Value: "me"}}
		}, 422, `rules[0].type must be one of ip_addr, tag, droplet, k8s, app; got "person"`},
		"autoscale": {func(r *godo.DatabaseCreateRequest) {
			r.StorageAutoscale = &godo.DatabaseStorageAutoscale{Enabled: true, ThresholdPercent: new(5)}
		}, 422, "storage.threshold_percent must be between 15 and 95; got 5"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			request := createRequest("fresh")
			tt.change(request)
			_, _, err := databases.Create(t.Context(), request)
			wantGodoError(t, err, tt.status, tt.message)
		})
	}
	if _, total, err := b.store.Clusters(t.Context(), store.Page{Number: 1, Size: 10}); err != nil || total != 2 {
		t.Errorf("%d clusters, %v; the refused requests made some", total, err)
	}
	_, _, err = databases.ListBackups(t.Context(), young.ID, nil)
	wantGodoError(t, err, http.StatusPreconditionFailed, `the cluster "`+young.ID+`" has no backups yet; the first is taken when it comes online`)
	_, err = databases.Delete(t.Context(), "11111111-2222-4333-8444-555555555555")
	wantGodoError(t, err, http.StatusNotFound, `there is no cluster with the id "11111111-2222-4333-8444-555555555555"`)
}

func TestGodoListsOptionsAndEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	options, _, err := databases.ListOptions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := options.MongoDBOptions
	if !slices.Equal(m.Regions, []string{"nyc1"}) || !slices.Equal(m.Versions, []string{"6", "7", "8"}) || len(m.Layouts) != 1 ||
		m.Layouts[0].NodeNum != 1 || m.Layouts[0].Sizes[0] != "db-s-1vcpu-1gb" || options.PostgresSQLOptions.Regions == nil {
		t.Errorf("options %+v", options)
	}
	db := b.online(t, "prod")
	if _, err := databases.Delete(t.Context(), db.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.store.DeleteCluster(t.Context(), db.ID); err != nil {
		t.Fatal(err)
	}
	events, _, err := databases.ListDatabaseEvents(t.Context(), db.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, e := range events {
		types = append(types, e.EventType)
		if _, err := time.Parse(time.RFC3339, e.CreateTime); err != nil || e.ServiceName != "prod" || e.ID == "" {
			t.Errorf("event %+v", e)
		}
	}
	if want := []string{"cluster_create", "cluster_poweron", "cluster_delete", "cluster_delete"}; !slices.Equal(types, want) {
		t.Errorf("events %v, want %v", types, want)
	}
}

// godo repeats a POST after 429 and 5xx: the API must not make it do so for nothing, nor make two clusters.
func TestRepeatedPostMakesOneCluster(t *testing.T) {
	t.Parallel()
	b := setup(t)
	databases := b.godo(t, b.secret).Databases
	if _, _, err := databases.Create(t.Context(), createRequest("prod")); err != nil {
		t.Fatal(err)
	}
	_, _, err := databases.Create(t.Context(), createRequest("prod"))
	wantGodoError(t, err, http.StatusUnprocessableEntity, `name must be unique; there is a cluster "prod" already`)
}

func TestGodoNeedsAToken(t *testing.T) {
	t.Parallel()
	b := setup(t, func(*api.Config) {})
	for _, secret := range []string{"", "wrong", store.NewSecret()} {
		_, _, err := b.godo(t, secret).Databases.List(t.Context(), nil)
		wantGodoError(t, err, http.StatusUnauthorized, "Unable to authenticate you.")
	}
	reader := b.godo(t, b.token(t, store.ScopeRead)).Databases
	if _, _, err := reader.List(t.Context(), nil); err != nil {
		t.Error(err)
	}
	_, _, err := reader.Create(t.Context(), createRequest("prod"))
	wantGodoError(t, err, http.StatusForbidden, "You are missing the required permission database:create.")
	_, err = reader.Delete(t.Context(), "11111111-2222-4333-8444-555555555555")
	wantGodoError(t, err, http.StatusForbidden, "You are missing the required permission database:delete.")
}

func TestWithoutTheScopeViewCredentialsThereAreNone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, _, err := b.store.CreateToken(t.Context(), "deploy", nil, store.ScopeDatabaseRead, store.ScopeDatabaseCreate)
	if err != nil {
		t.Fatal(err)
	}
	databases := b.godo(t, secret).Databases
	made, _, err := databases.Create(t.Context(), createRequest("prod"))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := databases.Get(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, db := range []*godo.Database{made, got} {
		if c := db.Connection; c.Password != "" || c.URI != "" || c.Port != 28000 || db.Users[0].Password != "" || db.PrivateConnection.URI != "" {
			t.Errorf("connection %+v, users %+v", c, db.Users)
		}
	}
}
