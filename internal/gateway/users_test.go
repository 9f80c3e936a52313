package gateway_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/gateway"
	"tine/internal/users"
)

// userPassword is that of the users whom tests make.
const userPassword = "pass word"

// on is a role as commands write it.
func on(role, db string) bson.D { return bson.D{{Key: "role", Value: role}, {Key: "db", Value: db}} }

// admin runs a command about users as doadmin.
func (g *gw) admin(tb testing.TB, command bson.D) error {
	tb.Helper()
	return g.client(tb).Database("admin").RunCommand(tb.Context(), command).Err()
}

// user makes a user with userPassword, and returns a client of that user's.
func (g *gw) user(tb testing.TB, name string, roles ...any) *mongo.Client {
	tb.Helper()
	err := g.admin(tb, bson.D{{Key: "createUser", Value: name}, {Key: "pwd", Value: userPassword}, {Key: "roles", Value: append(bson.A{}, roles...)}})
	if err != nil {
		tb.Fatalf("create user %s: %v", name, err)
	}
	return g.as(tb, name, userPassword)
}

// as is a client of a user's, on one connection at a time.
func (g *gw) as(tb testing.TB, name, pw string) *mongo.Client {
	tb.Helper()
	auth := options.Credential{Username: name, Password: pw, AuthSource: "admin"}
	opts := options.Client().ApplyURI("mongodb://" + g.addr + "/?replicaSet=orders").SetAuth(auth).SetMaxPoolSize(1)
	c, err := mongo.Connect(opts.SetServerSelectionTimeout(8 * time.Second))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Disconnect(context.WithoutCancel(tb.Context())) })
	return c
}

func ping(tb testing.TB, c *mongo.Client) error {
	tb.Helper()
	return c.Database("mine").RunCommand(tb.Context(), bson.D{{Key: "find", Value: "c"}}).Err()
}

func TestUserMayDoWhatItsRolesSay(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	ctx := t.Context()
	must(g.client(t).Database("mine").Collection("c").InsertOne(ctx, bson.D{{Key: "_id", Value: 1}}))(t)
	must(g.client(t).Database("other").Collection("c").InsertOne(ctx, bson.D{{Key: "_id", Value: 1}}))(t)
	reader := g.user(t, "reader", on("read", "mine"))
	if n := must(reader.Database("mine").Collection("c").CountDocuments(ctx, bson.D{}))(t); n != 1 {
		t.Errorf("the reader counts %d", n)
	}
	_, err := reader.Database("mine").Collection("c").InsertOne(ctx, bson.D{})
	wantCode(t, err, 13)
	_, err = reader.Database("mine").Collection("c").Aggregate(ctx, mongo.Pipeline{{{Key: "$out", Value: "x"}}})
	wantCode(t, err, 13)
	_, err = reader.Database("other").Collection("c").CountDocuments(ctx, bson.D{})
	wantCode(t, err, 13)
	if names := must(reader.ListDatabaseNames(ctx, bson.D{}))(t); len(names) != 1 || names[0] != "mine" {
		t.Errorf("the reader sees the databases %v", names)
	}
	everywhere := g.user(t, "everywhere", "readWriteAnyDatabase")
	must(everywhere.Database("other").Collection("c").InsertOne(ctx, bson.D{}))(t)
	both := g.user(t, "both", on("read", "mine"), on("dbAdmin", "mine"))
	if _, err := both.Database("mine").Collection("c").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "a", Value: 1}}}); err != nil {
		t.Error(err)
	}
	_, err = both.Database("mine").Collection("c").InsertOne(ctx, bson.D{})
	wantCode(t, err, 13)
}

func TestOddNamesAndPasswords(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	ctx := t.Context()
	for name, pw := range map[string]string{
		"a,b=c=2C": userPassword, "postgres": userPassword, "tine_gateway": userPassword, "pg_read_all_data": userPassword,
		`x"; DROP TABLE tine.users; --`: userPassword,
		"'":                             "''''''''", "$1": "$$$$$$$$", "Grüße": "Paßwörter", "IX": "seventy \u2168", "space ": "  space  ", strings.Repeat("n", 63): strings.Repeat("p", 1000),
		"user:x": "a:b$c,d=e", "DOADMIN": userPassword,
	} {
		err := g.admin(t, bson.D{{Key: "createUser", Value: name}, {Key: "pwd", Value: pw}, {Key: "roles", Value: bson.A{on("read", "mine")}}})
		if err != nil {
			t.Errorf("create %q: %v", name, err)
			continue
		}
		c := g.as(t, name, pw)
		if err := ping(t, c); err != nil {
			t.Errorf("log-in of %q: %v", name, err)
		}
		_, err = c.Database("mine").Collection("c").InsertOne(ctx, bson.D{})
		wantCode(t, err, 13)
	}
	if err := ping(t, g.as(t, "IX", "seventy IX")); err != nil { // what SASLprep makes of the one Roman numeral
		t.Errorf("the password is not prepared: %v", err)
	}
	var n int
	if err := superuser(t).QueryRow(ctx, "SELECT count(*) FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' AND rolname NOT LIKE 'documentdb%'").Scan(&n); err != nil || n != 4 {
		t.Errorf("PostgreSQL has %d roles of its own and ours, %v; want postgres, tine_gateway, tine_reader, tine_writer", n, err)
	}
	if err := ping(t, g.as(t, "doadmin", password)); err != nil {
		t.Error(err)
	}
}

func TestUsersThatCannotBe(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	g.user(t, "there", on("read", "mine"))
	roles := bson.E{Key: "roles", Value: bson.A{on("read", "mine")}}
	with := func(role any) bson.D {
		return bson.D{{Key: "createUser", Value: "u"}, {Key: "pwd", Value: userPassword}, {Key: "roles", Value: bson.A{role}}}
	}
	for _, c := range []struct {
		command bson.D
		code    int
		words   string
	}{
		{bson.D{{Key: "createUser", Value: "there"}, {Key: "pwd", Value: userPassword}, roles}, 51003, "already exists"},
		{bson.D{{Key: "createUser", Value: "doadmin"}, {Key: "pwd", Value: userPassword}, roles}, 51003, "already exists"},
		{bson.D{{Key: "createUser", Value: ""}, {Key: "pwd", Value: userPassword}, roles}, 2, "must not be empty"},
		{bson.D{{Key: "createUser", Value: strings.Repeat("n", 64)}, {Key: "pwd", Value: userPassword}, roles}, 2, "63 bytes"},
		{bson.D{{Key: "createUser", Value: "a\x00b"}, {Key: "pwd", Value: userPassword}, roles}, 2, "without a zero"},
		{bson.D{{Key: "createUser", Value: 1}, {Key: "pwd", Value: userPassword}, roles}, 14, "string"},
		{bson.D{{Key: "createUser", Value: "u"}, roles}, 2, "pwd"},
		{bson.D{{Key: "createUser", Value: "u"}, {Key: "pwd", Value: "7 bytes"}, roles}, 2, "8 characters"},
		{bson.D{{Key: "createUser", Value: "u"}, {Key: "pwd", Value: "\x01 and more"}, roles}, 2, "SASLprep"},
		{bson.D{{Key: "createUser", Value: "u"}, {Key: "pwd", Value: userPassword}}, 2, "roles"},
		{bson.D{{Key: "createUser", Value: "u"}, {Key: "pwd", Value: userPassword}, roles, {Key: "digestPassword", Value: false}}, 2, "undigested"},
		{bson.D{{Key: "createUser", Value: "u"}, {Key: "pwd", Value: userPassword}, roles, {Key: "mechanisms", Value: bson.A{"SCRAM-SHA-1"}}}, 2, "SCRAM-SHA-1"},
		{bson.D{{Key: "createUser", Value: "u"}, {Key: "pwd", Value: userPassword}, roles, {Key: "authenticationRestrictions", Value: bson.A{bson.D{}}}}, 115, "trusted sources"},
		{with("nope"), 31, "nope@admin"},
		{with(on("nope", "mine")), 31, "nope@mine"},
		{with("readWrite"), 2, "readWriteAnyDatabase"},
		{with(on("readAnyDatabase", "mine")), 31, "readAnyDatabase@mine"},
		{with(on("root", "mine")), 31, "root@mine"},
		{with(on("dbOwner", "mine")), 2, "readWrite and dbAdmin"},
		{with("userAdminAnyDatabase"), 2, "only root"},
		{with("clusterAdmin"), 2, "API"},
		{with(on("read", "config")), 2, "config"},
		{with(on("read", "a.b")), 2, "a.b"},
		{with(on("", "mine")), 31, ""},
		{with(1), 2, "{role: <name>"},
		{with(bson.D{{Key: "role", Value: "read"}, {Key: "role", Value: "root"}, {Key: "db", Value: "admin"}}), 40413, "duplicate"},
		{bson.D{{Key: "updateUser", Value: "nobody"}, {Key: "pwd", Value: userPassword}}, 11, "nobody@admin"},
		{bson.D{{Key: "updateUser", Value: "there"}}, 2, "at least one"},
		{bson.D{{Key: "updateUser", Value: "doadmin"}, {Key: "roles", Value: bson.A{}}}, 20, "doadmin"},
		{bson.D{{Key: "revokeRolesFromUser", Value: "doadmin"}, {Key: "roles", Value: bson.A{"root"}}}, 20, "doadmin"},
		{bson.D{{Key: "grantRolesToUser", Value: "there"}, {Key: "roles", Value: bson.A{}}}, 2, "non-empty"},
		{bson.D{{Key: "dropUser", Value: "doadmin"}}, 20, "doadmin"},
		{bson.D{{Key: "dropUser", Value: "nobody"}}, 11, "nobody@admin"},
		{bson.D{{Key: "createRole", Value: "r"}, {Key: "privileges", Value: bson.A{}}, {Key: "roles", Value: bson.A{}}}, 115, "roles cannot be made"},
		{bson.D{{Key: "usersInfo", Value: 1}, {Key: "showCredentials", Value: true}}, 115, "credentials"},
	} {
		err := g.admin(t, c.command)
		wantCode(t, err, c.code)
		if err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%v: the error %q does not say %q", c.command, err, c.words)
		}
	}
	err := g.client(t).Database("mine").RunCommand(t.Context(), bson.D{{Key: "createUser", Value: "u"}, {Key: "pwd", Value: userPassword}, roles}).Err()
	wantCode(t, err, 2)
	if err == nil || !strings.Contains(err.Error(), "authSource=admin") {
		t.Errorf("users of other databases are refused with %v", err)
	}
}

func TestChangesOfRolesTakeEffectAtOnceOnOpenConnections(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	c := g.user(t, "u", on("read", "mine"))
	mine := c.Database("mine").Collection("c")
	_, err := mine.InsertOne(t.Context(), bson.D{})
	wantCode(t, err, 13)
	for _, step := range []struct {
		command bson.D
		writes  bool
	}{
		{bson.D{{Key: "grantRolesToUser", Value: "u"}, {Key: "roles", Value: bson.A{on("readWrite", "mine"), on("readWrite", "mine")}}}, true},
		{bson.D{{Key: "revokeRolesFromUser", Value: "u"}, {Key: "roles", Value: bson.A{on("readWrite", "mine"), on("dbAdmin", "mine")}}}, false},
		{bson.D{{Key: "updateUser", Value: "u"}, {Key: "roles", Value: bson.A{on("readWrite", "mine")}}}, true},
		{bson.D{{Key: "updateUser", Value: "u"}, {Key: "roles", Value: bson.A{}}}, false},
	} {
		if err := g.admin(t, step.command); err != nil {
			t.Fatal(err)
		}
		if _, err := mine.InsertOne(t.Context(), bson.D{}); (err == nil) != step.writes {
			t.Errorf("after %v an insert ends with %v", step.command, err)
		}
	}
	// Somebody else changes it, and says so.
	su := superuser(t)
	if err := users.Update(t.Context(), su, "u", users.Change{Add: []users.Grant{{Database: "mine", Role: users.ReadWrite}}}); err != nil {
		t.Fatal(err)
	}
	g.server.UsersChanged(g.id)
	must(mine.InsertOne(t.Context(), bson.D{}))(t)
}

func TestChangesThatNobodyReportsTakeEffectAfterAWhile(t *testing.T) {
	t.Parallel()
	clock := &testClock{}
	g := openWith(t, gateway.Config{Clock: clock.now}, nil)
	c := g.user(t, "u", on("read", "mine"))
	if err := ping(t, c); err != nil {
		t.Fatal(err)
	}
	if err := users.Update(t.Context(), superuser(t), "u", users.Change{Grants: &[]users.Grant{}}); err != nil {
		t.Fatal(err)
	}
	clock.advance(11 * time.Second)
	wantCode(t, ping(t, c), 13)
}

func TestPasswordIsChangedWhileConnectionsAreOpen(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	g.user(t, "u", on("read", "mine"))
	find := bson.D{{Key: "find", Value: "c"}, {Key: "$db", Value: "mine"}}
	old := g.login(t, "u", userPassword)
	if err := g.admin(t, bson.D{{Key: "updateUser", Value: "u"}, {Key: "pwd", Value: "new password"}}); err != nil {
		t.Fatal(err)
	}
	if reply := old.command(t, find); reply.Lookup("ok").Double() != 1 {
		t.Errorf("a connection that was open is refused: %v", reply)
	}
	if g.dial(t).tryLogIn(t, "u", userPassword) {
		t.Error("the old password is still good")
	}
	if reply := g.login(t, "u", "new password").command(t, find); reply.Lookup("ok").Double() != 1 {
		t.Errorf("the new password is no good: %v", reply)
	}
	own := g.as(t, "u", "new password").Database("admin")
	if err := own.RunCommand(t.Context(), bson.D{{Key: "updateUser", Value: "u"}, {Key: "pwd", Value: "own password"}}).Err(); err != nil {
		t.Errorf("a user cannot change the own password: %v", err)
	}
	g.login(t, "u", "own password")
}

func TestUsersInfo(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	err := g.admin(t, bson.D{
		{Key: "createUser", Value: "u"},
		{Key: "pwd", Value: userPassword},
		{Key: "customData", Value: bson.D{{Key: "team", Value: 7}}},
		{Key: "roles", Value: bson.A{on("readWrite", "mine"), on("read", "other")}},
		{Key: "mechanisms", Value: bson.A{"SCRAM-SHA-256"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	g.user(t, "v", "readAnyDatabase")
	type info struct {
		Users []struct {
			ID         string `bson:"_id"`
			User, DB   string
			Roles      []struct{ Role, DB string }
			CustomData bson.M `bson:"customData"`
			Mechanisms []string
			Privileges bson.A `bson:"inheritedPrivileges"`
		}
	}
	ask := func(c *mongo.Client, command bson.D) (info, error) {
		var i info
		err := c.Database("admin").RunCommand(t.Context(), command).Decode(&i)
		return i, err
	}
	admin := g.client(t)
	one := must(ask(admin, bson.D{{Key: "usersInfo", Value: "u"}, {Key: "showPrivileges", Value: true}}))(t)
	if len(one.Users) != 1 || one.Users[0].ID != "admin.u" || one.Users[0].DB != "admin" || len(one.Users[0].Roles) != 2 ||
		one.Users[0].Roles[0].Role != "readWrite" || one.Users[0].CustomData["team"] != int32(7) || len(one.Users[0].Privileges) != 2 {
		t.Errorf("usersInfo of one is %+v", one)
	}
	for n, command := range map[int][]bson.D{
		3: {{{Key: "usersInfo", Value: 1}}, {{Key: "usersInfo", Value: bson.D{{Key: "forAllDBs", Value: true}}}}},
		2: {{{Key: "usersInfo", Value: bson.A{"u", bson.D{{Key: "user", Value: "v"}, {Key: "db", Value: "admin"}}, "nobody"}}}},
		1: {
			{{Key: "usersInfo", Value: 1}, {Key: "filter", Value: bson.D{{Key: "roles.role", Value: "readAnyDatabase"}}}},
			{{Key: "usersInfo", Value: bson.D{{Key: "user", Value: "v"}, {Key: "db", Value: "admin"}}}},
		},
		0: {{{Key: "usersInfo", Value: "nobody"}}, {{Key: "usersInfo", Value: bson.D{{Key: "user", Value: "v"}, {Key: "db", Value: "mine"}}}}},
	} {
		for _, cmd := range command {
			if i, err := ask(admin, cmd); err != nil || len(i.Users) != n {
				t.Errorf("%v finds %d users, want %d, %v", cmd, len(i.Users), n, err)
			}
		}
	}
	u := g.as(t, "u", userPassword)
	if i, err := ask(u, bson.D{{Key: "usersInfo", Value: "u"}}); err != nil || len(i.Users) != 1 {
		t.Errorf("a user's own: %v, %v", i, err)
	}
	for _, other := range []any{1, "v", "doadmin", bson.A{"u", "v"}, bson.D{{Key: "forAllDBs", Value: true}}} {
		_, err := ask(u, bson.D{{Key: "usersInfo", Value: other}})
		wantCode(t, err, 13)
	}
	var status struct {
		AuthInfo struct {
			Roles      []struct{ Role, DB string } `bson:"authenticatedUserRoles"`
			Privileges []bson.M                    `bson:"authenticatedUserPrivileges"`
		}
	}
	err = u.Database("admin").RunCommand(t.Context(), bson.D{{Key: "connectionStatus", Value: 1}, {Key: "showPrivileges", Value: true}}).Decode(&status)
	if err != nil || len(status.AuthInfo.Roles) != 2 || status.AuthInfo.Roles[1].Role != "read" || len(status.AuthInfo.Privileges) != 2 {
		t.Errorf("connectionStatus is %+v, %v", status, err)
	}
	var roles struct{ Roles []bson.M }
	err = u.Database("admin").RunCommand(t.Context(), bson.D{{Key: "rolesInfo", Value: 1}, {Key: "showBuiltinRoles", Value: true}, {Key: "showPrivileges", Value: true}}).Decode(&roles)
	if err != nil || len(roles.Roles) != 4 {
		t.Errorf("rolesInfo is %v, %v", roles.Roles, err)
	}
}

func TestNoPasswordReachesPostgreSQLOrALog(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	const secret = "s3cret-p4ssword"
	su := superuser(t)
	for _, sql := range []string{"ALTER SYSTEM SET log_statement = 'all'", "ALTER SYSTEM SET log_parameter_max_length = -1", "SELECT pg_reload_conf()"} {
		if _, err := su.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []bson.D{
		{{Key: "createUser", Value: "u"}, {Key: "pwd", Value: secret}, {Key: "roles", Value: bson.A{}}},
		{{Key: "updateUser", Value: "u"}, {Key: "pwd", Value: secret}},
	} {
		if err := g.admin(t, command); err != nil {
			t.Fatal(err)
		}
	}
	var found int
	err := su.QueryRow(t.Context(), "SELECT count(*) FROM tine.users WHERE verifier LIKE 'SCRAM-SHA-256$15000:%'").Scan(&found)
	if err != nil || found != 2 {
		t.Errorf("%d verifiers of the usual form, %v", found, err)
	}
	if text := nodeLog(t); strings.Contains(text, secret) || !strings.Contains(text, "INSERT INTO tine.users") {
		t.Error("the node's log has the password, or no statements at all")
	}
}

func TestLogInsBeyondTheBoundWaitTheirTurn(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	g.user(t, "u", on("read", "mine"))
	failures := make(chan error, 64)
	for range cap(failures) {
		c := g.dial(t)
		go func() {
			var err error
			if !c.tryLogIn(t, "u", userPassword) {
				err = errors.New("log-in failed")
			}
			failures <- err
		}()
	}
	for range cap(failures) {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	var n int
	err := superuser(t).QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tine_gateway' AND query LIKE '%tine.users%'").Scan(&n)
	if err != nil || n > 9 {
		t.Errorf("%d backends have served log-ins, %v", n, err)
	}
}

// testClock is real time and what it was advanced by.
type testClock struct{ ahead atomic.Int64 }

func (c *testClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *testClock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// nodeLog is what the test's node has written.
func nodeLog(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile(socketDir(tb) + ".log")
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}
