package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tine/internal/gateway/mongoerr"
)

const (
	sqlBegin    = "BEGIN ISOLATION LEVEL REPEATABLE READ"
	sqlCommit   = "COMMIT"
	sqlRollback = "ROLLBACK"

	// sqlRecall returns the record of a session's latest numbered write, and waits for one that is being made. See once.go.
	sqlRecall = "SELECT known, reply, clean FROM tine.recall($1, $2)"
	// sqlRemember records a commit in the transaction that is committed.
	sqlRemember = "SELECT tine.remember($1, $2, NULL, true)"

	// rollbackPatience is for telling PostgreSQL that a transaction is over; a connection that does not answer is closed,
	// which comes to the same.
	rollbackPatience = 5 * time.Second
)

// errLifetime is the cause with which a transaction's statements end when it has lived too long.
var errLifetime = errors.New("the transaction has lived longer than it may")

// outcome is how far a transaction has come.
type outcome int

const (
	open      outcome = iota
	committed         // durable
	aborted           // nothing of it remains
	unknown           // COMMIT was sent and not answered; the record in the cluster's data tells
)

// transaction is a multi-document transaction: one PostgreSQL transaction on a connection that nobody else uses meanwhile. The
// turn of its session guards it.
type transaction struct {
	session *session
	number  int64
	state   outcome
	conn    *pgxpool.Conn // nil unless open
	wrote   bool          // some command of it may have written
	last    *conn         // the client's connection that ran its latest command
	cursors map[int64]*heldCursor
	ends    time.Time // when its lifetime is over
	reaper  *time.Timer
}

// startTransaction starts a transaction for the session, whose turn the caller has.
func (c *cluster) startTransaction(ctx context.Context, s *session, number int64, l login) (*transaction, error) {
	if err := c.transactions.enter(ctx); err != nil {
		return nil, err
	}
	conn, err := c.node.checkout(ctx, l, func(conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, sqlBegin)
		return err
	})
	if err != nil {
		c.transactions.leave(aborted)
		return nil, err
	}
	lifetime := c.settings().TransactionLifetime
	t := &transaction{session: s, number: number, conn: conn, cursors: map[int64]*heldCursor{}, ends: c.clock().Add(lifetime)}
	// The reaper waits for the turn, and finds the transaction as its commands have left it.
	ctx = context.WithoutCancel(ctx)
	t.reaper = time.AfterFunc(lifetime, func() { c.reap(ctx, t) })
	return t, nil
}

// reap aborts a transaction whose lifetime is over. A command that runs in it has been cancelled by then.
func (c *cluster) reap(ctx context.Context, t *transaction) {
	t.session.turn <- struct{}{}
	defer t.session.give()
	if t.state == open {
		c.log.InfoContext(ctx, "transaction aborted: it has lived longer than it may", slog.String("user", t.session.key.user))
		c.transactions.expired.Add(1)
		c.rollback(ctx, t)
	}
}

// bound gives a command of the transaction what is left of its lifetime.
func (t *transaction) bound(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, t.ends.Sub(now), errLifetime)
}

// unlessLost is the error of a statement in the transaction, or that the node is gone, and the transaction with it.
func (t *transaction) unlessLost(err error) error {
	if err == nil || !t.conn.Conn().IsClosed() && !isShutdown(err) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err // that closes a connection, too
	}
	return mongoerr.Wrap(fmt.Errorf("%w: %w", errUnavailable, err), mongoerr.PrimarySteppedDown,
		"the connection to the cluster's node broke; nothing of the transaction remains")
}

// rollback ends an open transaction without a trace.
func (c *cluster) rollback(ctx context.Context, t *transaction) {
	if t.state != open {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackPatience)
	defer cancel()
	_, err := t.conn.Exec(ctx, sqlRollback)
	if err != nil {
		_ = t.conn.Conn().Close(ctx) // PostgreSQL rolls back what has lost its client
	}
	c.conclude(t, aborted)
}

// conclude gives the transaction's connection back.
func (c *cluster) conclude(t *transaction, state outcome) {
	t.reaper.Stop()
	t.conn.Release()
	c.transactions.leave(state)
	t.moveTo(nil)
	t.conn, t.state = nil, state
	clear(t.cursors)
}

// moveTo makes last the connection with whose end the transaction ends.
func (t *transaction) moveTo(last *conn) {
	if t.last == last {
		return
	}
	if t.last != nil {
		t.last.transactions.remove(t)
	}
	if last != nil {
		last.transactions.add(t)
	}
	t.last = last
}

// commit makes the transaction's writes durable. If the connection breaks before PostgreSQL has answered, nobody knows
// how it ended, and the error carries the label that lets the driver ask again.
func (c *cluster) commit(ctx context.Context, s *session, t *transaction) error {
	tag, err := t.sendCommit(ctx, s.key)
	if err == nil && tag == sqlCommit {
		c.conclude(t, committed)
		return nil
	}
	if err == nil { // PostgreSQL answers ROLLBACK to the COMMIT of a transaction that has failed
		c.conclude(t, aborted)
		return transient(errAborted(t.number))
	}
	if t.conn.Conn().IsClosed() {
		c.conclude(t, unknown)
		return mongoerr.Wrap(fmt.Errorf("commit: %w", err), mongoerr.PrimarySteppedDown,
			"the connection to the cluster's node broke during the commit; try it again to learn how it ended").
			WithLabel(mongoerr.RetryableWrite)
	}
	c.rollback(ctx, t)
	return transient(inTransaction(err))
}

// sendCommit commits, with a record of it if there is anything that a second commit could lose, in one round trip. It
// returns what PostgreSQL says that it has done.
func (t *transaction) sendCommit(ctx context.Context, key sessionKey) (string, error) {
	if !t.wrote {
		tag, err := t.conn.Exec(ctx, sqlCommit)
		return tag.String(), err
	}
	batch := &pgx.Batch{}
	batch.Queue(sqlRemember, key.bytes(), t.number)
	batch.Queue(sqlCommit)
	results := t.conn.SendBatch(ctx, batch)
	_, recorded := results.Exec()
	tag, err := results.Exec()
	return tag.String(), errors.Join(recorded, err, results.Close())
}

// resolve finds out how a commit ended that this gateway does not remember, or whose answer it never got.
func (c *cluster) resolve(ctx context.Context, key sessionKey, number int64) (outcome, error) {
	var (
		known, clean *bool
		reply        []byte
	)
	err := c.node.queryRow(ctx, login{user: gatewayLogin}, sqlRecall, []any{key.bytes(), number}, &known, &reply, &clean)
	if err != nil {
		return unknown, err
	}
	if known != nil && *known {
		return committed, nil
	}
	return aborted, nil
}

// bytes is the session's name as the cluster's data has it.
func (k sessionKey) bytes() []byte { return append(k.id[:], k.user...) }

// errAborted says that a transaction is no longer there.
func errAborted(number int64) *mongoerr.Error {
	return mongoerr.New(mongoerr.NoSuchTransaction, "Transaction with { txnNumber: %d } has been aborted.", number)
}

// transient marks an error after which the whole transaction may be tried again, if it is one.
func transient(err error) error {
	me := mongoerr.From(err)
	switch me.Code {
	case mongoerr.WriteConflict, mongoerr.LockTimeout, mongoerr.NoSuchTransaction, mongoerr.PrimarySteppedDown,
		mongoerr.NotWritablePrimary, mongoerr.InterruptedDueToReplState:
		return me.WithLabel(mongoerr.TransientTransaction)
	default:
		return err
	}
}

// inTransaction is an error as a command in a transaction reports it: whoever would have to wait for another transaction's
// lock has met a conflict there.
func inTransaction(err error) error {
	me := mongoerr.From(err)
	if me.Code == mongoerr.LockTimeout {
		return mongoerr.Wrap(err, mongoerr.WriteConflict, "write conflict: another operation is changing the same document, try the transaction again")
	}
	return err
}
