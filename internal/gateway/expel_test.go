package gateway_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway"
	"tine/internal/users"
)

func wantOK(tb testing.TB, reply bsoncore.Document) {
	tb.Helper()
	if reply.Lookup("ok").Double() != 1 {
		tb.Errorf("the answer is %v", reply)
	}
}

func TestConnectionsOfDroppedUsersAreClosed(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	g.user(t, "u", on("readWrite", "mine"))
	g.user(t, "stays", on("read", "mine"))
	insert := bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: "held"}}}}, {Key: "$db", Value: "mine"}}
	must(g.client(t).Database("mine").Collection("c").InsertOne(t.Context(), bson.D{}))(t)
	c, stays := g.login(t, "u", userPassword), g.login(t, "stays", userPassword)
	wantOK(t, c.command(t, append(insert, inSession(1, 1, bson.E{Key: "autocommit", Value: false}, bson.E{Key: "startTransaction", Value: true})...)))
	if err := g.admin(t, bson.D{{Key: "dropUser", Value: "u"}}); err != nil {
		t.Fatal(err)
	}
	c.wantClosed(t, "the user was dropped")
	// It waits for as long as the transaction is there.
	must(g.client(t).Database("mine").Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "held"}}))(t)
	wantOK(t, stays.command(t, bson.D{{Key: "find", Value: "c"}, {Key: "$db", Value: "mine"}}))

	if err := users.Drop(t.Context(), superuser(t), "stays"); err != nil {
		t.Fatal(err)
	}
	g.server.UsersChanged(g.id)
	stays.wantClosed(t, "somebody else has dropped the user")

	g.user(t, "root2", "root")
	own := g.login(t, "root2", userPassword)
	var reply struct{ N int }
	raw := own.command(t, bson.D{{Key: "dropAllUsersFromDatabase", Value: 1}, {Key: "$db", Value: "admin"}})
	if err := bson.Unmarshal(raw, &reply); err != nil || reply.N != 1 {
		t.Errorf("a user who drops itself is answered %v, %v", raw, err)
	}
	own.wantClosed(t, "the user has dropped itself")
	if err := ping(t, g.client(t)); err != nil {
		t.Errorf("doadmin is gone: %v", err)
	}
}

// Somebody else of that name is somebody else.
func TestUserWhoWasReplacedIsLoggedOut(t *testing.T) {
	t.Parallel()
	clock := &testClock{}
	g := openWith(t, gateway.Config{Clock: clock.now}, nil)
	g.user(t, "u", on("read", "mine"))
	c := g.login(t, "u", userPassword)
	su := superuser(t)
	if err := users.Drop(t.Context(), su, "u"); err != nil {
		t.Fatal(err)
	}
	verifier := must(users.NewVerifier(rand.Reader, userPassword))(t)
	root := users.User{Name: "u", Grants: []users.Grant{{Database: users.AllDatabases, Role: users.Root}}}
	if err := users.Create(t.Context(), su, root, verifier); err != nil {
		t.Fatal(err)
	}
	clock.advance(11 * time.Second)
	reply := c.command(t, bson.D{{Key: "find", Value: "c"}, {Key: "$db", Value: "mine"}})
	if reply.Lookup("code").Int32() != 13 || !strings.Contains(reply.Lookup("errmsg").StringValue(), "requires authentication") {
		t.Errorf("a replaced user's find answers %v", reply)
	}
	if !c.tryLogIn(t, "u", userPassword) {
		t.Error("the connection cannot log in again")
	}
}
