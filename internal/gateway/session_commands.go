package gateway

import (
	"context"
	"crypto/rand"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// startSession makes a session's name.
func startSession(_ context.Context, c *conn, _ *request) (bsoncore.Document, error) {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it cannot fail
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	s, err := c.cluster.sessions.use(sessionKey{user: c.user, id: id})
	if err != nil {
		return nil, err
	}
	c.cluster.sessions.done(s)
	return marshal(bson.D{
		{Key: "id", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id[:]}}}},
		{Key: "timeoutMinutes", Value: int32(sessionMinutes)},
		{Key: "ok", Value: 1.0},
	})
}

// refreshSessions keeps sessions alive.
func refreshSessions(_ context.Context, c *conn, r *request) (bsoncore.Document, error) {
	keys, err := c.sessionKeys(r)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		s, err := c.cluster.sessions.use(key)
		if err != nil {
			return nil, err
		}
		c.cluster.sessions.done(s)
	}
	return okReply()
}

// endSessions ends the user's sessions that the client will not use again, and what belongs to them: an open transaction,
// open cursors. killSessions is the same for a client that knows better than another one.
func endSessions(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	if c.user == "" {
		return okReply() // nobody has no sessions
	}
	keys, err := c.sessionKeys(r)
	if err != nil {
		return nil, err
	}
	c.dispose(ctx, c.cluster.sessions.endNamed(keys))
	return okReply()
}

// sessionKeys reads the array of lsids that is the command's argument.
func (c *conn) sessionKeys(r *request) ([]sessionKey, error) {
	list, err := subFields(r.target)
	if err != nil || r.target.Type != bsoncore.TypeArray {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "%s must be an array of sessions", r.command)
	}
	keys := make([]sessionKey, 0, len(list))
	for _, f := range list {
		id, err := parseSession(f.value)
		if err != nil {
			return nil, err
		}
		keys = append(keys, sessionKey{user: c.user, id: id})
	}
	return keys, nil
}

// killAllSessions ends all sessions, or those of the users that are named.
func killAllSessions(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	users, err := namedUsers(r, r.target)
	if err != nil {
		return nil, err
	}
	return c.killSessionsOf(ctx, users)
}

// killAllSessionsByPattern ends the sessions of the users that the patterns name. Patterns of other kinds are refused.
func killAllSessionsByPattern(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	list, err := subFields(r.target)
	if err != nil {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "%s must be an array of patterns", r.command)
	}
	var users []string
	for _, f := range list {
		pattern, err := subFields(f.value)
		if err != nil || len(pattern) != 1 || pattern[0].key != "users" {
			return nil, mongoerr.New(mongoerr.CommandNotSupported, "%s supports patterns of the form {users: [{user, db}]} only", r.command)
		}
		named, err := namedUsers(r, pattern[0].value)
		if err != nil {
			return nil, err
		}
		users = append(users, named...)
	}
	return c.killSessionsOf(ctx, users)
}

// namedUsers reads an array of {user, db}.
func namedUsers(r *request, v bsoncore.Value) ([]string, error) {
	list, err := subFields(v)
	if err != nil || v.Type != bsoncore.TypeArray {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "%s must be an array of {user, db}", r.command)
	}
	var users []string
	for _, f := range list {
		about, err := subFields(f.value)
		name, ok := find(about, "user").StringValueOK()
		if err != nil || !ok {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "%s must be an array of {user, db}", r.command)
		}
		users = append(users, name)
	}
	return users, nil
}

// killSessionsOf ends the sessions of the users, or all if none is named.
func (c *conn) killSessionsOf(ctx context.Context, users []string) (bsoncore.Document, error) {
	named := map[string]bool{}
	for _, u := range users {
		named[u] = true
	}
	c.dispose(ctx, c.cluster.sessions.end(func(s *session) bool { return len(named) == 0 || named[s.key.user] }))
	return okReply()
}

// dispose ends sessions and what runs in them, but for the command that asks for it.
func (c *conn) dispose(ctx context.Context, ended []*session) {
	c.cluster.interrupt(c, ended)
	c.cluster.dispose(ctx, ended)
}

// interrupt ends the operations that run in the sessions, except on the connection that asks for it.
func (c *cluster) interrupt(except *conn, in []*session) {
	c.eachConn(func(other *conn) {
		op := other.running.op
		if other != except && op != nil && op.request.session != nil && slices.Contains(in, op.request.session) {
			op.cancel(mongoerr.New(mongoerr.Interrupted, "operation was interrupted"))
		}
	})
}

// dispose ends what belongs to sessions that have ended.
func (c *cluster) dispose(ctx context.Context, ended []*session) {
	if len(ended) == 0 {
		return
	}
	keys := map[sessionKey]bool{}
	for _, s := range ended {
		keys[s.key] = true
	}
	c.deleteFiles(ctx, c.cursors.killWhere(func(cur *cursor) bool { return keys[cur.session] }))
	for _, s := range ended {
		if err := s.take(ctx); err != nil {
			continue // its command will not find it again; the transaction's lifetime ends it
		}
		if s.txn != nil {
			c.rollback(ctx, s.txn)
		}
		s.give()
	}
}
