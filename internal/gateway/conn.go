package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
	"tine/internal/gateway/wire"
)

// preAuthMessage is the size of the largest message before log-in: no handshake comes near.
const preAuthMessage = 64 << 10

// How far a connection has come.
const (
	stageNew    int32 = iota // nothing has been said
	stageSpoken              // it has said something; drivers' monitors never go further
	stageLoggedIn
)

// conn is a client's connection. But for close, done and stage, it belongs to the goroutine that serves it.
type conn struct {
	cluster *cluster
	id      int32
	net     net.Conn // the socket, for addresses, deadlines and the end
	stream  net.Conn // what is spoken on: net, or TLS on it
	reader  *reader
	remote  netip.Addr
	log     *slog.Logger
	done    chan struct{} // closed when it is no longer served
	stage   atomic.Int32

	transactions transactionSet // that end with the connection

	auth        *authentication
	user        string // "" before log-in
	app         string // what the client calls itself, "" if it does not
	userID      [16]byte
	grants      grants
	compressors []wire.Compressor // that hello agreed on
	presented   int64             // version of the topology that the latest hello showed

	running running // what others may see of the command that runs

	mu struct {
		sync.Mutex
		busy, closing bool
		who           identity // whose connection it is, for others than its own goroutine
	}
}

func newConn(c *cluster, nc net.Conn) *conn {
	id := c.lastID.Add(1)
	return &conn{
		cluster: c,
		id:      id,
		log:     c.log.With(slog.Int("connection_id", int(id))),
		net:     nc,
		stream:  nc,
		reader:  newReader(nc, c.buffers),
		remote:  addressOf(nc),
		done:    make(chan struct{}),
	}
}

// addressOf is where a connection comes from. An IPv4 address is one, however the listener writes it.
func addressOf(nc net.Conn) netip.Addr {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// close ends the connection, at once if now is set or it is idle, else when its command has been answered.
func (c *conn) close(now bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.closing = true
	if now || !c.mu.busy {
		_ = c.net.Close()
	}
}

// setBusy marks the start or the end of a command and reports whether the connection should go on.
func (c *conn) setBusy(busy bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.busy = busy
	return !c.mu.closing
}

// serve runs commands until the connection ends, and then returns true. It returns false when the connection has become idle: then
// it is to be called again on another goroutine, whose stack is small. What it reads comes from strangers: should a document still
// find a way to make us panic, that connection ends and nobody else's.
func (c *conn) serve(ctx context.Context) (ended bool) {
	ended = true
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("command panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
		if ended {
			_ = c.stream.Close()
			c.leave(ctx)
		}
	}()
	var err error
	for worked := false; err == nil; worked = true {
		var frame wire.Frame
		frame, err = c.read(worked)
		if errors.Is(err, errIdle) {
			return false
		}
		if err == nil {
			err = c.work(ctx, frame)
		}
	}
	c.logEnd(err)
	return true
}

// errClosing ends a connection that is to be closed after the command that ran.
var errClosing = errors.New("the connection is closed after its command")

// work answers one message.
func (c *conn) work(ctx context.Context, frame wire.Frame) error {
	if !c.setBusy(true) {
		return errClosing
	}
	err := c.answer(ctx, frame)
	if goOn := c.setBusy(false); err == nil && !goOn {
		return errClosing
	}
	return err
}

// noteStage says how far the connection has come, before its client can know.
func (c *conn) noteStage() {
	if c.user != "" {
		c.stage.Store(stageLoggedIn)
	} else {
		c.stage.Store(stageSpoken)
	}
}

// logEnd logs why a connection ended, unless that is how connections end.
func (c *conn) logEnd(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, errClosing) {
		return
	}
	c.log.Debug("connection ended", slog.Any("error", err))
}

// errIdle says that nothing has come for a while and that the connection is well.
var errIdle = errors.New("the connection is idle")

// read waits for the next message. Before log-in little is taken, and not for long. If yield is set it returns errIdle when nothing
// comes soon.
func (c *conn) read(yield bool) (wire.Frame, error) {
	limit, idle, rest := c.allowance()
	wait := idle
	if yield && (wait == 0 || wait > c.cluster.times.Yield) {
		wait = c.cluster.times.Yield
	}
	if err := c.setReadDeadline(wait); err != nil { // also lifts the one that ended a watch
		return wire.Frame{}, err
	}
	if err := c.reader.await(); err != nil {
		if isTimeout(err) && wait != idle {
			err = errIdle
		}
		return wire.Frame{}, err
	}
	if err := c.setReadDeadline(rest); err != nil {
		return wire.Frame{}, err
	}
	frame, err := wire.ReadFrame(c.reader, limit)
	if err != nil {
		return wire.Frame{}, err
	}
	c.cluster.stats.messages.Add(1)
	c.cluster.stats.bytesIn.Add(int64(frame.Size()))
	return c.cluster.codecs.Decompress(frame, limit, c.compressors)
}

// allowance is how large the next message may be, how long it may be waited for, and how long it may take from its first byte on.
func (c *conn) allowance() (limit int, idle, rest time.Duration) {
	times := c.cluster.times
	switch {
	case c.user != "":
		return wire.MaxMessage, 0, times.Message
	case c.stage.Load() == stageNew:
		return preAuthMessage, times.First, times.First
	default:
		return preAuthMessage, times.Idle, times.First
	}
}

// setReadDeadline lets reads fail after d; 0 means never.
func (c *conn) setReadDeadline(d time.Duration) error {
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	return c.net.SetReadDeadline(t)
}

// answer runs the command in a message and writes the reply, or the replies. An error ends the connection.
func (c *conn) answer(ctx context.Context, frame wire.Frame) error {
	reply := wire.Reply{To: frame.RequestID, Legacy: frame.IsQuery(), Compressor: frame.Compressor}
	for repeated := false; ; repeated = true {
		more, err := c.reply(ctx, frame, &reply, repeated)
		if err != nil || !more {
			return err
		}
		if !c.mayStream() {
			return errClosing
		}
	}
}

// reply runs the command and writes one reply. more says that the client takes another one.
func (c *conn) reply(ctx context.Context, frame wire.Frame, reply *wire.Reply, repeated bool) (more bool, err error) {
	req, err := parseRequest(frame)
	if err != nil {
		return false, err
	}
	req.repeated = repeated
	defer c.letGo(req)
	reply.Document = c.run(ctx, req)
	c.noteStage()
	if req.moreToCome {
		return false, nil
	}
	if !compressible(req.command) {
		reply.Compressor = wire.Uncompressed
	}
	reply.MoreToCome = req.exhaust && streams(req, reply.Document)
	c.whenStalled(func() { c.giveBack(req) })
	reply.To, err = c.send(*reply)
	c.whenStalled(nil)
	return reply.MoreToCome, err
}

// whenStalled has do called, once, if the next reply has to wait for a client that reads slowly.
func (c *conn) whenStalled(do func()) {
	if s, ok := c.net.(*socket); ok {
		s.stalled = do
	}
}

// giveBack gives back the connection to PostgreSQL that a command still has.
func (c *conn) giveBack(req *request) {
	if err := req.giveBack(); err != nil {
		c.log.Debug("end of a statement that had been answered", slog.String("cause", cause(err)))
	}
}

// letGo is giveBack for all that a command has.
func (c *conn) letGo(req *request) {
	c.giveBack(req)
	req.free()
}

// mayStream reports whether the connection is not about to be closed.
func (c *conn) mayStream() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.mu.closing
}

// send writes a reply and returns its number. It returns when the client has taken it, but for what the kernel buffers, so
// that a client that reads slowly has one reply in our memory.
func (c *conn) send(reply wire.Reply) (int32, error) {
	if err := c.net.SetWriteDeadline(time.Now().Add(c.cluster.times.Write)); err != nil {
		return 0, err
	}
	id, n, err := c.cluster.codecs.Write(c.stream, reply)
	c.cluster.stats.bytesOut.Add(int64(n))
	return id, err
}

// run is dispatch with errors as replies.
func (c *conn) run(ctx context.Context, req *request) bsoncore.Document {
	reply, me := c.observed(ctx, req)
	if me == nil {
		return reply
	}
	if mongoerr.IsDamage(me) {
		c.log.Error("the disk does not return what was written to it", slog.String("command", req.command), slog.String("cause", cause(me)))
		if c.cluster.tellHarm != nil {
			c.cluster.tellHarm(c.cluster.spec.ID)
		}
	} else if me.Code == mongoerr.InternalError || errors.Is(me, errUnavailable) {
		c.log.Warn("command failed", slog.String("command", req.command), slog.String("cause", cause(me)))
	}
	return c.cluster.topology.stamp(me)
}

// cause is what a log may say about an error: of PostgreSQL's errors the state and the place, because their texts may
// quote documents.
func cause(err error) string {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Sprintf("SQLSTATE %s in %s at %s:%d", pe.Code, pe.Routine, pe.File, pe.Line)
	}
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return err.Error()
}
