package store

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// The outcomes that callers are expected to tell apart, with errors.Is. Every other error means that the database could
// not do its work, and that nothing was changed.
var (
	// ErrSuspended is returned by who asks a cluster's node, and must not wake it, if that is suspended.
	ErrSuspended = errors.New("the cluster is suspended")
	// ErrUnreachable is returned by who asks a cluster's node, if that does not answer, as while it is started again.
	ErrUnreachable = errors.New("the cluster's node does not answer")
	// ErrNotFound says that no such cluster, restore point or token exists.
	ErrNotFound = errors.New("not found")
	// ErrNameTaken says that another cluster, or token, has that name. A cluster that is being destroyed still has it.
	ErrNameTaken = errors.New("name is taken")
	// ErrNoPort says that every usable port of the range belongs to a cluster.
	ErrNoPort = errors.New("no free port")
	// ErrSourceNotOnline says that a fork's source is gone or cannot be forked in its present state.
	ErrSourceNotOnline = errors.New("source is not online")
	// ErrTooMany says that there are as many as there may be.
	ErrTooMany = errors.New("too many")
	// ErrNotOnline says that a cluster cannot be changed in its present state.
	ErrNotOnline = errors.New("cluster is not online")
	// ErrChanged says that a cluster is no longer what a change of it was decided for.
	ErrChanged = errors.New("cluster was changed meanwhile")
	// ErrInExchange says that a cluster cannot be destroyed now, because it exchanges its node with another one.
	ErrInExchange = errors.New("cluster exchanges its node")
	// ErrUnknown says that nobody knows whether something was recorded: its answer was lost, or not waited for. It is told by what must know; repeating it is no harm.
	ErrUnknown = errors.New("it may have been recorded, or not")
	// ErrUnauthorized says that no token has that secret.
	ErrUnauthorized = errors.New("unknown token")
)

// violated says whether err is PostgreSQL's refusal to break the unique constraint of that name.
func violated(err error, constraint string) bool {
	var pg *pgconn.PgError
	const uniqueViolation = "23505"
	return errors.As(err, &pg) && pg.Code == uniqueViolation && pg.ConstraintName == constraint
}
