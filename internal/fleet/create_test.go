package fleet_test

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"

	"tine/internal/fleet"
	"tine/internal/store"
)

func TestCreateReturnsACompleteCluster(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := request("prod")
	r.Tags = []string{"team:db", "a", "a"}
	created, err := b.fleet.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	c, conn := created.Cluster, created.Connection
	if c.Status != store.StatusCreating || c.Port != 28000 || c.StorageMiB != 15360 || c.Host != "local" || strings.Join(c.Tags, " ") != "a team:db" {
		t.Errorf("cluster is %+v", c)
	}
	want := "mongodb://doadmin:" + created.Password + "@tine.example.com:28000/admin?authSource=admin&replicaSet=prod"
	if conn.URI != want || conn.Host != "tine.example.com" || conn.Port != 28000 || conn.User != "doadmin" || conn.Database != "admin" {
		t.Errorf("connection is %+v, want URI %s", conn, want)
	}
	if _, err := url.Parse(conn.URI); err != nil {
		t.Error(err)
	}
	if len(created.Password) < 24 || created.Contents.Users[0].Password != created.Password {
		t.Errorf("password %q, users %+v", created.Password, created.Contents.Users)
	}
	if strings.Contains(c.DoadminVerifier, created.Password) || !strings.HasPrefix(c.DoadminVerifier, "SCRAM-SHA-256$15000:") {
		t.Errorf("verifier is %q", c.DoadminVerifier)
	}
	if later := b.fleet.Connection(c, ""); strings.Contains(later.URI, ":@") || later.Password != "" {
		t.Errorf("connection without the password is %+v", later)
	}
}

func TestCreateNormalisesVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for given, want := range map[string]string{"": "8", "8": "8", "8.0": "8", "7.0": "7", "6": "6"} {
		r := request("v" + strings.ReplaceAll(given, ".", "-") + "-cluster")
		r.Version = given
		if c := b.create(t, r); c.Version != want {
			t.Errorf("version %q became %q, want %q", given, c.Version, want)
		}
	}
}

func TestCreateRefusesInWordsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.create(t, request("taken"))
	dying := b.create(t, request("dying"))
	if err := b.fleet.Destroy(t.Context(), dying.ID); err != nil {
		t.Fatal(err)
	}
	const nameRule = "name must be 3 to 63 characters of lower-case letters, digits, hyphens and periods; "
	tests := map[string]struct {
		change func(*fleet.CreateRequest)
		field  string
		want   string
	}{
		"name characters": {func(r *fleet.CreateRequest) { r.Name = "Prod_1" }, "name", nameRule + `"Prod_1" has "P" and "_"`},
		"name many wrong": {func(r *fleet.CreateRequest) { r.Name = "ABCDEFG x" }, "name", nameRule + `"ABCDEFG x" has "A", "B", "C", "D", "E" and others`},
		"name not UTF-8":  {func(r *fleet.CreateRequest) { r.Name = "a\xffb" }, "name", nameRule + `"a\xffb" has "�"`},
		"one letter":      {func(r *fleet.CreateRequest) { r.Name = "a" }, "name", nameRule + `"a" has 1 character`},
		"name too short":  {func(r *fleet.CreateRequest) { r.Name = "ab" }, "name", nameRule + `"ab" has 2 characters`},
		"name too long": {
			func(r *fleet.CreateRequest) { r.Name = strings.Repeat("a", 100) }, "name",
			nameRule + `"` + strings.Repeat("a", 80) + `"... has 100 characters`,
		},
		"name missing": {func(r *fleet.CreateRequest) { r.Name = "" }, "name", nameRule + "it is missing"},
		"name taken":   {func(r *fleet.CreateRequest) { r.Name = "taken" }, "name", `name must be unique; there is a cluster "taken" already`},
		"name being freed": {
			func(r *fleet.CreateRequest) { r.Name = "dying" }, "name",
			`name must be unique; the cluster "dying" is still being destroyed and has it until that is complete`,
		},
		"engine":          {func(r *fleet.CreateRequest) { r.Engine = "pg" }, "engine", `engine must be mongodb; got "pg"`},
		"version":         {func(r *fleet.CreateRequest) { r.Version = "9" }, "version", `version must be one of 6, 7, 8; got "9"`},
		"version minor":   {func(r *fleet.CreateRequest) { r.Version = "8.1" }, "version", `version must be one of 6, 7, 8; got "8.1"`},
		"region":          {func(r *fleet.CreateRequest) { r.Region = "mars1" }, "region", `region must be one of nyc1; got "mars1"`},
		"region missing":  {func(r *fleet.CreateRequest) { r.Region = "" }, "region", `region must be one of nyc1; it is missing`},
		"three nodes":     {func(r *fleet.CreateRequest) { r.NumNodes = 3 }, "num_nodes", "num_nodes must be 1 in this release; got 3"},
		"no nodes":        {func(r *fleet.CreateRequest) { r.NumNodes = 0 }, "num_nodes", "num_nodes must be 1 in this release; got 0"},
		"storage too big": {func(r *fleet.CreateRequest) { r.StorageMiB = 62464 }, "storage_size_mib", storageRule + "62464"},
		"storage between": {func(r *fleet.CreateRequest) { r.StorageMiB = 15361 }, "storage_size_mib", storageRule + "15361"},
		"storage small":   {func(r *fleet.CreateRequest) { r.StorageMiB = 1024 }, "storage_size_mib", storageRule + "1024"},
		"storage < 0":     {func(r *fleet.CreateRequest) { r.StorageMiB = -15360 }, "storage_size_mib", storageRule + "-15360"},
		"storage maximal": {func(r *fleet.CreateRequest) { r.StorageMiB = 1<<63 - 1 }, "storage_size_mib", storageRule + "9223372036854775807"},
		"tag": {
			func(r *fleet.CreateRequest) { r.Tags = []string{"ok", "not ok"} }, "tags",
			`tags must have 1 to 255 letters, digits, colons, hyphens and underscores each; "not ok" has " "`,
		},
		"tag empty": {
			func(r *fleet.CreateRequest) { r.Tags = []string{""} }, "tags",
			`tags must have 1 to 255 letters, digits, colons, hyphens and underscores each; "" has 0 characters`,
		},
		"service names": {
			func(r *fleet.CreateRequest) { r.ServiceNames = []string{"db.example.com", "db_1.example.com"} }, "do_settings.service_cnames",
			`do_settings.service_cnames must be names such as db.example.com, of at most 253 characters; got "db_1.example.com"`,
		},
		"autoscale": {
			func(r *fleet.CreateRequest) { r.Autoscale = store.Autoscale{Enabled: true, ThresholdPercent: 96} }, "storage.threshold_percent",
			"storage.threshold_percent must be between 15 and 95; got 96",
		},
		"project": {func(r *fleet.CreateRequest) { r.ProjectID = "p" }, "project_id", `project_id must be a UUID or empty; got "p"`},
		"network": {
			func(r *fleet.CreateRequest) { r.PrivateNetworkUUID = "vpc" }, "private_network_uuid",
			`private_network_uuid must be a UUID or empty; got "vpc"`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := request("fresh")
			tt.change(&r)
			b.refused(t, r, fleet.Invalid, tt.field, tt.want)
		})
	}
	unknown := request("fresh")
	unknown.Size = "db-huge"
	_, err := b.fleet.Create(t.Context(), unknown)
	var e *fleet.Error
	if !errors.As(err, &e) || e.Field != "size" || !strings.HasPrefix(e.Message, "size must be one of db-s-1vcpu-1gb, ") || !strings.HasSuffix(e.Message, `; got "db-huge"`) {
		t.Errorf("unknown plan: %v", err)
	}
}

const storageRule = "storage_size_mib must be between 15360 and 61440 for plan db-s-1vcpu-1gb, in steps of 1024; got "

func TestCreateSaysWhenTheHostIsFull(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for n := range 20 {
		b.create(t, request("cluster-"+string(rune('a'+n))))
	}
	b.refused(t, request("one-more"), fleet.Full, "", "the host local has no free port for another cluster: all from 28000 to 28019 are taken")
}

func TestRivalsForANameGetOneCluster(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const rivals = 8
	errs := make(chan error, rivals)
	var wg sync.WaitGroup
	for range rivals {
		wg.Go(func() {
			_, err := b.fleet.Create(t.Context(), request("wanted"))
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	made := 0
	for err := range errs {
		if err == nil {
			made++
			continue
		}
		wantError(t, err, fleet.Invalid, "name", `name must be unique; there is a cluster "wanted" already`)
	}
	if got := b.rows(t); made != 1 || got != [3]int{1, 1, 1} {
		t.Errorf("%d of %d rivals succeeded and left clusters, events, jobs %v", made, rivals, got)
	}
}

func TestDestroyNeedsACluster(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t, request("prod"))
	for range 2 {
		if err := b.fleet.Destroy(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := b.fleet.Get(t.Context(), c.ID); err != nil || got.Status != store.StatusDestroying {
		t.Errorf("cluster is %v, %v; want destroying", got.Status, err)
	}
	wantError(t, b.fleet.Destroy(t.Context(), "nonsense"), fleet.NotFound, "", `there is no cluster with the id "nonsense"`)
	_, err := b.fleet.Get(t.Context(), "nonsense")
	wantError(t, err, fleet.NotFound, "", `there is no cluster with the id "nonsense"`)
	_, err = b.fleet.Events(t.Context(), "nonsense")
	wantError(t, err, fleet.NotFound, "", `there is no cluster with the id "nonsense"`)
}
