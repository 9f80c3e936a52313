package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/certs"
	"tine/internal/gateway"
	"tine/internal/gateway/wire"
)

// ownCerts are those of a new CA, and how a client trusts it.
func ownCerts(tb testing.TB) (*certs.Source, *tls.Config) {
	tb.Helper()
	source := must(certs.Open(certs.Config{Dir: tb.TempDir(), Log: slog.New(slog.DiscardHandler)}))(tb)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(must(source.CA())(tb)) {
		tb.Fatal("the CA is no certificate")
	}
	return source, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

// distant is a listener whose clients seem to come from another machine.
type distant struct{ net.Listener }

func (d distant) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, errors.New("not a TCP connection")
	}
	return distantConn{tcp}, nil
}

// distantConn is a TCP connection from elsewhere.
type distantConn struct{ *net.TCPConn }

func (distantConn) RemoteAddr() net.Addr {
	const port = 50000
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: port}
}

// openDistant is openWith for clients that seem to come from 192.0.2.1.
func openDistant(tb testing.TB, cfg gateway.Config, settings gateway.Settings) *gw {
	tb.Helper()
	var lc net.ListenConfig
	ln := must(lc.Listen(tb.Context(), "tcp", "127.0.0.1:0"))(tb)
	s := gateway.NewServer(cfg)
	cluster := gateway.Cluster{ID: "test", Name: "orders", Version: "8", SocketDir: socketDir(tb), Settings: settings}
	if err := s.Open(tb.Context(), cluster, distant{ln}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close(cluster.ID) })
	return &gw{server: s, addr: ln.Addr().String(), id: cluster.ID}
}

// secured is a connection that has shaken hands.
func (g *gw) secured(tb testing.TB, trust *tls.Config) *rawConn {
	tb.Helper()
	return g.dial(tb).shake(tb, trust)
}

// shake makes a connection speak TLS.
func (c *rawConn) shake(tb testing.TB, trust *tls.Config) *rawConn {
	tb.Helper()
	secured := tls.Client(c.Conn, trust)
	if err := secured.HandshakeContext(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return &rawConn{secured}
}

func TestDriverSpeaksTLS(t *testing.T) {
	t.Parallel()
	source, trust := ownCerts(t)
	g := openWith(t, gateway.Config{TLS: source.Config()}, nil)
	coll := g.database(t, options.Client().SetTLSConfig(trust)).Collection("c")
	must(coll.InsertOne(t.Context(), bson.D{{Key: "s", Value: strings.Repeat("tine", 1_000_000)}}))(t)
	var got struct{ S string }
	if err := coll.FindOne(t.Context(), bson.D{}).Decode(&got); err != nil || len(got.S) != 4_000_000 {
		t.Errorf("found %d bytes, %v", len(got.S), err)
	}
}

func TestOldVersionsOfTLSAreRefused(t *testing.T) {
	t.Parallel()
	source, trust := ownCerts(t)
	g := openWith(t, gateway.Config{TLS: source.Config()}, nil)
	trust.MaxVersion = tls.VersionTLS11
	if err := tls.Client(g.dial(t).Conn, trust).HandshakeContext(t.Context()); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	trust.MaxVersion = tls.VersionTLS12
	g.secured(t, trust).command(t, pingAdmin)
}

// On this machine plain text is answered if it is allowed, and otherwise told why not, once.
func TestPlainTextFromThisMachine(t *testing.T) {
	t.Parallel()
	source, trust := ownCerts(t)
	allowed := openWith(t, gateway.Config{TLS: source.Config(), Plaintext: true}, nil)
	allowed.dial(t).logIn(t)
	allowed.secured(t, trust).logIn(t)

	g := openWith(t, gateway.Config{TLS: source.Config()}, nil)
	c := g.dial(t)
	if reply := c.command(t, pingAdmin); !strings.Contains(reply.Lookup("errmsg").StringValue(), "tls=true") {
		t.Errorf("plain text is answered with %v", reply)
	}
	c.wantClosed(t, "plain text")
	if _, err := g.client(t, options.Client().SetServerSelectionTimeout(5*time.Second)).ListDatabaseNames(t.Context(), bson.D{}); !mentions(err, "requires TLS") {
		t.Errorf("the driver's error is %v", err)
	}
}

func mentions(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

// From elsewhere plain text gets no byte, whether or not it is allowed here.
func TestPlainTextFromElsewhere(t *testing.T) {
	t.Parallel()
	source, trust := ownCerts(t)
	g := openDistant(t, gateway.Config{TLS: source.Config(), Plaintext: true}, gateway.Settings{})
	c := g.dial(t)
	if _, err := c.Write(opMsg(0, body(t, pingAdmin))); err != nil {
		t.Fatal(err)
	}
	c.wantClosed(t, "plain text from elsewhere")
	g.secured(t, trust).logIn(t)
}

// Whoever is not trusted learns nothing: not even the certificate.
func TestUntrustedSourceGetsNoHandshake(t *testing.T) {
	t.Parallel()
	source, trust := ownCerts(t)
	g := openDistant(t, gateway.Config{TLS: source.Config()}, gateway.Settings{Sources: prefixes("10.0.0.0/8", "127.0.0.1/32")})
	g.dial(t).wantClosed(t, "silence from an untrusted source")
	if err := tls.Client(g.dial(t).Conn, trust).HandshakeContext(t.Context()); err == nil {
		t.Error("an untrusted source may shake hands")
	}
	g.server.Update(g.id, gateway.Settings{Sources: prefixes("192.0.2.0/24")})
	c := g.secured(t, trust).logIn(t)
	g.server.Update(g.id, gateway.Settings{Sources: prefixes("127.0.0.1/32")})
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("an open connection from an address that is no longer trusted: %d bytes, %v", n, err)
	}
}

// Connections end one after the other, however the handshake is slow.
func TestSlowHandshakesAreCutOff(t *testing.T) {
	t.Parallel()
	source, trust := ownCerts(t)
	g := openWith(t, gateway.Config{TLS: source.Config(), Times: gateway.Times{First: 200 * time.Millisecond}}, nil)
	for name, say := range map[string][]byte{
		"the first byte":           {0x16},
		"the first three bytes":    {0x16, 3, 1},
		"a record that is empty":   {0x16, 3, 1, 0, 0},
		"a record that never ends": append([]byte{0x16, 3, 1, 0x10, 0}, make([]byte, 100)...),
	} {
		c := g.dial(t)
		if _, err := c.Write(say); err != nil {
			t.Fatal(err)
		}
		if _, err := readAll(c); err != nil {
			t.Errorf("%s: the connection is not closed: %v", name, err)
		}
	}
	// Nothing is said after the handshake.
	c := g.secured(t, trust)
	if n, err := c.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("silence after the handshake: %d bytes, %v", n, err)
	}
}

// readAll reads until the connection is closed; an alert may come before.
func readAll(c net.Conn) (n int, err error) {
	buffer := make([]byte, 1024)
	for {
		more, err := c.Read(buffer)
		n += more
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if err != nil {
			return n, nil //nolint:nilerr // closed or reset: it has ended
		}
	}
}

// A message may begin with the byte that a handshake begins with.
func TestMessageThatBeginsLikeAHandshake(t *testing.T) {
	t.Parallel()
	source, _ := ownCerts(t)
	g := openWith(t, gateway.Config{TLS: source.Config(), Plaintext: true}, nil)
	const length = 0x116
	message := func(comment string) []byte {
		return opMsg(0, body(t, bson.D{pingAdmin[0], {Key: "comment", Value: comment}, pingAdmin[1]}))
	}
	like := message(strings.Repeat("x", length-len(message(""))))
	if like[0] != 0x16 || len(like) != length {
		t.Fatalf("the message begins with %x and has %d bytes", like[0], len(like))
	}
	c := g.dial(t)
	for i := range like { // a byte at a time, so that no read has more than one
		if _, err := c.Write(like[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if reply := c.reply(t); reply.Lookup("ok").Double() != 1 {
		t.Errorf("the reply is %v", reply)
	}
}

// Fifty clients keep on while the limit refuses others over TLS in words.
func TestLimitIsToldOverTLS(t *testing.T) {
	t.Parallel()
	source, trust := ownCerts(t)
	g := openWith(t, gateway.Config{TLS: source.Config()}, func(c *gateway.Cluster) { c.Settings.MaxConnections = 1 })
	g.secured(t, trust).logIn(t)
	if reply := g.secured(t, trust).command(t, pingAdmin); reply.Lookup("code").Int32() != 462 {
		t.Errorf("the connection over the limit is answered with %v", reply)
	}
}

// An idle connection over TLS goes on, on another goroutine, and its driver's monitor hears of changes.
func TestIdleConnectionOverTLSIsAnsweredLater(t *testing.T) {
	t.Parallel()
	source, trust := ownCerts(t)
	g := openWith(t, gateway.Config{TLS: source.Config(), Times: gateway.Times{Yield: time.Millisecond}}, nil)
	c := g.secured(t, trust).logIn(t)
	for range 5 {
		<-time.After(20 * time.Millisecond)
		c.command(t, pingAdmin)
	}
	message := opMsg(0, body(t, pingAdmin))
	for range 2 { // in pieces, with the idle limit between them
		half := len(message) / 2
		for _, piece := range [][]byte{message[:half], message[half:]} {
			if _, err := c.Write(piece); err != nil {
				t.Fatal(err)
			}
			<-time.After(5 * time.Millisecond)
		}
		frame := must(wire.ReadFrame(c, wire.MaxMessage))(t)
		if reply := must(wire.ParseMsg(frame))(t).Document; reply.Lookup("ok").Double() != 1 {
			t.Errorf("the reply is %v", reply)
		}
	}
}

// Clients are told of a wrong name by their own checks, and the gateway counts what came to nothing.
func TestCertificateIsForItsHostsAlone(t *testing.T) {
	t.Parallel()
	source, trust := ownCerts(t)
	g := openWith(t, gateway.Config{TLS: source.Config()}, nil)
	trust.ServerName = "db.example.com"
	client := must(mongo.Connect(options.Client().ApplyURI(g.uri("doadmin", password)), options.Client().SetTLSConfig(trust).SetServerSelectionTimeout(time.Second)))(t)
	defer func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) }()
	if err := client.Ping(t.Context(), nil); !mentions(err, "certificate") {
		t.Errorf("the driver's error is %v", err)
	}
}
