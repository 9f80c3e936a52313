package fleet

import (
	"errors"
	"fmt"

	"tine/internal/store"
)

// Kind tells the ways apart in which a request can be refused.
type Kind int

// The kinds of refusals.
const (
	Invalid  Kind = iota + 1 // the request can never be carried out as it is
	NotFound                 // what it is about does not exist
	NotReady                 // not in the present state of what it is about; later, perhaps
	Full                     // there is no room
)

// Error refuses a request.
type Error struct {
	Kind    Kind
	Field   string // the request's field that is wrong, in the API's words; empty if it is not about a field
	Message string // one sentence that says what is wrong and what would be right
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

func invalid(field, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Field: field, Message: field + " " + fmt.Sprintf(format, args...)}
}

func noCluster(id string) *Error {
	return &Error{Kind: NotFound, Message: fmt.Sprintf("there is no cluster with the id %s", quote(id))}
}

// notFound turns the store's answer for a cluster that does not exist into ours.
func notFound(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return noCluster(id)
	}
	return err
}

// quote shows what a user sent, shortened: it goes into messages and logs.
func quote(s string) string {
	const longest = 80
	runes := []rune(s)
	if len(runes) > longest {
		return fmt.Sprintf("%q...", string(runes[:longest]))
	}
	return fmt.Sprintf("%q", s)
}
