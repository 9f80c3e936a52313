package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"tine/internal/gateway/mongoerr"
	"tine/internal/gateway/wire"
)

const (
	// firstMessageTimeout is for a new connection's first message, from its first byte to its last.
	firstMessageTimeout = 10 * time.Second
	// idleTimeout closes connections that have not logged in and say nothing. Drivers' monitors never log in, and
	// say hello every 10 s unless told otherwise.
	idleTimeout = 10 * time.Minute
	// messageTimeout is for the rest of a message once its first byte is there; a message of 48 MB over a slow line
	// takes its time, and who has logged in is not suspect.
	messageTimeout = 5 * time.Minute
	// writeTimeout ends connections whose client no longer reads.
	writeTimeout = 5 * time.Minute
	// refusalTimeout is for telling a connection over the limit so.
	refusalTimeout = 2 * time.Second

	// preAuthMessage is the size of the largest message before log-in: no handshake comes near.
	preAuthMessage = 64 << 10
	// readBuffer is small because there may be thousands of idle connections; large messages bypass it.
	readBuffer = 4 << 10
)

// conn is a client's connection. But for close and done, it belongs to the goroutine that serves it.
type conn struct {
	cluster *cluster
	id      int32
	net     net.Conn
	reader  *bufio.Reader
	log     *slog.Logger
	done    chan struct{} // closed when it is no longer served

	first  bool // no message has come yet
	auth   *authentication
	user   string // "" before log-in
	app    string // what the client calls itself, "" if it does not
	grants grants

	running running // what others may see of the command that runs

	mu struct {
		sync.Mutex
		busy, closing bool
	}
}

func newConn(c *cluster, nc net.Conn, id int32) *conn {
	return &conn{
		cluster: c,
		id:      id,
		net:     nc,
		reader:  bufio.NewReaderSize(nc, readBuffer),
		log:     c.log.With(slog.Int("connection_id", int(id))),
		done:    make(chan struct{}),
		first:   true,
	}
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

// serve runs commands until the connection ends. What it reads comes from strangers: should a document still find a
// way to make us panic, that connection ends and nobody else's.
func (c *conn) serve(ctx context.Context) {
	defer func() { _ = c.net.Close() }()
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("command panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	for {
		frame, err := c.read()
		if err != nil {
			c.logEnd(err)
			return
		}
		if !c.setBusy(true) {
			return
		}
		err = c.answer(ctx, frame)
		if !c.setBusy(false) || err != nil {
			c.logEnd(err)
			return
		}
	}
}

// logEnd logs why a connection ended, unless that is how connections end.
func (c *conn) logEnd(err error) {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return
	}
	c.log.Debug("connection ended", slog.Any("error", err))
}

// read waits for the next message. Before log-in little is taken, and not for long.
func (c *conn) read() (wire.Frame, error) {
	limit, idle, rest := preAuthMessage, idleTimeout, firstMessageTimeout
	switch {
	case c.user != "":
		limit, idle, rest = wire.MaxMessage, 0, messageTimeout
	case c.first:
		idle = firstMessageTimeout
	}
	if err := c.setReadDeadline(idle); err != nil { // also lifts the one that ended a watch
		return wire.Frame{}, err
	}
	if _, err := c.reader.Peek(1); err != nil {
		return wire.Frame{}, err
	}
	if err := c.setReadDeadline(rest); err != nil {
		return wire.Frame{}, err
	}
	c.first = false
	return wire.ReadFrame(c.reader, limit)
}

// setReadDeadline lets reads fail after d; 0 means never.
func (c *conn) setReadDeadline(d time.Duration) error {
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	return c.net.SetReadDeadline(t)
}

// answer runs the command in a message and writes the reply. An error ends the connection.
func (c *conn) answer(ctx context.Context, frame wire.Frame) error {
	req, err := parseRequest(frame)
	if err != nil {
		return err
	}
	reply := c.run(ctx, req)
	if req.moreToCome {
		return nil
	}
	if err := c.net.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return writeReply(c.net, frame, reply)
}

// run is dispatch with errors as replies.
func (c *conn) run(ctx context.Context, req *request) bsoncore.Document {
	reply, me := c.observed(ctx, req)
	if me == nil {
		return reply
	}
	if me.Code == mongoerr.InternalError || errors.Is(me, errUnavailable) {
		c.log.Warn("command failed", slog.String("command", req.command), slog.String("cause", cause(me)))
	}
	return me.Document()
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

// writeReply answers a message in the kind of message it came in.
func writeReply(w io.Writer, to wire.Frame, doc bsoncore.Document) error {
	if to.OpCode == wiremessage.OpQuery {
		return wire.WriteReply(w, to.RequestID, doc)
	}
	if len(doc) > wire.MaxMessage {
		return fmt.Errorf("reply of %d bytes is larger than a message may be", len(doc))
	}
	return wire.WriteMsg(w, to.RequestID, doc)
}
