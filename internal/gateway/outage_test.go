package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/engine"
	"tine/internal/gateway"
)

// proxy stands between two parties and breaks connections.
type proxy struct {
	dial func(context.Context) (net.Conn, error)

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
	marker   []byte // the answer to what contains it is lost, once
	lost     chan struct{}
}

func newProxy(ln net.Listener, dial func(context.Context) (net.Conn, error)) *proxy {
	return &proxy{dial: dial, listener: ln, lost: make(chan struct{})}
}

func (p *proxy) serve(ctx context.Context, ln net.Listener) {
	for {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		server, err := p.dial(ctx)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		broken := make(chan struct{})
		go p.forward(client, server, func(b []byte) bool {
			if p.hit(b) {
				close(broken)
			}
			return true
		})
		go p.forward(server, client, func([]byte) bool {
			select {
			case <-broken:
				close(p.lost)
				return false
			default:
				return true
			}
		})
	}
}

// forward copies until pass says no or a side ends, and then ends both.
func (p *proxy) forward(from, to net.Conn, pass func([]byte) bool) {
	defer func() { _ = from.Close() }()
	defer func() { _ = to.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !pass(buf[:n]) || err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// hit reports whether b contains the marker, and forgets the marker if so.
func (p *proxy) hit(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.marker == nil || !bytes.Contains(b, p.marker) {
		return false
	}
	p.marker = nil
	return true
}

// loseAnswerTo lets the connection break after the next request that contains marker has been carried out.
func (p *proxy) loseAnswerTo(marker string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker = []byte(marker)
}

// cut breaks all connections and takes no more.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// unreliableNode is a socket directory that leads to the tests' node through a proxy.
func unreliableNode(tb testing.TB) (dir string, p *proxy, restore func()) {
	tb.Helper()
	// The path of a socket has at most 107 bytes, and tb.TempDir's has the test's name in it.
	dir, err := os.MkdirTemp("", "node") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	direct := engine.Dialer(socketDir(tb))
	p = newProxy(nil, func(ctx context.Context) (net.Conn, error) { return direct(ctx, "", "") })
	restore = func() {
		var lc net.ListenConfig
		ln, err := lc.Listen(tb.Context(), "unix", filepath.Join(dir, ".s.PGSQL.5432"))
		if err != nil {
			tb.Fatal(err)
		}
		p.mu.Lock()
		p.listener = ln
		p.mu.Unlock()
		go p.serve(context.WithoutCancel(tb.Context()), ln)
	}
	restore()
	tb.Cleanup(p.cut)
	return dir, p, restore
}

func TestCommandsSurviveARestartOfTheNode(t *testing.T) {
	t.Parallel()
	dir, p, restore := unreliableNode(t)
	g := open(t, func(c *gateway.Cluster) { c.SocketDir = dir })
	coll := g.database(t).Collection("c")
	for i := range 3 {
		must(coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}}))(t)
		p.cut()
		done := make(chan error, 1)
		go func() {
			_, err := coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 100 + i}})
			done <- err
		}()
		restore()
		if i == 1 {
			g.server.Restarted(g.id)
		}
		if err := <-done; err != nil {
			t.Errorf("a write while the node restarts: %v", err)
		}
	}
	if n := must(coll.CountDocuments(t.Context(), bson.D{}))(t); n != 6 {
		t.Errorf("%d documents, want 6", n)
	}
}

func TestNodeThatStaysAwayIsARetryableError(t *testing.T) {
	t.Parallel()
	dir, p, restore := unreliableNode(t)
	db := open(t, func(c *gateway.Cluster) { c.SocketDir = dir }).database(t)
	must(db.Collection("c").InsertOne(t.Context(), bson.D{}))(t)
	p.cut()
	start := time.Now()
	err := db.RunCommand(t.Context(), bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{}}}}).Err()
	wantCode(t, err, 189)
	var se mongo.ServerError
	if !errors.As(err, &se) || !se.HasErrorLabel("RetryableWriteError") {
		t.Errorf("error %v has no label RetryableWriteError", err)
	}
	if took := time.Since(start); took > 9*time.Second {
		t.Errorf("the answer took %s", took)
	}
	restore()
	must(db.Collection("c").InsertOne(t.Context(), bson.D{}))(t)
}

// lostInc lets the connection to the node break right after an $inc has been carried out, and returns what the client is told.
func lostInc(t *testing.T, opts ...*options.ClientOptions) error {
	t.Helper()
	dir, p, _ := unreliableNode(t)
	coll := open(t, func(c *gateway.Cluster) { c.SocketDir = dir }).database(t, opts...).Collection("c")
	must(coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}))(t)
	p.loseAnswerTo("a-rare-word")
	_, err := coll.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}, {Key: "$set", Value: bson.D{{Key: "s", Value: "a-rare-word"}}}})
	<-p.lost
	var doc struct{ N int }
	if err := coll.FindOne(t.Context(), bson.D{}).Decode(&doc); err != nil || doc.N != 1 {
		t.Errorf("the write was carried out %d times, %v", doc.N, err)
	}
	return err
}

func TestNumberedWriteOfUnknownOutcomeIsLookedUp(t *testing.T) {
	t.Parallel()
	if err := lostInc(t); err != nil {
		t.Errorf("the repetition found no record: %v", err)
	}
}

func TestWriteOfUnknownOutcomeWithoutANumberIsNotRepeated(t *testing.T) {
	t.Parallel()
	err := lostInc(t, options.Client().SetRetryWrites(false))
	wantCode(t, err, 189)
	var se mongo.ServerError
	if errors.As(err, &se) && se.HasErrorLabel("RetryableWriteError") {
		t.Error("the driver is told to repeat a write that was carried out")
	}
}

func TestWriteRepeatedByTheDriverIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	var (
		lc net.ListenConfig
		d  net.Dialer
	)
	ln := must(lc.Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	p := newProxy(ln, func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", g.addr) })
	go p.serve(context.WithoutCancel(t.Context()), ln)
	t.Cleanup(p.cut)
	uri := strings.Replace(g.uri("doadmin", password), g.addr, ln.Addr().String(), 1)
	coll := g.database(t, options.Client().ApplyURI(strings.Replace(uri, "&replicaSet=orders", "", 1)).SetDirect(true)).Collection("c")

	must(coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}))(t)
	p.loseAnswerTo("a-rare-word")
	update := bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}, {Key: "$set", Value: bson.D{{Key: "s", Value: "a-rare-word"}}}}
	res := must(coll.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: 1}}, update))(t)
	<-p.lost
	if res.ModifiedCount != 1 {
		t.Errorf("the repeated write modified %d documents", res.ModifiedCount)
	}
	var doc struct{ N int }
	if err := coll.FindOne(t.Context(), bson.D{}).Decode(&doc); err != nil || doc.N != 1 {
		t.Errorf("the write was carried out %d times, %v", doc.N, err)
	}
}

func TestTransactionWhoseNodeGoesAwayIsTransient(t *testing.T) {
	t.Parallel()
	dir, p, restore := unreliableNode(t)
	coll := open(t, func(c *gateway.Cluster) { c.SocketDir = dir }).database(t).Collection("c")
	must(coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}))(t)
	session := must(coll.Database().Client().StartSession())(t)
	defer session.EndSession(context.WithoutCancel(t.Context()))
	commands := []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: 3}})
			return err
		},
		func(ctx context.Context) error { return coll.FindOne(ctx, bson.D{}).Err() },
	}
	tries := 0
	must(session.WithTransaction(t.Context(), func(ctx context.Context) (any, error) {
		if _, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: 2}}); err != nil {
			return nil, err
		}
		if tries++; tries > len(commands) {
			return nil, nil
		}
		p.cut()
		restore()
		err := commands[tries-1](ctx)
		wantCode(t, err, 189)
		return nil, err
	}))(t)
	if n := must(coll.CountDocuments(t.Context(), bson.D{}))(t); n != 2 || tries != 3 {
		t.Errorf("%d documents after %d tries, want 2 after 3", n, tries)
	}
}

// block locks the collection's table until release is called; waiting returns when n statements wait for it.
func block(tb testing.TB, coll *mongo.Collection, mode string) (waiting func(n int), release func()) {
	tb.Helper()
	tx := must(superuser(tb).Begin(tb.Context()))(tb)
	var table string
	const find = "SELECT 'documentdb_data.documents_' || collection_id FROM documentdb_api_catalog.collections WHERE database_name = $1 AND collection_name = $2"
	if err := tx.QueryRow(tb.Context(), find, coll.Database().Name(), coll.Name()).Scan(&table); err != nil {
		tb.Fatal(err)
	}
	must(tx.Exec(tb.Context(), "LOCK TABLE "+table+" IN "+mode+" MODE"))(tb)
	watch := superuser(tb)
	waiting = func(n int) {
		tb.Helper()
		deadline := time.Now().Add(10 * time.Second)
		for got := -1; got != n; {
			if err := watch.QueryRow(tb.Context(), "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::regclass", table).Scan(&got); err != nil {
				tb.Fatal(err)
			}
			if time.Now().After(deadline) {
				tb.Fatalf("%d statements wait, want %d", got, n)
			}
		}
	}
	release = func() {
		if err := tx.Rollback(tb.Context()); err != nil {
			tb.Fatal(err)
		}
	}
	return waiting, release
}

func TestShutdownLetsRunningCommandsEnd(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	coll := g.database(t).Collection("c")
	must(coll.InsertMany(t.Context(), numbered(1)))(t)
	waiting, release := block(t, coll, "EXCLUSIVE")
	written := make(chan error, 1)
	go func() {
		_, err := coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: "late"}})
		written <- err
	}()
	waiting(1)
	stopped := make(chan struct{})
	go func() { defer close(stopped); g.server.Shutdown(context.WithoutCancel(t.Context())) }()
	release()
	<-stopped
	if err := <-written; err != nil {
		t.Errorf("a command that ran at shutdown failed: %v", err)
	}
}

func TestCloseCancelsRunningCommands(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	coll := g.database(t, options.Client().SetRetryReads(false)).Collection("c")
	must(coll.InsertMany(t.Context(), numbered(1)))(t)
	waiting, release := block(t, coll, "ACCESS EXCLUSIVE")
	read := make(chan error, 1)
	go func() { read <- coll.FindOne(t.Context(), bson.D{}).Err() }()
	waiting(1)
	g.server.Close(g.id)
	if err := <-read; err == nil {
		t.Error("a command outlived its cluster")
	}
	waiting(0)
	release()
}

func TestReadEndsWhenItsClientHangsUp(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	coll := g.database(t).Collection("c")
	must(coll.InsertMany(t.Context(), numbered(1)))(t)
	waiting, release := block(t, coll, "ACCESS EXCLUSIVE")
	leaver := g.client(t, options.Client().SetRetryReads(false))
	read := make(chan error, 1)
	go func() {
		read <- leaver.Database(coll.Database().Name()).Collection("c").FindOne(t.Context(), bson.D{}).Err()
	}()
	waiting(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // Disconnect then closes connections in use, too
	_ = leaver.Disconnect(ctx)
	waiting(0)
	release()
	t.Log(<-read)
}

func TestCommandsAfterALongOne(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t, options.Client().SetMaxPoolSize(1)).Collection("c")
	must(coll.InsertMany(t.Context(), numbered(1)))(t)
	waiting, release := block(t, coll, "ACCESS EXCLUSIVE")
	read := make(chan error, 1)
	go func() { read <- coll.FindOne(t.Context(), bson.D{}).Err() }()
	waiting(1)
	must(superuser(t).Exec(t.Context(), "SELECT pg_sleep(0.4)"))(t) // longer than watchAfter
	release()
	if err := <-read; err != nil {
		t.Error(err)
	}
	for range 3 {
		if err := coll.FindOne(t.Context(), bson.D{}).Err(); err != nil {
			t.Errorf("the connection is of no use after a long command: %v", err)
		}
	}
}
