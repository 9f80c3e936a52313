package mongoerr

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// RetryableWrite is the label that makes drivers send a write once more. It may only stand on an error that says for
// certain that nothing was written.
const RetryableWrite = "RetryableWriteError"

// TransientTransaction is the label that makes drivers run a whole transaction once more. It may only stand on an error
// after which nothing of the transaction remains.
const TransientTransaction = "TransientTransactionError"

// Error is a command that failed.
type Error struct {
	Code    Code
	Message string
	Labels  []string

	cause error
}

// New makes an error with a formatted message.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap is New with a cause, which is for logs and never shown to the client.
func Wrap(cause error, code Code, format string, args ...any) *Error {
	e := New(code, format, args...)
	e.cause = cause
	return e
}

// WithLabel returns a copy that carries label.
func (e *Error) WithLabel(label string) *Error {
	c := *e
	c.Labels = append(slices.Clip(slices.Clone(e.Labels)), label)
	return &c
}

// Error says the code's name and the message, without the cause.
func (e *Error) Error() string { return e.Code.String() + ": " + e.Message }

// Unwrap returns the cause, nil if there is none.
func (e *Error) Unwrap() error { return e.cause }

// Document is the reply that reports the error.
func (e *Error) Document() bsoncore.Document {
	b := bsoncore.NewDocumentBuilder().
		AppendDouble("ok", 0).
		AppendString("errmsg", e.Message).
		AppendInt32("code", int32(e.Code)).
		AppendString("codeName", e.Code.String())
	if len(e.Labels) > 0 {
		labels := bsoncore.NewArrayBuilder()
		for _, l := range e.Labels {
			labels.AppendString(l)
		}
		b.AppendArray("errorLabels", labels.Build())
	}
	return b.Build()
}

// From turns any error into one for the client. What is not known to be fit for clients becomes "internal error".
func From(err error) *Error {
	if me, ok := errors.AsType[*Error](err); ok {
		return me
	}
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fromPostgres(pe)
	}
	if errors.Is(err, context.Canceled) {
		return Wrap(err, InterruptedDueToReplState, "operation was interrupted")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Wrap(err, ExceededTimeLimit, "operation exceeded time limit")
	}
	return Wrap(err, InternalError, "internal error")
}

func fromPostgres(pe *pgconn.PgError) *Error {
	return FromState(pe.Code, pe.Message, pe)
}
