package gateway

import (
	"context"
	"math/rand/v2"
	"time"

	"tine/internal/gateway/mongoerr"
)

const (
	// maxConflicts is how often a write outside of a transaction is tried when it meets conflicts. MongoDB, too, tries again
	// by itself.
	maxConflicts = 20
	// conflictPause is the longest pause before the second try; it doubles with each, up to longestConflictPause.
	conflictPause        = time.Millisecond
	longestConflictPause = 100 * time.Millisecond
)

// queryRow runs a statement of a command that returns one row: in the command's transaction if it is part of one, else with
// the rights that the command has taken. All SQL that does a client's work goes through it or through exec.
func (c *conn) queryRow(ctx context.Context, r *request, sql string, args []any, dest ...any) error {
	if r.txn != nil {
		return r.txn.conn.QueryRow(ctx, sql, args...).Scan(dest...)
	}
	if !r.writes {
		return c.cluster.node.queryRow(ctx, asReader(), sql, args, dest...)
	}
	return untilNoConflict(ctx, func() error {
		return c.cluster.node.queryRow(ctx, asWriter(), sql, args, dest...)
	})
}

// exec is queryRow for a statement that returns nothing.
func (c *conn) exec(ctx context.Context, r *request, sql string, args ...any) error {
	if r.txn != nil {
		_, err := r.txn.conn.Exec(ctx, sql, args...)
		return err
	}
	return c.cluster.node.exec(ctx, c.login(r), sql, args...)
}

// login is whose rights a command's statements have outside of transactions.
func (c *conn) login(r *request) login {
	if r.writes {
		return asWriter()
	}
	return asReader()
}

// transactionLogin is whose rights a transaction has, in which commands of all kinds may follow.
func (c *conn) transactionLogin() login {
	l := asReader()
	if c.grants.writesAnywhere() {
		l = asWriter()
	}
	l.held = true
	return l
}

// untilNoConflict runs a statement, which is a transaction of its own, again when it has lost against another one.
func untilNoConflict(ctx context.Context, run func() error) error {
	longest := conflictPause
	for tries := 1; ; tries++ {
		err := run()
		if err == nil || tries == maxConflicts || mongoerr.From(err).Code != mongoerr.WriteConflict {
			return err
		}
		if !pause(ctx, rand.N(longest)) { //nolint:gosec // it spreads tries, nothing more
			return err
		}
		longest = min(2*longest, longestConflictPause)
	}
}
