package gateway

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// dispatch runs a command, if there is such a command and the connection's user may run it.
func (c *conn) dispatch(ctx context.Context, r *request) (bsoncore.Document, error) {
	entered, work, err := c.enter(ctx, r)
	if err != nil {
		return nil, err
	}
	if entered {
		defer c.cluster.rest.leave(work)
	}
	cmd, err := c.admit(ctx, r)
	if err != nil {
		return nil, err
	}
	if r.hasSession && c.user != "" {
		if r.session, err = c.cluster.sessions.use(sessionKey{user: c.user, id: r.sessionID}); err != nil {
			return nil, err
		}
		defer c.cluster.sessions.done(r.session)
	}
	if cmd.privilege == handshake {
		return cmd.run(ctx, c, r)
	}
	ctx, end := c.begin(ctx, r)
	reply, err := c.perform(ctx, cmd, r)
	if err = end(err); err != nil {
		return nil, err
	}
	if r.concernError != nil {
		return withConcernError(reply, r)
	}
	return reply, nil
}

// perform runs a command that is listed among the operations that run.
func (c *conn) perform(ctx context.Context, cmd command, r *request) (bsoncore.Document, error) {
	if err := c.cluster.mayGrow(r); err != nil {
		if !r.hasTxn || r.inTxn {
			return nil, err
		}
		r.blocked = err // unless it is a repetition of what has been done
	}
	switch {
	case r.inTxn:
		return c.inTransaction(ctx, cmd, r)
	case r.hasTxn && !cmd.retried:
		return nil, mongoerr.New(mongoerr.NotARetryableWrite,
			"txnNumber may only be provided for multi-document transactions and retryable write commands. "+
				"autocommit:false was not provided, and %s is not a retryable write command.", r.command)
	case r.hasTxn && r.session != nil:
		return c.once(ctx, cmd, r)
	}
	if !cmd.changes {
		var stop func()
		ctx, stop = c.watched(ctx)
		defer stop()
	}
	return cmd.run(ctx, c, r)
}

// admit finds the command and decides whether it may run. Nothing has been done for the command yet.
func (c *conn) admit(ctx context.Context, r *request) (command, error) {
	cmd, known := c.cluster.commands[r.command]
	switch {
	case r.command != "" && !known:
		return command{}, mongoerr.New(mongoerr.CommandNotFound, "no such command: '%s'", r.command)
	case r.invalid != nil:
		return command{}, r.invalid
	case r.legacy && !isHello(r.command):
		return command{}, mongoerr.New(mongoerr.UnsupportedOpQueryCommand,
			"Unsupported OP_QUERY command: %s. The client driver may require an upgrade.", r.command)
	case cmd.privilege > handshake && c.user == "":
		return command{}, mongoerr.New(mongoerr.Unauthorized, "Command %s requires authentication", r.command)
	}
	if cmd.privilege > handshake {
		if err := c.refresh(ctx, r.command); err != nil {
			return command{}, err
		}
	}
	if err := c.authorize(cmd, r); err != nil {
		return command{}, err
	}
	switch {
	case r.startTxn && !r.inTxn:
		return command{}, mongoerr.New(mongoerr.InvalidOptions, "'startTransaction' needs 'autocommit: false'")
	case cmd.changes && !c.cluster.isPrimary():
		return command{}, mongoerr.New(mongoerr.NotWritablePrimary, "not primary")
	case cmd.reads() && !c.cluster.isPrimary() && !r.toleratesSecondary():
		return command{}, mongoerr.New(mongoerr.NotPrimaryNoSecondaryOk, "not primary and the read preference does not allow a secondary")
	case cmd.changes && isSystemDatabase(r.db) && !cmd.syntax.adminOnly: // one on admin names what it changes: see permit
		return command{}, mongoerr.New(mongoerr.Unauthorized, "the database '%s' cannot be written to", r.db)
	default:
		return cmd, cmd.syntax.check(r)
	}
}

func notAuthorized(db, command string) error {
	return mongoerr.New(mongoerr.Unauthorized, "not authorized on %s to execute command %s", db, command)
}

// isSystemDatabase reports whether db is one of those that a MongoDB server keeps for itself. The engine knows no such
// difference.
func isSystemDatabase(db string) bool {
	switch db {
	case adminDatabase, "local", "config", "$external":
		return true
	default:
		return false
	}
}
