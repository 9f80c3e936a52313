package gateway

import (
	"context"
	"net"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// Option is an option of a command as its syntax has it, for tests.
type Option struct {
	Name     string
	Required bool
	Sequence bool
	Refused  int
}

// Syntax is a command's syntax, for tests.
type Syntax struct {
	Lenient, AdminOnly, Stable, Hidden, Listed bool
	Options                                    []Option
}

// Commands is every command of the newest level with its syntax.
func Commands() map[string]Syntax {
	v, _ := parseVersion("8")
	listed := syntaxes()
	all := map[string]Syntax{}
	for name, cmd := range knownCommands(v) {
		s := Syntax{Lenient: cmd.syntax.lenient, AdminOnly: cmd.syntax.adminOnly, Stable: cmd.syntax.stable, Hidden: cmd.hidden, Listed: listed[name] != nil}
		for _, o := range cmd.syntax.options {
			option := Option{Name: o.name, Required: o.required, Sequence: o.sequence}
			if o.refuse != nil {
				option.Refused = int(o.refuse.code)
			}
			s.Options = append(s.Options, option)
		}
		all[name] = s
	}
	return all
}

// TakeRole is takeRole, for tests.
func TakeRole(ctx context.Context, c *pgx.Conn, role string) error { return takeRole(ctx, c, role) }

// DecodeWriteErrors is decodeWriteErrors, for tests.
func DecodeWriteErrors(reply bsoncore.Document) (bsoncore.Document, error) {
	return decodeWriteErrors(reply)
}

// CodeOf is the code that a client is told for an error.
func CodeOf(err error) int { return int(mongoerr.From(err).Code) }

// NewSocket is newSocket, for tests.
func NewSocket(c net.Conn) net.Conn { return newSocket(c) }
