package gateway

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// observed is dispatch, counted and, if it was slow, logged. Replies to failures are made here.
func (c *conn) observed(ctx context.Context, r *request) (bsoncore.Document, *mongoerr.Error) {
	begin := time.Now()
	reply, err := c.dispatch(ctx, r)
	taken := time.Since(begin)
	var failed *mongoerr.Error
	if err != nil {
		failed = mongoerr.From(err)
	}
	m := c.cluster.meter
	m.observe(r.command, taken, failed)
	set := c.cluster.settings()
	switch {
	case waits(r.command):
	case taken >= set.SlowOperation:
		m.slow.Add(1)
		c.logOperation(ctx, true, r, reply, taken, failed)
	case c.wanted(r, set.Verbosity, failed):
		c.logOperation(ctx, false, r, reply, taken, failed)
	}
	return reply, failed
}

// wanted reports whether a command is logged at that verbosity although it was not slow.
func (c *conn) wanted(r *request, verbosity int, failed *mongoerr.Error) bool {
	const failures, changes, all = 1, 2, 3
	return verbosity >= all || verbosity >= changes && c.cluster.commands[r.command].changes || verbosity >= failures && failed != nil
}

// longestApp is how many bytes an application may call itself by; MongoDB refuses longer names.
const longestApp = 128

// introduce remembers what the client calls itself. It says so once.
func (c *conn) introduce(r *request) {
	client, err := subFields(r.field("client"))
	if err != nil {
		return
	}
	application, err := subFields(find(client, "application"))
	if err != nil {
		return
	}
	name, _ := find(application, "name").StringValueOK()
	c.app = strings.Clone(name[:min(len(name), longestApp)])
}

// waits reports whether a command takes long because its client wants it to.
func waits(command string) bool { return isHello(command) }

// logOperation records an operation, with nothing of what documents hold: of filters and pipelines the shape, see shapeOf.
func (c *conn) logOperation(ctx context.Context, slow bool, r *request, reply bsoncore.Document, taken time.Duration, failed *mongoerr.Error) {
	command, namespace := c.cluster.meter.of(r.command).name, r.namespace()
	if command == unknownCommand {
		namespace = r.db // who knows what the rest is
	}
	attrs := []slog.Attr{
		slog.String("command", command),
		slog.String("namespace", namespace),
		slog.Duration("duration", taken),
		slog.String("user", c.user),
		slog.String("app", c.app),
	}
	if shape := r.shape(); shape != "" {
		attrs = append(attrs, slog.String("shape", shape))
	}
	if failed != nil {
		attrs = append(attrs, slog.Int("code", int(failed.Code)), slog.String("code_name", failed.Code.String()))
	}
	if n, ok := returned(reply); ok {
		attrs = append(attrs, slog.Int("returned", n))
	}
	if n, ok := changed(r.command, reply); ok {
		attrs = append(attrs, slog.Int64("changed", n))
	}
	if !slow {
		c.log.LogAttrs(ctx, slog.LevelInfo, "operation", attrs...)
		return
	}
	c.log.LogAttrs(ctx, slog.LevelInfo, "slow operation", attrs...)
	if tell := c.cluster.tellSlow; tell != nil {
		tell(c.cluster.spec.ID, time.Now(), attrs)
	}
}

// namespace is the database and, if the command names one, the collection.
func (r *request) namespace() string {
	name, ok := r.target.StringValueOK()
	if r.command == "getMore" {
		name, ok = r.field("collection").StringValueOK()
	}
	if !ok {
		return r.db
	}
	return r.db + "." + name
}

// returned is how many documents are in a page.
func returned(reply bsoncore.Document) (int, bool) {
	cursor, _ := reply.Lookup("cursor").DocumentOK()
	for _, name := range []string{"firstBatch", "nextBatch"} {
		if batch, err := cursor.LookupErr(name); err == nil {
			docs, err := subFields(batch)
			return len(docs), err == nil
		}
	}
	return 0, false
}

// changed is how many documents a write has changed.
func changed(command string, reply bsoncore.Document) (int64, bool) {
	if command == "update" {
		n, _ := asInt64(reply.Lookup("nModified"))
		upserted, err := subFields(reply.Lookup("upserted"))
		if err == nil {
			n += int64(len(upserted))
		}
		return n, true
	}
	switch command {
	case "insert", "delete":
		return asInt64(reply.Lookup("n"))
	case "findAndModify", "findandmodify":
		return asInt64(reply.Lookup("lastErrorObject", "n"))
	default:
		return 0, false
	}
}
