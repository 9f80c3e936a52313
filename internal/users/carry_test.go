package users_test

import (
	"context"
	"reflect"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
	"tine/internal/testnode"
	"tine/internal/users"
)

func node(t *testing.T) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig("host=/run/tine dbname=postgres sslmode=disable user=postgres")
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc = engine.Dialer(testnode.Start(t).SocketDir)
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func create(t *testing.T, db users.DB, name, verifier string, grants ...users.Grant) {
	t.Helper()
	if err := users.Create(t.Context(), db, users.User{Name: name, Grants: grants}, verifier); err != nil {
		t.Fatal(err)
	}
}

// Present users keep their passwords and rights, get back what they could do on single databases, and who was dropped stays out.
func TestCarry(t *testing.T) {
	t.Parallel()
	const old, fresh = "SCRAM-SHA-256$1:old=$b:c", "SCRAM-SHA-256$1:new=$b:c"
	// What is here is the state of a moment; saved are the users of now.
	db := node(t)
	create(t, db, "both", old, users.Grant{Database: "shop", Role: users.ReadWrite}, users.Grant{Database: users.AllDatabases, Role: users.Root})
	create(t, db, "dropped", old, users.Grant{Database: "shop", Role: users.ReadOnly})
	ownerThen := ownerVerifier(t, db)
	saved := []users.Saved{
		{User: users.User{Name: users.Owner, ID: [16]byte{1}, Grants: []users.Grant{{Database: users.AllDatabases, Role: users.Root}}}, Verifier: new(fresh)},
		{User: users.User{Name: "both", ID: [16]byte{2}, Grants: []users.Grant{{Database: "blog", Role: users.ReadOnly}}}, Verifier: new(fresh)},
		{User: users.User{Name: "later", ID: [16]byte{3}, CustomData: []byte("x")}, Verifier: new(fresh)},
	}
	for range 2 { // it may be repeated
		if err := users.Carry(t.Context(), db, saved); err != nil {
			t.Fatal(err)
		}
	}
	got, err := users.Save(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		verifier string
		grants   []users.Grant
	}{
		users.Owner: {fresh, []users.Grant{{Database: users.AllDatabases, Role: users.Root}}},
		"both":      {fresh, []users.Grant{{Database: "blog", Role: users.ReadOnly}, {Database: "shop", Role: users.ReadWrite}}},
		"later":     {fresh, nil},
		"dropped":   {"", []users.Grant{{Database: "shop", Role: users.ReadOnly}}},
	}
	if len(got) != len(want) {
		t.Errorf("there are %d users, want %d", len(got), len(want))
	}
	for _, u := range got {
		verifier := ""
		if u.Verifier != nil {
			verifier = *u.Verifier
		}
		slices.SortFunc(u.Grants, func(a, b users.Grant) int { return slices.Compare([]string{a.Database}, []string{b.Database}) })
		if w := want[u.Name]; verifier != w.verifier || !slices.Equal(u.Grants, w.grants) {
			t.Errorf("%s has the verifier %q and %v, want %q and %v", u.Name, verifier, u.Grants, w.verifier, w.grants)
		}
	}
	if later, err := users.Get(t.Context(), db, "later"); err != nil || later.ID != [16]byte{3} || string(later.CustomData) != "x" {
		t.Errorf("later is %+v, %v", later, err)
	}
	if ownerThen == fresh {
		t.Error("the test proves nothing about the owner")
	}
}

// Users of other data that were carried here go again, with what they could do.
func TestPutBack(t *testing.T) {
	t.Parallel()
	const here, there = "SCRAM-SHA-256$1:here=$b:c", "SCRAM-SHA-256$1:there=$b:c"
	db := node(t)
	create(t, db, "both", here, users.Grant{Database: "shop", Role: users.ReadOnly})
	create(t, db, "one", here, users.Grant{Database: users.AllDatabases, Role: users.Root})
	before, err := users.Save(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	err = users.Carry(t.Context(), db, []users.Saved{
		{User: users.User{Name: users.Owner, ID: [16]byte{1}, Grants: []users.Grant{{Database: users.AllDatabases, Role: users.Root}}}, Verifier: new(there)},
		{User: users.User{Name: "both", ID: [16]byte{2}, Grants: []users.Grant{{Database: "blog", Role: users.ReadWrite}}}, Verifier: new(there)},
		{User: users.User{Name: "other", ID: [16]byte{3}}, Verifier: new(there)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it may be repeated
		if err := users.PutBack(t.Context(), db, before); err != nil {
			t.Fatal(err)
		}
		after, err := users.Save(t.Context(), db)
		if err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("the users are %+v, %v, want %+v", after, err, before)
		}
	}
}

func ownerVerifier(t *testing.T, db users.DB) string {
	t.Helper()
	_, owner, err := users.Verifiers(t.Context(), db, "")
	if err != nil {
		t.Fatal(err)
	}
	return owner
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	const old, fresh = "SCRAM-SHA-256$1:old=$b:c", "SCRAM-SHA-256$1:new=$b:c"
	db := node(t)
	create(t, db, "ada", old)
	create(t, db, "gone", old)
	owner := ownerVerifier(t, db)
	if err := users.Refresh(t.Context(), db, map[string]string{"ada": fresh, "nobody": fresh}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"ada": fresh, "gone": "", users.Owner: owner} {
		if got, _, err := users.Verifiers(t.Context(), db, name); err != nil || got != want {
			t.Errorf("%s has the verifier %q, want %q: %v", name, got, want, err)
		}
	}
}
