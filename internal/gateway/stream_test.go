package gateway_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"tine/internal/gateway"
	"tine/internal/gateway/wire"
)

const exhaustAllowed = 1 << 16

// streamed reads a reply and returns it, whether more are to come, its number, and that of the message it answers.
func (c *rawConn) streamed(tb testing.TB) (doc bsoncore.Document, more bool, id, to int32) {
	tb.Helper()
	head := make([]byte, 16)
	frame, err := wire.ReadFrame(&tee{c, head}, wire.MaxMessage)
	if err != nil {
		tb.Fatalf("read reply: %v", err)
	}
	_, id, to, _, _, _ = wiremessage.ReadHeader(head)
	msg := must(wire.ParseMsg(frame))(tb)
	return msg.Document, msg.MoreToCome(), id, to
}

// tee remembers the first bytes it reads.
type tee struct {
	c    *rawConn
	head []byte
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.c.Read(p)
	if len(p) == len(t.head) {
		copy(t.head, p[:n])
	}
	return n, err
}

func TestGetMoreStreamsUntilTheCursorEnds(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	docs := make([]any, 10)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}}
	}
	must(db.Collection("c").InsertMany(t.Context(), docs))(t)

	c := g.dial(t).logIn(t)
	reply := c.command(t, bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: 2}, {Key: "$db", Value: db.Name()}})
	id := reply.Lookup("cursor", "id").Int64()
	request := opMsg(exhaustAllowed, body(t, bson.D{
		{Key: "getMore", Value: id}, {Key: "collection", Value: "c"}, {Key: "batchSize", Value: 3}, {Key: "$db", Value: db.Name()},
	}))
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
	answered := int32(binary.LittleEndian.Uint32(request[4:]))
	got := 2
	for more := true; more; {
		var doc bsoncore.Document
		var number, to int32
		doc, more, number, to = c.streamed(t)
		batch, err := doc.Lookup("cursor", "nextBatch").Array().Values()
		if err != nil {
			t.Fatal(err)
		}
		got += len(batch)
		if to != answered {
			t.Errorf("a reply answers %d, not %d", to, answered)
		}
		answered = number
		if ended := doc.Lookup("cursor", "id").Int64() == 0; ended == more {
			t.Errorf("the cursor has ended: %v; more to come: %v", ended, more)
		}
	}
	if got != len(docs) {
		t.Errorf("%d documents came", got)
	}
	if _, err := c.Write(request); err != nil { // the cursor is no more
		t.Fatal(err)
	}
	if doc, more, _, _ := c.streamed(t); more || doc.Lookup("code").Int32() != 43 {
		t.Errorf("the error is %v, more to come: %v", doc, more)
	}
}

// A client that does not read has at most one batch in the gateway's memory; what tells is that the cursor does not go on.
func TestSlowReaderStopsTheStream(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	docs := make([]any, 64)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "x", Value: bson.Binary{Data: make([]byte, 1<<20)}}}
	}
	for part := range 4 {
		must(db.Collection("c").InsertMany(t.Context(), docs[part*16:part*16+16]))(t)
	}
	c := g.dial(t).logIn(t)
	reply := c.command(t, bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: 1}, {Key: "$db", Value: db.Name()}})
	get := bson.D{
		{Key: "getMore", Value: reply.Lookup("cursor", "id").Int64()}, {Key: "collection", Value: "c"}, {Key: "batchSize", Value: 1}, {Key: "$db", Value: db.Name()},
	}
	if _, err := c.Write(opMsg(exhaustAllowed, body(t, get))); err != nil {
		t.Fatal(err)
	}
	other := g.dial(t).logIn(t)
	for range 500 { // 64 MB are more than the kernel takes, so the cursor must stay where it is
		status := other.command(t, bson.D{{Key: "serverStatus", Value: 1}, {Key: "$db", Value: "admin"}})
		if open, _ := status.Lookup("metrics", "cursor", "open", "total").AsInt64OK(); open != 1 {
			t.Fatalf("%d cursors are open", open)
		}
	}
	got := 1
	for more := true; more; got++ {
		_, more, _, _ = c.streamed(t)
	}
	if got < len(docs) || got > len(docs)+1 { // the last page may be empty
		t.Errorf("%d documents came", got)
	}
}

func helloVersion(tb testing.TB, hello bsoncore.Document) bson.D {
	tb.Helper()
	return bson.D{
		{Key: "processId", Value: bson.ObjectID(hello.Lookup("topologyVersion", "processId").ObjectID())},
		{Key: "counter", Value: hello.Lookup("topologyVersion", "counter").Int64()},
	}
}

func awaitable(version any, ms any) bson.D {
	return bson.D{{Key: "hello", Value: 1}, {Key: "topologyVersion", Value: version}, {Key: "maxAwaitTimeMS", Value: ms}, {Key: "$db", Value: "admin"}}
}

var plainHello = bson.D{{Key: "hello", Value: 1}, {Key: "$db", Value: "admin"}}

// two is a topology of which this listener is the member self.
func (g *gw) two(self int, roles ...gateway.Role) gateway.Topology {
	t := gateway.Topology{Self: self, Term: int32(self)}
	for i, role := range roles {
		address := g.addr
		if i != self {
			address = "127.0.0.1:1"
		}
		t.Members = append(t.Members, gateway.Member{Address: address, Role: role})
	}
	return t
}

func TestHelloAnswersWhenTheTopologyChanges(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	c := g.dial(t)
	first := c.command(t, plainHello)
	if _, err := c.Write(opMsg(exhaustAllowed, body(t, awaitable(helloVersion(t, first), int64(60_000))))); err != nil {
		t.Fatal(err)
	}
	g.server.Update(g.id, gateway.Settings{Topology: g.two(0, gateway.Secondary, gateway.Primary)})
	for _, want := range []bool{false, true} {
		hello, more, _, _ := c.streamed(t)
		if !more || hello.Lookup("isWritablePrimary").Boolean() != want || hello.Lookup("secondary").Boolean() == want {
			t.Fatalf("more to come: %v; hello is %v", more, hello)
		}
		if want {
			break
		}
		if primary := hello.Lookup("primary").StringValue(); primary != "127.0.0.1:1" {
			t.Errorf("the primary is %s", primary)
		}
		g.server.Update(g.id, gateway.Settings{Topology: g.two(0, gateway.Primary, gateway.Secondary)})
	}
}

func TestHelloAnswersWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	c := open(t, nil).dial(t)
	version := helloVersion(t, c.command(t, plainHello))
	if reply := c.command(t, awaitable(version, int64(50))); reply.Lookup("ok").Double() != 1 {
		t.Errorf("the reply is %v", reply)
	}
	other := bson.D{{Key: "processId", Value: bson.NewObjectID()}, {Key: "counter", Value: int64(9)}}
	if reply := c.command(t, awaitable(other, int64(600_000))); reply.Lookup("ok").Double() != 1 { // at once
		t.Errorf("the reply is %v", reply)
	}
	ahead := bson.D{version[0], {Key: "counter", Value: int64(1 << 40)}}
	negative := bson.D{version[0], {Key: "counter", Value: int64(-1)}}
	for code, command := range map[int32]bson.D{
		31368: {{Key: "hello", Value: 1}, {Key: "topologyVersion", Value: version}, {Key: "$db", Value: "admin"}},
		31371: {{Key: "hello", Value: 1}, {Key: "maxAwaitTimeMS", Value: 1}, {Key: "$db", Value: "admin"}},
		31372: awaitable(negative, 1),
		31373: awaitable(version, -1),
		31382: awaitable(ahead, 1),
		14:    awaitable("x", 1),
	} {
		if reply := c.command(t, command); reply.Lookup("code").Int32() != code {
			t.Errorf("%v is answered with %v", command, reply)
		}
	}
}

func TestAwaitingConnectionEndsAtOnce(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	awaiting := func() *rawConn {
		c := g.dial(t)
		version := helloVersion(t, c.command(t, plainHello))
		if _, err := c.Write(opMsg(exhaustAllowed, body(t, awaitable(version, int64(60_000))))); err != nil {
			t.Fatal(err)
		}
		return c
	}
	gone, stays := awaiting(), awaiting()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	// The gateway, too, lets go of who hung up: else the drain would wait for the minute.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	g.server.Shutdown(ctx)
	if ctx.Err() != nil {
		t.Error("shutdown waited for a connection that waits")
	}
	stays.wantClosed(t, "awaiting")
}

// The official driver streams by itself. Its heartbeat interval is a minute here: only the stream can bring the news in time.
func TestDriverLearnsOfANewTopologyAtOnce(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	changed := make(chan string, 100)
	monitor := &event.ServerMonitor{ServerDescriptionChanged: func(e *event.ServerDescriptionChangedEvent) {
		changed <- e.NewDescription.Kind
	}}
	client := g.client(t, options.Client().SetServerMonitor(monitor).SetHeartbeatInterval(time.Minute).SetServerMonitoringMode("stream"))
	if err := client.Ping(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	wait := func(kind string) {
		t.Helper()
		for {
			select {
			case got := <-changed:
				if got == kind {
					return
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("the driver has not learnt that the server is %s", kind)
			}
		}
	}
	wait("RSPrimary")
	g.server.Update(g.id, gateway.Settings{Topology: g.two(0, gateway.Secondary)})
	wait("RSSecondary")
	g.server.Update(g.id, gateway.Settings{})
	wait("RSPrimary")
}

func TestSecondaryRefusesWritesAndReadsThatWantThePrimary(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	must(db.Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}))(t)
	g.server.Update(g.id, gateway.Settings{Topology: g.two(1, gateway.Primary, gateway.Secondary)})

	c := g.dial(t).logIn(t)
	insert := bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{}}}, {Key: "$db", Value: db.Name()}}
	reply := c.command(t, insert)
	if reply.Lookup("code").Int32() != 10107 || reply.Lookup("topologyVersion", "counter").Int64() != 1 {
		t.Errorf("insert is answered with %v", reply)
	}
	find := bson.D{{Key: "find", Value: "c"}, {Key: "$db", Value: db.Name()}}
	if reply := c.command(t, find); reply.Lookup("code").Int32() != 13435 {
		t.Errorf("find is answered with %v", reply)
	}
	find = append(find, bson.E{Key: "$readPreference", Value: bson.D{{Key: "mode", Value: "secondaryPreferred"}}})
	if reply := c.command(t, find); reply.Lookup("ok").Double() != 1 {
		t.Errorf("find is answered with %v", reply)
	}
	direct := g.client(t, options.Client().SetDirect(true))
	if err := direct.Database(db.Name()).Collection("c").FindOne(t.Context(), bson.D{}).Err(); err != nil {
		t.Errorf("a direct connection cannot read: %v", err)
	}
}
