package gateway_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"tine/internal/gateway/wire"
)

// rawConn is a client that says what it is told to.
type rawConn struct{ net.Conn }

func (g *gw) dial(tb testing.TB) *rawConn {
	tb.Helper()
	var d net.Dialer
	c, err := d.DialContext(tb.Context(), "tcp", g.addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		tb.Fatal(err)
	}
	return &rawConn{c}
}

func opMsg(flags uint32, sections ...[]byte) []byte {
	msg := wiremessage.AppendHeader(nil, 0, 7, 0, wiremessage.OpMsg)
	msg = binary.LittleEndian.AppendUint32(msg, flags)
	for _, s := range sections {
		msg = append(msg, s...)
	}
	binary.LittleEndian.PutUint32(msg, uint32(len(msg)))
	return msg
}

func body(tb testing.TB, doc any) []byte {
	tb.Helper()
	raw, err := bson.Marshal(doc)
	if err != nil {
		tb.Fatal(err)
	}
	return append([]byte{0}, raw...)
}

// command runs a command and returns the reply.
func (c *rawConn) command(tb testing.TB, doc bson.D) bsoncore.Document {
	tb.Helper()
	if _, err := c.Write(opMsg(0, body(tb, doc))); err != nil {
		tb.Fatal(err)
	}
	return c.reply(tb)
}

func (c *rawConn) reply(tb testing.TB) bsoncore.Document {
	tb.Helper()
	frame, err := wire.ReadFrame(c, wire.MaxMessage)
	if err != nil {
		tb.Fatalf("read reply: %v", err)
	}
	msg, err := wire.ParseMsg(frame)
	if err != nil {
		tb.Fatal(err)
	}
	return msg.Document
}

// login is a raw connection of a user.
func (g *gw) login(tb testing.TB, user, pw string) *rawConn {
	tb.Helper()
	c := g.dial(tb)
	if !c.tryLogIn(tb, user, pw) {
		tb.Fatalf("log-in of %s failed", user)
	}
	return c
}

// logIn makes a connection doadmin's.
func (c *rawConn) logIn(tb testing.TB) *rawConn {
	tb.Helper()
	if !c.tryLogIn(tb, "doadmin", password) {
		tb.Fatal("log-in failed")
	}
	return c
}

// tryLogIn reports whether a user with that password may log in.
func (c *rawConn) tryLogIn(tb testing.TB, user, pw string) bool {
	tb.Helper()
	conversation := must(scram.SHA256.NewClient(user, pw, ""))(tb).NewConversation()
	reply := c.command(tb, bson.D{
		{Key: "saslStart", Value: 1},
		{Key: "mechanism", Value: "SCRAM-SHA-256"},
		{Key: "payload", Value: bson.Binary{Data: []byte(must(conversation.Step(""))(tb))}},
		{Key: "options", Value: bson.D{{Key: "skipEmptyExchange", Value: true}}},
		{Key: "$db", Value: "admin"},
	})
	_, payload := reply.Lookup("payload").Binary()
	reply = c.command(tb, bson.D{
		{Key: "saslContinue", Value: 1},
		{Key: "conversationId", Value: reply.Lookup("conversationId").Int32()},
		{Key: "payload", Value: bson.Binary{Data: []byte(must(conversation.Step(string(payload)))(tb))}},
		{Key: "$db", Value: "admin"},
	})
	return reply.Lookup("ok").Double() == 1
}

// wantClosed fails the test unless the server closes the connection without another byte.
func (c *rawConn) wantClosed(tb testing.TB, why string) {
	tb.Helper()
	n, err := c.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		tb.Errorf("%s: read %d bytes, %v; want a closed connection", why, n, err)
	}
}

func TestBadFramesCloseTheConnection(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	ping := body(t, bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}})
	sized := func(n uint32) []byte {
		msg := opMsg(0, ping)
		binary.LittleEndian.PutUint32(msg, n)
		return msg
	}
	otherOp := opMsg(0, ping)
	binary.LittleEndian.PutUint32(otherOp[12:], 2002) // OP_INSERT
	for name, msg := range map[string][]byte{
		"length below the header": sized(15),
		"negative length":         sized(0xFFFFFFFF),
		"too long before log-in":  sized(47_000_000),
		"too long":                sized(48_000_001),
		"unknown required flag":   opMsg(1<<5, ping),
		"bad checksum":            opMsg(1, ping, []byte{1, 2, 3, 4}),
		"unknown section":         opMsg(0, []byte{9}, ping),
		"two bodies":              opMsg(0, ping, ping),
		"no body":                 opMsg(0),
		"document cut off":        opMsg(0, ping[:len(ping)-1]),
		"sequence cut off":        opMsg(0, ping, []byte{1, 200, 0, 0, 0, 'x', 0}),
		"truncated in sequence":   opMsg(0, ping, []byte{1, 12, 0, 0, 0, 'x', 0, 9, 0, 0, 0, 0, 0}),
		"another operation":       otherOp,
		"HTTP":                    []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	} {
		c := g.dial(t)
		if _, err := c.Write(msg); err != nil {
			t.Fatal(err)
		}
		c.wantClosed(t, name)
	}
}

func TestInvalidBSONIsAnErrorNotTheEnd(t *testing.T) {
	t.Parallel()
	c := open(t, nil).dial(t)
	bad := []byte{0, 12, 0, 0, 0, 2, 'p', 0, 99, 0, 0, 0, 0} // a string of 99 bytes in a document of 12
	if _, err := c.Write(opMsg(0, bad)); err != nil {
		t.Fatal(err)
	}
	if reply := c.reply(t); reply.Lookup("code").Int32() != 9 {
		t.Errorf("the reply is %v", reply)
	}
	c.command(t, bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}})
}

func TestOptionalFlagsAreIgnored(t *testing.T) {
	t.Parallel()
	c := open(t, nil).dial(t)
	if _, err := c.Write(opMsg(1<<16, body(t, bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}}))); err != nil {
		t.Fatal(err)
	}
	if reply := c.reply(t); reply.Lookup("ok").Double() != 1 {
		t.Errorf("the reply is %v", reply)
	}
}
