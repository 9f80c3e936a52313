package mongoerr

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// createdMeanwhile is how the engine says that a collection is there which a transaction's snapshot does not have.
const createdMeanwhile = "Unable to create the specified collection"

// Unpack turns an integer from writeErrors[].code or createIndexes' raw.*.code into the five characters of the SQLSTATE
// it was packed from: six bits a character, the first in the lowest bits, counted from '0'.
func Unpack(code int32) string {
	state := make([]byte, 5)
	for i := range state {
		state[i] = byte((code>>(6*i))&0x3F) + '0'
	}
	return string(state)
}

// FromState makes the error for an SQLSTATE. The message is shown for the engine's own errors only; see the package
// comment. cause may be nil.
func FromState(state, message string, cause error) *Error {
	if code, ok := engineCode(state); ok {
		if strings.HasPrefix(message, createdMeanwhile) {
			return Wrap(cause, WriteConflict, "write conflict: the collection was made by another operation, try it again")
		}
		if code == DuplicateKey {
			message = "E11000 duplicate key error: " + message // the number is what clients look for
		}
		return Wrap(cause, code, "%s", message)
	}
	code, text := postgresCode(state)
	if state == "57014" && message == "canceling statement due to user request" {
		code, text = Interrupted, "operation was interrupted"
	}
	if text == "" {
		text = message
	}
	return Wrap(cause, code, "%s", text)
}

// IsCommandFailure reports whether a write error with this state means that the command could not do its work at all.
// The engine reports these like a bad document; clients must see the command fail instead.
func IsCommandFailure(state, message string) bool {
	if _, ok := engineCode(state); ok {
		return strings.HasPrefix(message, createdMeanwhile)
	}
	switch state {
	case "23505", "23P01", "0A000", "54000", "22P02", "22023":
		return false
	default:
		return true
	}
}

// engineCode looks up one of the engine's own states.
func engineCode(state string) (Code, bool) {
	if len(state) != 5 || state[0] != 'M' {
		return 0, false
	}
	ordinal := 0
	for _, c := range []byte(state[1:]) {
		switch {
		case c >= '0' && c <= '9':
			ordinal = ordinal*36 + int(c-'0')
		case c >= 'A' && c <= 'Z':
			ordinal = ordinal*36 + int(c-'A') + 10
		default:
			return 0, false
		}
	}
	codes := engineCodes()
	if ordinal >= len(codes) {
		return InternalError, true
	}
	return Code(codes[ordinal]), true
}

// PostgreSQL's states for what the disk does to data: a read or write that the system refused, and content that fails its checksum or makes no sense.
const (
	stateIO    = "58030"
	stateData  = "XX001"
	stateIndex = "XX002"
)

// IsDamage says whether an error is that the disk did not return what was written to it.
func IsDamage(err error) bool {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pe.Code == stateIO || pe.Code == stateData || pe.Code == stateIndex)
}

// postgresCode maps PostgreSQL's own states. An empty text lets the server's message through.
func postgresCode(state string) (Code, string) {
	switch state {
	case "42501":
		return Unauthorized, "not authorized to execute this command"
	case "40001", "40P01":
		return WriteConflict, "write conflict: the operation met another one on the same documents, try it again"
	case "55P03":
		return LockTimeout, "a lock that the operation needs is held by another operation"
	case "23505", "23P01":
		return DuplicateKey, "E11000 duplicate key error"
	case "57014":
		return ExceededTimeLimit, "operation exceeded time limit"
	case "25006":
		return NotWritablePrimary, "not primary"
	case "25P02":
		return NoSuchTransaction, "the transaction has been aborted"
	case "0A000":
		return CommandNotSupported, ""
	case "42710":
		return AlreadyExists, "it exists already"
	case "42704":
		return UserNotFound, "user not found"
	case "53300":
		return TooManyLogicalSessions, "too many operations at once"
	case "54000":
		return CannotBuildIndexKeys, "a value is too large for an index"
	case "53100":
		return OutOfDiskSpace, "the cluster is out of disk space"
	case stateIO, stateData, stateIndex:
		return InternalError, "the disk does not return what was written to it; the cluster's events tell what can be done"
	case "22P02":
		return FailedToParse, "a value has the wrong form"
	case "22023":
		return BadValue, "a value is out of range"
	case "42P01":
		return NamespaceNotFound, "namespace not found"
	default:
		return InternalError, "internal error"
	}
}
