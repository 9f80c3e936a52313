package gateway

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// A numbered write's statement runs the engine's function and records the reply, or returns the reply that is on record. It is
// one statement, so that a write and its record are one transaction and cost one round trip. Its last argument says that the
// number is a new one for sure, so that there is no record to be looked for.
const (
	sqlInsertOnce        = "SELECT reply, clean, known FROM tine.insert_once($1, $2::bytea, $3::bytea, $4, $5, $6)"
	sqlUpdateOnce        = "SELECT reply, clean, known FROM tine.update_once($1, $2::bytea, $3::bytea, $4, $5, $6)"
	sqlDeleteOnce        = "SELECT reply, clean, known FROM tine.delete_once($1, $2::bytea, $3::bytea, $4, $5, $6)"
	sqlFindAndModifyOnce = "SELECT reply, clean, known FROM tine.find_and_modify_once($1, $2::bytea, $3, $4, $5)"

	// sqlForgetRecords removes the records of sessions that have ended long ago.
	sqlForgetRecords = "SELECT tine.forget_records($1)"
)

// once runs a numbered write. The driver sends it again with the same number if its connection breaks; whoever comes second,
// waits for the first and finds its record.
func (c *conn) once(ctx context.Context, cmd command, r *request) (bsoncore.Document, error) {
	s := r.session
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.give()
	switch {
	case r.txnNumber < 0:
		return nil, mongoerr.New(mongoerr.InvalidOptions, "Transaction number cannot be negative")
	case r.txnNumber < s.number:
		return nil, errTooOld(r.txnNumber, s.number)
	case r.txnNumber > s.number && r.blocked != nil:
		return nil, r.blocked
	case r.txnNumber > s.number:
		r.newNumber = s.number > 0 // else another gateway, of which this one is the successor, may have seen it
		c.cluster.succeed(ctx, s, r.txnNumber)
	case s.txn != nil:
		return nil, mongoerr.New(mongoerr.InvalidOptions, "txnNumber %d is that of a transaction", r.txnNumber)
	}
	r.numbered = true
	c.cluster.recorded.Store(true)
	doc, err := cmd.run(ctx, c, r)
	if errors.Is(err, errUnknownOutcome) { // the record will tell
		return nil, mongoerr.From(err).WithLabel(mongoerr.RetryableWrite)
	}
	return doc, err
}

// forgetRecords removes the records that no driver will ask for any more, if there can be any.
func (c *cluster) forgetRecords(ctx context.Context) error {
	if !c.recorded.Swap(false) {
		return nil
	}
	var left bool
	err := c.node.queryRow(ctx, login{user: gatewayLogin}, sqlForgetRecords, []any{sessionIdle}, &left)
	if err != nil || left {
		c.recorded.Store(true)
	}
	return err
}
