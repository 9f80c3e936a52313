package gateway_test

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/internal/gateway"
)

var pingAdmin = bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}}

func prefixes(list ...string) []netip.Prefix {
	out := []netip.Prefix{}
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestTrustedSources(t *testing.T) {
	t.Parallel()
	g := open(t, func(c *gateway.Cluster) { c.Settings.Sources = prefixes("10.0.0.0/8", "127.0.0.0/8") })
	c := g.dial(t)
	c.command(t, pingAdmin)

	g.server.Update(g.id, gateway.Settings{Sources: prefixes("10.0.0.0/8")})
	c.wantClosed(t, "a connection from an address that is no longer trusted")
	g.dial(t).wantClosed(t, "a new connection from an address that is not trusted") // it has not said anything

	g.server.Update(g.id, gateway.Settings{Sources: prefixes("127.0.0.1/32")})
	g.dial(t).command(t, pingAdmin)
	g.server.Update(g.id, gateway.Settings{Sources: prefixes()})
	g.dial(t).wantClosed(t, "a list without entries")
	g.server.Update(g.id, gateway.Settings{})
	g.dial(t).command(t, pingAdmin)
}

// Connections end one after the other, however they are slow.
func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	g := openWith(t, gateway.Config{Times: gateway.Times{First: 200 * time.Millisecond, Idle: 300 * time.Millisecond}}, nil)
	message := opMsg(0, body(t, pingAdmin))
	for name, say := range map[string]func(c *rawConn){
		"says nothing":                      func(*rawConn) {},
		"says a byte":                       func(c *rawConn) { _, _ = c.Write(message[:1]) },
		"says all but a byte":               func(c *rawConn) { _, _ = c.Write(message[:len(message)-1]) },
		"does not log in and says no more":  func(c *rawConn) { c.command(t, pingAdmin) },
		"stops in the middle of the second": func(c *rawConn) { c.command(t, pingAdmin); _, _ = c.Write(message[:20]) },
	} {
		c := g.dial(t)
		say(c)
		c.wantClosed(t, name)
	}
}

// An idle connection goes on, on another goroutine.
func TestIdleConnectionIsAnsweredLater(t *testing.T) {
	t.Parallel()
	g := openWith(t, gateway.Config{Times: gateway.Times{Yield: time.Millisecond}}, nil)
	c := g.dial(t).logIn(t)
	for range 5 {
		c.command(t, pingAdmin)
		<-time.After(20 * time.Millisecond)
	}
	if reply := c.command(t, bson.D{{Key: "listDatabases", Value: 1}, {Key: "$db", Value: "admin"}}); reply.Lookup("ok").Double() != 1 {
		t.Errorf("it is no longer logged in: %v", reply)
	}
}

func TestWhoDoesNotLogInMakesRoom(t *testing.T) {
	t.Parallel()
	g := open(t, func(c *gateway.Cluster) { c.Settings.MaxConnections = 4 })
	first, second := g.dial(t).logIn(t), g.dial(t).logIn(t)
	var idle []*rawConn
	for range 2 {
		c := g.dial(t)
		c.command(t, pingAdmin)
		idle = append(idle, c)
	}
	if reply := g.dial(t).command(t, pingAdmin); reply.Lookup("code").Int32() != 462 { // half of the limit is theirs
		t.Errorf("the fifth connection is answered with %v", reply)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third := g.dialUntilAdmitted(t) // a third that has not logged in
	g.dial(t).logIn(t)              // takes the place of one of the three
	closed := 0
	for _, c := range append(idle, third) {
		if !c.alive() {
			closed++
		}
	}
	if closed != 1 {
		t.Errorf("%d connections had to make room", closed)
	}
	second.command(t, pingAdmin)
}

// dialUntilAdmitted connects as soon as there is room.
func (g *gw) dialUntilAdmitted(tb testing.TB) *rawConn {
	tb.Helper()
	for {
		c := g.dial(tb)
		if reply := c.command(tb, pingAdmin); reply.Lookup("ok").Double() == 1 {
			return c
		}
	}
}

// alive reports whether the connection is still served.
func (c *rawConn) alive() bool {
	raw, err := bson.Marshal(pingAdmin)
	if err != nil {
		return false
	}
	if _, err := c.Write(opMsg(0, append([]byte{0}, raw...))); err != nil {
		return false
	}
	_, err = c.Read(make([]byte, 1))
	return err == nil
}

// Whoever guesses waits, and nobody else does.
func TestFailedLogInsCostTimeAndOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	var wg sync.WaitGroup
	for range 3 {
		c := g.dial(t)
		wg.Go(func() {
			if c.tryLogIn(t, "doadmin", "wrong") {
				t.Error("a wrong password is taken")
			}
		})
	}
	g.dial(t).logIn(t)
	wg.Wait()
}
