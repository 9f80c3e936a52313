package gateway

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// inTransaction runs a command of a multi-document transaction: one with autocommit: false.
func (c *conn) inTransaction(ctx context.Context, cmd command, r *request) (bsoncore.Document, error) {
	if err := checkTransactional(cmd, r); err != nil {
		return nil, err
	}
	if err := r.session.take(ctx); err != nil {
		return nil, err
	}
	defer r.session.give()
	if cmd.ends {
		return cmd.run(ctx, c, r)
	}
	t, err := c.transaction(ctx, r)
	if err != nil {
		return nil, transient(err)
	}
	r.txn = t
	t.moveTo(c)
	t.wrote = t.wrote || cmd.changes
	doc, err := c.runBounded(ctx, cmd, r)
	switch {
	case err != nil:
		err = t.unlessLost(err)
		c.cluster.rollback(ctx, t)
		return nil, transient(inTransaction(err))
	case r.writeErrors:
		c.cluster.rollback(ctx, t) // PostgreSQL would let it live, with the writes before the one that failed
	}
	return doc, nil
}

// runBounded runs a command until it or the transaction's lifetime ends or the client hangs up.
func (c *conn) runBounded(ctx context.Context, cmd command, r *request) (bsoncore.Document, error) {
	ctx, cancel := r.txn.bound(ctx, c.cluster.clock())
	defer cancel()
	watched, stop := c.watched(ctx)
	defer stop()
	doc, err := cmd.run(watched, c, r)
	if err != nil && errors.Is(context.Cause(ctx), errLifetime) {
		return nil, mongoerr.Wrap(err, mongoerr.TransactionExceededLifetime, "the transaction has been aborted: it has lived longer than transactionLifetimeLimitSeconds")
	}
	return doc, err
}

// checkTransactional refuses what cannot be part of a transaction. It leaves a transaction that is open as it is.
func checkTransactional(cmd command, r *request) error {
	switch {
	case r.session == nil || !r.hasTxn:
		return mongoerr.New(mongoerr.InvalidOptions, "'autocommit' needs 'lsid' and 'txnNumber'")
	case r.autocommit:
		return mongoerr.New(mongoerr.InvalidOptions, "'autocommit' can only be false")
	case r.txnNumber < 0:
		return mongoerr.New(mongoerr.InvalidOptions, "Transaction number cannot be negative")
	case cmd.ends && r.startTxn:
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot run '%s' as the first command of a transaction.", r.command)
	case cmd.ends && r.db != adminDatabase:
		return mongoerr.New(mongoerr.Unauthorized, "%s may only be run against the admin database.", r.command)
	case !cmd.inTxn && !cmd.ends:
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot run '%s' in a multi-document transaction.", r.command)
	case !cmd.ends && has(r.field("writeConcern")):
		return mongoerr.New(mongoerr.InvalidOptions, "writeConcern is not allowed within a multi-statement transaction")
	case !r.startTxn && has(r.field("readConcern")):
		return mongoerr.New(mongoerr.InvalidOptions, "Only the first command in a transaction may specify a readConcern")
	default:
		return nil
	}
}

// transaction finds the transaction that a command belongs to, or starts it. The caller has the session's turn.
func (c *conn) transaction(ctx context.Context, r *request) (*transaction, error) {
	s := r.session
	if r.txnNumber < s.number {
		return nil, errTooOld(r.txnNumber, s.number)
	}
	if !r.startTxn {
		return s.current(r.txnNumber)
	}
	if r.txnNumber == s.number {
		return nil, mongoerr.New(mongoerr.ConflictingOperation,
			"a transaction or write with txnNumber %d has been started already; only another number can start a transaction", r.txnNumber)
	}
	t, err := c.cluster.startTransaction(ctx, s, r.txnNumber, c.transactionLogin())
	if err != nil {
		return nil, err
	}
	c.cluster.succeed(ctx, s, r.txnNumber)
	s.txn = t
	return t, nil
}

// current is the session's open transaction, if number is its.
func (s *session) current(number int64) (*transaction, error) {
	switch {
	case s.txn == nil || s.txn.number != number:
		return nil, mongoerr.New(mongoerr.NoSuchTransaction,
			"Given transaction number %d does not match any in-progress transactions. The active transaction number is %d", number, s.number)
	case s.txn.state == committed || s.txn.state == unknown:
		return nil, mongoerr.New(mongoerr.TransactionCommitted, "Transaction with { txnNumber: %d } has been committed.", number)
	case s.txn.state == aborted:
		return nil, errAborted(number)
	default:
		return s.txn, nil
	}
}

// succeed makes number the session's latest. A transaction of an older number that is still open ends: its client has given
// it up.
func (c *cluster) succeed(ctx context.Context, s *session, number int64) {
	if s.txn != nil {
		c.rollback(ctx, s.txn)
	}
	s.number, s.txn = number, nil
}

func errTooOld(number, latest int64) error {
	return mongoerr.New(mongoerr.TransactionTooOld, "txnNumber %d is less than the latest txnNumber %d of this session", number, latest)
}

// commitTransaction may be repeated, by a driver that has not got its answer.
func commitTransaction(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	s := r.session
	if s == nil || !r.inTxn {
		return nil, mongoerr.New(mongoerr.InvalidOptions, "commitTransaction must be run within a transaction")
	}
	if r.txnNumber < s.number {
		return nil, errTooOld(r.txnNumber, s.number)
	}
	t := s.txn
	if t == nil || t.number != r.txnNumber || t.state == unknown {
		return c.commitForgotten(ctx, r)
	}
	switch t.state {
	case committed:
		return okReply()
	case aborted:
		return nil, transient(errAborted(t.number))
	default:
	}
	if err := c.cluster.commit(ctx, s, t); err != nil {
		return nil, err
	}
	return okReply()
}

// commitForgotten answers the repetition of a commit of which only the cluster's data may know.
func (c *conn) commitForgotten(ctx context.Context, r *request) (bsoncore.Document, error) {
	state, err := c.cluster.resolve(ctx, r.session.key, r.txnNumber)
	if err != nil {
		return nil, err
	}
	if t := r.session.txn; t != nil && t.number == r.txnNumber {
		t.state = state
	}
	if state != committed {
		return nil, transient(errAborted(r.txnNumber))
	}
	return okReply()
}

func abortTransaction(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	s := r.session
	if s == nil || !r.inTxn {
		return nil, mongoerr.New(mongoerr.InvalidOptions, "abortTransaction must be run within a transaction")
	}
	t, err := s.current(r.txnNumber)
	if err != nil {
		return nil, transient(err)
	}
	c.cluster.rollback(ctx, t)
	return okReply()
}

// abandon aborts the transactions whose latest command came over this connection, which has ended.
func (c *conn) abandon(ctx context.Context) {
	for _, t := range c.transactions.all() {
		t.session.turn <- struct{}{}
		if t.last == c {
			c.cluster.rollback(ctx, t)
		}
		t.session.give()
	}
}
