package gateway_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/gateway"
)

func TestWrongPasswordAndUnknownUserFailTheSameWay(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	texts := map[string]bool{}
	for _, user := range []string{"doadmin", "nobody", "postgres", "tine_gateway", "documentdb_bg_worker_role"} {
		c, err := mongo.Connect(options.Client().ApplyURI(g.uri(user, "wrong")))
		if err != nil {
			t.Fatal(err)
		}
		err = c.Ping(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), "AuthenticationFailed") {
			t.Errorf("%s: error is %v", user, err)
		} else {
			texts[err.Error()] = true
		}
		_ = c.Disconnect(t.Context())
	}
	if len(texts) != 1 {
		t.Errorf("the errors differ: %v", texts)
	}
}

func TestUsersAreOfTheAdminDatabase(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	c, err := mongo.Connect(options.Client().ApplyURI(strings.Replace(g.uri("doadmin", password), "authSource=admin", "authSource=defaultdb", 1)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Disconnect(context.WithoutCancel(t.Context())) }()
	if err := c.Ping(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "AuthenticationFailed") {
		t.Errorf("error is %v", err)
	}
}

// saslStart sends a client's first message and returns salt and iterations of the answer.
func saslStart(tb testing.TB, c *rawConn, user string) string {
	tb.Helper()
	reply := c.command(tb, bson.D{
		{Key: "saslStart", Value: 1},
		{Key: "mechanism", Value: "SCRAM-SHA-256"},
		{Key: "payload", Value: []byte("n,,n=" + user + ",r=abc")},
		{Key: "$db", Value: "admin"},
	})
	_, payload, ok := reply.Lookup("payload").BinaryOK()
	if !ok {
		tb.Fatalf("saslStart answered %v", reply)
	}
	_, salt, _ := strings.Cut(string(payload), ",s=")
	return salt
}

func TestUnknownUsersHaveStableSaltsOfTheUsualForm(t *testing.T) {
	t.Parallel()
	g, other := open(t, nil), open(t, nil)
	first, again := saslStart(t, g.dial(t), "nobody"), saslStart(t, other.dial(t), "nobody")
	if first != again {
		t.Errorf("salts of one unknown user differ: %s and %s", first, again)
	}
	known := saslStart(t, g.dial(t), "doadmin")
	if len(known) != len(first) || afterComma(known) != afterComma(first) {
		t.Errorf("salt of a known user is %s, of an unknown one %s", known, first)
	}
	if saslStart(t, g.dial(t), "somebody") == first {
		t.Error("two unknown users have one salt")
	}
}

func TestNothingButTheHandshakeWithoutAuthentication(t *testing.T) {
	t.Parallel()
	c := open(t, nil).dial(t)
	for _, name := range []string{
		"insert", "find", "getMore", "killCursors", "update", "delete", "findAndModify", "aggregate", "count", "distinct",
		"create", "drop", "dropDatabase", "listDatabases", "listCollections", "createIndexes", "listIndexes", "dropIndexes",
		"getParameter", "getLog", "hostInfo", "serverStatus", "listCommands", "refreshSessions", "killSessions", "startSession",
	} {
		reply := c.command(t, bson.D{{Key: name, Value: "c"}, {Key: "$db", Value: "x"}})
		if code, _ := reply.Lookup("code").Int32OK(); code != 13 {
			t.Errorf("%s without authentication answers %v", name, reply)
		}
	}
	for _, name := range []string{"hello", "isMaster", "ismaster", "ping", "buildInfo", "connectionStatus", "whatsmyuri"} {
		if reply := c.command(t, bson.D{{Key: name, Value: 1}, {Key: "$db", Value: "admin"}}); reply.Lookup("ok").Double() != 1 {
			t.Errorf("%s without authentication answers %v", name, reply)
		}
	}
}

func TestOnlyScramSHA256(t *testing.T) {
	t.Parallel()
	c := open(t, nil).dial(t)
	hello := c.command(t, bson.D{{Key: "hello", Value: 1}, {Key: "saslSupportedMechs", Value: "admin.doadmin"}, {Key: "$db", Value: "admin"}})
	if mechs, _ := hello.Lookup("saslSupportedMechs").Array().Values(); len(mechs) != 1 || mechs[0].StringValue() != "SCRAM-SHA-256" {
		t.Errorf("mechanisms are %v", hello)
	}
	reply := c.command(t, bson.D{{Key: "saslStart", Value: 1}, {Key: "mechanism", Value: "SCRAM-SHA-1"}, {Key: "payload", Value: []byte("n,,n=x,r=y")}, {Key: "$db", Value: "admin"}})
	if reply.Lookup("code").Int32() != 334 {
		t.Errorf("SCRAM-SHA-1 answers %v", reply)
	}
	reply = c.command(t, bson.D{{Key: "saslContinue", Value: 1}, {Key: "conversationId", Value: 1}, {Key: "payload", Value: []byte{}}, {Key: "$db", Value: "admin"}})
	if reply.Lookup("code").Int32() != 17 {
		t.Errorf("saslContinue without a start answers %v", reply)
	}
}

func TestFirstHelloMayBeOpQuery(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	c := g.client(t, options.Client().ApplyURI(strings.Replace(g.uri("doadmin", password), "&replicaSet=orders", "&directConnection=true&loadBalanced=false", 1)))
	if err := c.Ping(t.Context(), nil); err != nil { // the driver's first hello is an OP_QUERY
		t.Fatal(err)
	}
}

func TestHelloPresentsTheVersion(t *testing.T) {
	t.Parallel()
	for version, wire := range map[string]int32{"6": 17, "7": 21, "8": 25} {
		g := open(t, func(c *gateway.Cluster) { c.Version = version })
		c := g.dial(t)
		hello := c.command(t, bson.D{{Key: "hello", Value: 1}, {Key: "$db", Value: "admin"}})
		if hello.Lookup("maxWireVersion").Int32() != wire || hello.Lookup("me").StringValue() != g.addr || hello.Lookup("setName").StringValue() != "orders" {
			t.Errorf("version %s: hello is %v", version, hello)
		}
		info := c.command(t, bson.D{{Key: "buildInfo", Value: 1}, {Key: "$db", Value: "admin"}})
		if !strings.HasPrefix(info.Lookup("version").StringValue(), version+".0.") {
			t.Errorf("version %s: buildInfo is %v", version, info)
		}
	}
	var lc net.ListenConfig
	ln := must(lc.Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	defer func() { _ = ln.Close() }()
	if err := gateway.NewServer(gateway.Config{}).Open(t.Context(), gateway.Cluster{Version: "5"}, ln); err == nil {
		t.Error("version 5 is served")
	}
}

func TestConnectionLimitIsSaidInWords(t *testing.T) {
	t.Parallel()
	g := open(t, func(c *gateway.Cluster) { c.Settings.MaxConnections = 1 })
	hello := bson.D{{Key: "hello", Value: 1}, {Key: "$db", Value: "admin"}}
	first := g.dial(t)
	first.command(t, hello)
	second := g.dial(t)
	if reply := second.command(t, hello); !strings.Contains(reply.Lookup("errmsg").StringValue(), "as many connections as its plan allows (1)") {
		t.Errorf("the second connection is told %v", reply)
	}
	_ = first.Close()
	deadline := time.Now().Add(5 * time.Second)
	for {
		reply := g.dial(t).command(t, hello)
		if reply.Lookup("ok").Double() == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of a closed connection is not given to another")
		}
	}
}

func TestOpenTwiceIsAnError(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	var lc net.ListenConfig
	ln := must(lc.Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	defer func() { _ = ln.Close() }()
	err := g.server.Open(t.Context(), gateway.Cluster{ID: g.id, Version: "8"}, ln)
	if !errors.Is(err, gateway.ErrAlreadyOpen) {
		t.Errorf("error is %v", err)
	}
	g.server.Close(g.id)
	g.server.Close(g.id)
	if err := g.server.Open(t.Context(), gateway.Cluster{ID: g.id, Version: "8"}, ln); err != nil {
		t.Errorf("open after close: %v", err)
	}
}

// afterComma is what follows a salt in the server's message: the number of iterations.
func afterComma(message string) string {
	_, rest, _ := strings.Cut(message, ",")
	return rest
}
