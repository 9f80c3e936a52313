package gateway

import (
	"context"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/internal/gateway/mongoerr"
)

// shownCommand is how much of a command others can see while it runs.
const shownCommand = 1000

// operation is a command that runs, as currentOp shows it. What it holds belongs to the message, and is not to be looked at
// after its end; see running.
type operation struct {
	id      int32
	user    string
	request *request
	started time.Time
	killed  bool
	cancel  context.CancelCauseFunc
}

// running is the operation of a connection, nil between commands. Everything that others than the connection's own
// goroutine do with it is done under its lock.
type running struct {
	mu   sync.Mutex
	op   *operation
	user string // of the latest operation
}

// begin makes the command visible, so that it can be listed and killed, and starts its clock. The returned end must be called
// with the command's error when it has ended.
func (c *conn) begin(ctx context.Context, r *request) (_ context.Context, end func(error) error) {
	ctx, cancel := context.WithCancelCause(ctx)
	op := &operation{id: c.cluster.lastOp.Add(1), user: c.user, request: r, started: c.cluster.clock(), cancel: cancel}
	c.cluster.counters.count(r.command)
	c.running.mu.Lock()
	c.running.op, c.running.user = op, c.user
	c.running.mu.Unlock()
	var timer *time.Timer
	if r.maxTime > 0 {
		timer = time.AfterFunc(r.maxTime, func() {
			cancel(mongoerr.New(mongoerr.ExceededTimeLimit, "operation exceeded time limit"))
		})
	}
	return ctx, func(err error) error {
		if timer != nil {
			timer.Stop()
		}
		c.cluster.usage.add(r, c.cluster.clock().Sub(op.started))
		c.running.mu.Lock()
		c.running.op = nil
		c.running.mu.Unlock()
		if why, ended := context.Cause(ctx).(*mongoerr.Error); ended && err != nil { //nolint:errorlint // it is what was given to cancel
			err = why
		}
		cancel(nil)
		return err
	}
}

// kill ends the operation with the number. It reports whether there is one that the user may kill.
func (c *cluster) kill(id int32, may func(user string) bool) bool {
	killed := false
	c.eachConn(func(other *conn) {
		if op := other.running.op; op != nil && op.id == id && may(op.user) {
			op.killed, killed = true, true
			op.cancel(mongoerr.New(mongoerr.Interrupted, "operation was interrupted"))
		}
	})
	return killed
}

// eachConn calls do for every connection, whose operation goes on but does not end meanwhile.
func (c *cluster) eachConn(do func(*conn)) {
	c.mu.Lock()
	conns := make([]*conn, 0, len(c.mu.conns))
	for other := range c.mu.conns {
		conns = append(conns, other)
	}
	c.mu.Unlock()
	for _, other := range conns {
		other.running.mu.Lock()
		do(other)
		other.running.mu.Unlock()
	}
}

// describe is the connection in the list of operations. The caller holds the lock of c.running.
func (c *conn) describe(now time.Time) bson.D {
	doc := bson.D{
		{Key: "type", Value: "op"},
		{Key: "host", Value: c.cluster.host},
		{Key: "desc", Value: "conn" + itoa(c.id)},
		{Key: "connectionId", Value: c.id},
		{Key: "client", Value: c.net.RemoteAddr().String()},
		{Key: "active", Value: c.running.op != nil},
		{Key: "currentOpTime", Value: now.UTC().Format("2006-01-02T15:04:05.000-07:00")},
	}
	op := c.running.op
	if op == nil {
		return doc
	}
	r, took := op.request, now.Sub(op.started)
	doc = append(doc,
		bson.E{Key: "effectiveUsers", Value: bson.A{bson.D{{Key: "user", Value: op.user}, {Key: "db", Value: adminDatabase}}}},
		bson.E{Key: "threaded", Value: true},
		bson.E{Key: "opid", Value: op.id},
	)
	if r.hasSession {
		doc = append(doc, bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: uuidSubtype, Data: r.sessionID[:]}}}})
	}
	return append(doc,
		bson.E{Key: "secs_running", Value: int64(took / time.Second)},
		bson.E{Key: "microsecs_running", Value: took.Microseconds()},
		bson.E{Key: "op", Value: kindOf(r.command)},
		bson.E{Key: "ns", Value: namespaceOf(r)},
		bson.E{Key: "command", Value: shown(r)},
		bson.E{Key: "numYields", Value: int32(0)},
		bson.E{Key: "waitingForLock", Value: false},
		bson.E{Key: "killPending", Value: op.killed},
	)
}

// kindOf is what MongoDB calls a command's kind of work.
func kindOf(command string) string {
	switch command {
	case "find":
		return "query"
	case "getMore":
		return "getmore"
	case "insert", "update":
		return command
	case "delete":
		return "remove"
	default:
		return "command"
	}
}

func namespaceOf(r *request) string {
	if coll, ok := r.target.StringValueOK(); ok {
		return r.db + "." + coll
	}
	if fs, err := fields(r.document); err == nil { // and not r.fields, which are the handler's
		if coll, ok := find(fs, "collection").StringValueOK(); ok {
			return r.db + "." + coll
		}
	}
	return r.db + ".$cmd"
}

// shown is the command as others may see it: whole if it is short, and nothing but its name if it could hold a secret.
func shown(r *request) any {
	if len(r.document) <= shownCommand && !secret(r.command) {
		return bson.Raw(r.document)
	}
	doc := bson.D{{Key: "$truncated", Value: r.command + " on " + namespaceOf(r)}, {Key: "$db", Value: r.db}}
	if v, err := r.document.LookupErr("comment"); err == nil && len(v.Data) <= shownCommand {
		doc = append(doc, bson.E{Key: "comment", Value: bson.RawValue{Type: bson.Type(v.Type), Value: v.Data}})
	}
	return doc
}

func secret(command string) bool {
	switch command {
	case "saslStart", "saslContinue", "createUser", "updateUser", "hello", "isMaster", "ismaster":
		return true
	default:
		return false
	}
}
