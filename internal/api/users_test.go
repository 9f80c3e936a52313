package api_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
	"tine/internal/store"
	"tine/internal/users"
)

func TestGodoMakesChangesAndDeletesUsers(t *testing.T) {
	t.Parallel()
	b := setupWithNode(t)
	databases := b.godo(t, b.secret).Databases
	id := b.online(t, "prod").ID
	settings := &godo.DatabaseUserSettings{MongoUserSettings: &godo.MongoUserSettings{Databases: []string{"shop", "logs"}, Role: "readOnly"}}
	made, response, err := databases.CreateUser(t.Context(), id, &godo.DatabaseCreateUserRequest{Name: "ada", Settings: settings})
	if err != nil || response.StatusCode != http.StatusCreated || len(made.Password) < 24 || made.Role != "normal" ||
		!slices.Equal(made.Settings.MongoUserSettings.Databases, []string{"logs", "shop"}) || made.Settings.MongoUserSettings.Role != "readOnly" {
		t.Fatalf("made %+v, %v", made, err)
	}
	all, _, err := databases.CreateUser(t.Context(), id, &godo.DatabaseCreateUserRequest{Name: "all"})
	if err != nil || all.Settings != nil {
		t.Fatalf("user with all rights %+v, %v", all, err)
	}
	list, _, err := databases.ListUsers(t.Context(), id, nil)
	if err != nil || len(list) != 3 || list[0].Name != "doadmin" || list[0].Role != "primary" || list[1].Name != "ada" || list[1].Password != "" {
		t.Errorf("users %+v, %v", list, err)
	}
	settings.MongoUserSettings = &godo.MongoUserSettings{Databases: []string{"admin"}, Role: "dbAdmin"}
	changed, response, err := databases.UpdateUser(t.Context(), id, "ada", &godo.DatabaseUpdateUserRequest{Settings: settings})
	if err != nil || response.StatusCode != http.StatusCreated || changed.Settings.MongoUserSettings.Role != "dbAdmin" || changed.Password != "" {
		t.Errorf("changed %+v, %v", changed, err)
	}
	reset, response, err := databases.ResetUserAuth(t.Context(), id, "ada", &godo.DatabaseResetUserAuthRequest{})
	if err != nil || response.StatusCode != http.StatusOK || reset.Password == "" || reset.Password == made.Password || reset.Settings == nil {
		t.Errorf("reset %+v, %v", reset, err)
	}
	if admin, _, err := databases.ResetUserAuth(t.Context(), id, "doadmin", &godo.DatabaseResetUserAuthRequest{}); err != nil || admin.Password == "" {
		t.Errorf("reset of doadmin %+v, %v", admin, err)
	}
	if response, err := databases.DeleteUser(t.Context(), id, "ada"); err != nil || response.StatusCode != http.StatusNoContent {
		t.Errorf("delete %+v, %v", response, err)
	}
	_, _, err = databases.GetUser(t.Context(), id, "ada")
	wantGodoError(t, err, http.StatusNotFound, `there is no user "ada"`)
	if got := b.data.changed.Load(); got != 6 {
		t.Errorf("the gateway was told of %d changes, want 6", got)
	}
}

func TestUsersAreRefusedInWords(t *testing.T) {
	t.Parallel()
	b := setupWithNode(t)
	id := b.online(t, "prod").ID
	users := "/v2/databases/" + id + "/users"
	for _, tt := range []struct {
		method, path, body string
		status             int
		kind, message      string
	}{
		{"POST", users, `{}`, 422, "unprocessable_entity", `name must be 1 to 63 bytes of UTF-8 without a zero; got ""`},
		{"POST", users, `{"name":"` + strings.Repeat("ü", 32) + `"}`, 422, "unprocessable_entity", `name must be 1 to 63 bytes of UTF-8 without a zero; got "` + strings.Repeat("ü", 32) + `"`},
		{"POST", users, `{"name":"a\u0000"}`, 422, "unprocessable_entity", `name must be 1 to 63 bytes of UTF-8 without a zero; got "a\x00"`},
		{"POST", users, `{"name":"doadmin"}`, 422, "unprocessable_entity", `name must be unique; there is a user "doadmin" already`},
		{
			"POST", users, `{"name":"a","settings":{"mongo_user_settings":{"role":"root","databases":["d"]}}}`, 422, "unprocessable_entity",
			`settings.mongo_user_settings.role must be one of readOnly, readWrite, dbAdmin; got "root"`,
		},
		{
			"POST", users, `{"name":"a","settings":{"mongo_user_settings":{"role":"readOnly"}}}`, 422, "unprocessable_entity",
			"settings.mongo_user_settings.databases must name at least one database; admin means all",
		},
		{
			"PUT", users + "/doadmin", `{"settings":{"mongo_user_settings":{"role":"readOnly","databases":["d"]}}}`, 422, "unprocessable_entity",
			"doadmin always has all rights and cannot be deleted",
		},
		{"PUT", users + "/x", `{"settings":{}}`, 422, "unprocessable_entity", "settings.mongo_user_settings must be an object with a role and databases"},
		{"DELETE", users + "/doadmin", "", 422, "unprocessable_entity", "doadmin always has all rights and cannot be deleted"},
		{"DELETE", users + "/nobody", "", 404, "not_found", `there is no user "nobody"`},
	} {
		b.do(t, tt.method, tt.path, tt.body).wantError(t, tt.status, tt.kind, tt.message)
	}
	young, _, err := b.godo(t, b.secret).Databases.Create(t.Context(), createRequest("young"))
	if err != nil {
		t.Fatal(err)
	}
	b.do(t, "GET", "/v2/databases/"+young.ID+"/users", "").
		wantError(t, 412, "precondition_failed", `the cluster "young" must be online; it is still being created`)
	readonly := b.do(t, "POST", users, `{"name":"old","readonly":true}`).json(t)
	if got := member(member(member(readonly["user"], "settings"), "mongo_user_settings"), "role"); got != "readOnly" {
		t.Errorf("readonly: %v", readonly)
	}
	secret, _, err := b.store.CreateToken(t.Context(), "deploy", nil, store.ScopeDatabaseCreate)
	if err != nil {
		t.Fatal(err)
	}
	hidden := b.do(t, "POST", users, `{"name":"hidden"}`, "Authorization", "Bearer "+secret).json(t)
	if member(hidden["user"], "password") != nil {
		t.Errorf("without view_credentials: %v", hidden)
	}
}

func TestGodoMakesAndDeletesDatabases(t *testing.T) {
	t.Parallel()
	b := setupWithNode(t)
	databases := b.godo(t, b.secret).Databases
	id := b.online(t, "prod").ID
	if db, response, err := databases.CreateDB(t.Context(), id, &godo.DatabaseCreateDBRequest{Name: "shop"}); err != nil ||
		response.StatusCode != http.StatusCreated || db.Name != "shop" {
		t.Fatalf("made %+v, %v", db, err)
	}
	list, _, err := databases.ListDBs(t.Context(), id, nil)
	if err != nil || len(list) != 2 || list[0].Name != "defaultdb" || list[1].Name != "shop" {
		t.Errorf("databases %+v, %v", list, err)
	}
	if db, _, err := databases.GetDB(t.Context(), id, "shop"); err != nil || db.Name != "shop" {
		t.Errorf("database %+v, %v", db, err)
	}
	_, _, err = databases.CreateDB(t.Context(), id, &godo.DatabaseCreateDBRequest{Name: "shop"})
	wantGodoError(t, err, http.StatusUnprocessableEntity, `name must be unique; there is a database "shop" already`)
	_, _, err = databases.CreateDB(t.Context(), id, &godo.DatabaseCreateDBRequest{Name: "a.b"})
	wantGodoError(t, err, http.StatusUnprocessableEntity, `name must be 1 to 63 bytes without spaces and any of /\."$*<>:|?; got "a.b"`)
	_, err = databases.DeleteDB(t.Context(), id, "defaultdb")
	wantGodoError(t, err, http.StatusUnprocessableEntity, "name must not be defaultdb, which every cluster has")
	if response, err := databases.DeleteDB(t.Context(), id, "shop"); err != nil || response.StatusCode != http.StatusNoContent {
		t.Errorf("delete %+v, %v", response, err)
	}
	_, _, err = databases.GetDB(t.Context(), id, "shop")
	wantGodoError(t, err, http.StatusNotFound, `there is no database "shop"`)
}

// What is in a cluster is shown with it, as it is now, without passwords.
func TestDatabaseShowsItsUsersAndDatabases(t *testing.T) {
	t.Parallel()
	b := setupWithNode(t)
	databases := b.godo(t, b.secret).Databases
	id := b.online(t, "prod").ID
	want := func(when string, got *godo.Database, users, dbs []string) {
		t.Helper()
		var names []string
		for _, u := range got.Users {
			names = append(names, u.Name)
			if u.Password != "" && u.Name != "doadmin" {
				t.Errorf("%s: the password of %s is shown", when, u.Name)
			}
		}
		if !slices.Equal(names, users) || !slices.Equal(got.DBNames, dbs) {
			t.Errorf("%s: users %v, databases %v; want %v, %v", when, names, got.DBNames, users, dbs)
		}
	}
	get := func() *godo.Database {
		t.Helper()
		got, _, err := databases.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want("at first", get(), []string{"doadmin"}, []string{"defaultdb"})
	settings := &godo.DatabaseUserSettings{MongoUserSettings: &godo.MongoUserSettings{Databases: []string{"shop"}, Role: "readOnly"}}
	if _, _, err := databases.CreateUser(t.Context(), id, &godo.DatabaseCreateUserRequest{Name: "ada", Settings: settings}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := databases.CreateDB(t.Context(), id, &godo.DatabaseCreateDBRequest{Name: "shop"}); err != nil {
		t.Fatal(err)
	}
	got := get()
	want("after changes", got, []string{"doadmin", "ada"}, []string{"defaultdb", "shop"})
	if got.Users[1].Settings == nil || got.Users[1].Settings.MongoUserSettings.Role != "readOnly" {
		t.Errorf("user with settings %+v", got.Users[1].Settings)
	}
	b.clock.Advance(time.Second) // the list has the older cluster first
	fork, _, err := databases.Create(t.Context(), &godo.DatabaseCreateRequest{
		Name: "fork", EngineSlug: "mongodb", Version: "8", SizeSlug: "db-s-1vcpu-1gb", Region: "nyc1", NumNodes: 1,
		BackupRestore: &godo.DatabaseBackupRestore{DatabaseName: "prod"},
	})
	if err != nil || len(fork.Users) == 0 || fork.Users[0].Password == "" || fork.Users[0].Password != fork.Connection.Password {
		t.Fatalf("fork %+v, %v", fork, err)
	}
	want("the answer that promises a fork", fork, []string{"doadmin", "ada"}, []string{"defaultdb", "shop"})
	list, _, err := databases.List(t.Context(), nil)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	want("in the list", &list[0], []string{"doadmin", "ada"}, []string{"defaultdb", "shop"})

	// What another client changes in the cluster is seen when the answer is older than a moment; a node that is down hides nothing that was known.
	conn, err := pgx.ParseConfig("host=/run/tine user=postgres sslmode=disable dbname=postgres")
	if err != nil {
		t.Fatal(err)
	}
	conn.DialFunc = engine.Dialer(b.data.node.Load().SocketDir)
	c, err := pgx.ConnectConfig(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(t.Context())) }()
	if err := users.Drop(t.Context(), c, "ada"); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(3 * time.Second)
	want("after a change in the cluster", get(), []string{"doadmin"}, []string{"defaultdb", "shop"})
	b.data.node.Store(nil)
	b.clock.Advance(3 * time.Second)
	want("with the node down", get(), []string{"doadmin"}, []string{"defaultdb", "shop"})
}

// A node that is started again is no failure of ours: the request may be sent once more.
func TestWhatNeedsANodeThatDoesNotAnswerIsRefusedInWords(t *testing.T) {
	t.Parallel()
	b := setup(t) // without a node
	path := "/v2/databases/" + b.online(t, "prod").ID
	for _, request := range [][3]string{
		{"GET", "/users", ""},
		{"GET", "/users/doadmin", ""},
		{"POST", "/users", `{"name":"app"}`},
		{"POST", "/users/app/reset_auth", `{}`},
		{"DELETE", "/users/app", ""},
		{"GET", "/dbs", ""},
		{"POST", "/dbs", `{"name":"shop"}`},
		{"DELETE", "/dbs/shop", ""},
	} {
		b.do(t, request[0], path+request[1], request[2]).wantError(t, 412, "precondition_failed",
			`the cluster "prod" must be reachable; its node does not answer just now, as while it is started again`)
	}
	if a := b.do(t, "GET", path, ""); a.status != 200 {
		t.Errorf("the cluster itself: %d %s", a.status, a.body)
	}
}
