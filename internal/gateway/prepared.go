package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// maxPrepared is how many statements stay prepared on a connection. There is one for each collection that is read by _id, and the
	// backend keeps some 20 kB for each.
	maxPrepared = 128
	// cancelPatience is how long PostgreSQL is asked to stop a statement that nobody waits for any more.
	cancelPatience = 15 * time.Second
)

// prepared is a statement of the commands that come most often. It is prepared on a connection when it is first used there; its parameters and
// columns are in PostgreSQL's binary format.
type prepared struct{ name, sql string }

// openRow is the answer to a prepared statement, which has one row or none. Its values lie in the connection's buffer: they are good
// until end.
type openRow struct {
	conn   *pgxpool.Conn
	none   bool     // there was no row
	values [][]byte // of the row; nil stands for NULL
}

// read runs a prepared statement in a transaction of its own and returns when its row is there, although the statement has not ended then. It
// waits a while for a node that is not there, and tries again if the connection breaks. The caller must call end.
func (n *node) read(ctx context.Context, l login, s prepared, params ...[]byte) (*openRow, error) {
	return n.readAfter(ctx, l, nil, s, params...)
}

// readAfter is read in a transaction that begins with other statements, which have no parameters.
func (n *node) readAfter(ctx context.Context, l login, first []prepared, s prepared, params ...[]byte) (*openRow, error) {
	var a openRow
	conn, err := n.checkout(ctx, l, func(c *pgxpool.Conn) error { return a.start(ctx, c.Conn(), first, s, params) })
	if err != nil {
		return nil, err
	}
	a.conn = conn
	return &a, nil
}

// start sends the statement and waits for its row.
func (a *openRow) start(ctx context.Context, c *pgx.Conn, first []prepared, s prepared, params [][]byte) error {
	if err := makeReady(ctx, c, append(first, s)...); err != nil {
		return err
	}
	return talk(ctx, c.PgConn(), repeatable, func(pg *pgconn.PgConn) error { return a.exchange(pg, first, s, params) })
}

// write runs a prepared statement that writes, in a transaction of its own, and calls take with its row. It returns when the transaction has been
// committed. Errors are those of queryRow.
func (n *node) write(ctx context.Context, l login, s prepared, params [][]byte, take func(values [][]byte)) error {
	return n.with(ctx, l, func(c *pgxpool.Conn) error {
		if err := makeReady(ctx, c.Conn(), s); err != nil {
			return err
		}
		return talk(ctx, c.Conn().PgConn(), onceOnly, func(pg *pgconn.PgConn) error {
			var a openRow
			if err := a.exchange(pg, nil, s, params); err != nil {
				return err
			}
			if a.none {
				return pgx.ErrNoRows
			}
			take(a.values)
			return toEnd(pg)
		})
	})
}

// Whether a statement may be sent again when its connection has broken.
const (
	repeatable = true
	onceOnly   = false
)

// talk runs do, which speaks to PostgreSQL, until ctx ends. After an error that is not PostgreSQL's the connection is closed.
func talk(ctx context.Context, pg *pgconn.PgConn, again bool, do func(*pgconn.PgConn) error) error {
	stop := context.AfterFunc(ctx, func() { _ = pg.Conn().SetDeadline(past()) })
	err := do(pg)
	switch pe, said := errors.AsType[*pgconn.PgError](err); {
	case !stop():
		abandon(pg) // the deadline has been set, or will be
		return errors.Join(context.Cause(ctx), err)
	case said && !pg.IsClosed():
		return pe
	case err != nil:
		abandon(pg)
		return &brokenError{err, again || pgconn.SafeToRetry(err) && !errors.Is(err, errSent)}
	default:
		return nil
	}
}

// makeReady makes sure that a connection knows some statements.
func makeReady(ctx context.Context, c *pgx.Conn, all ...prepared) error {
	const key = "prepared"
	known, _ := c.PgConn().CustomData()[key].(map[string]bool)
	missing := 0
	for _, s := range all {
		if !known[s.name] {
			missing++
		}
	}
	if missing == 0 {
		return nil
	}
	if known == nil || len(known)+missing > maxPrepared {
		if err := c.DeallocateAll(ctx); err != nil {
			return err
		}
		known = map[string]bool{}
		c.PgConn().CustomData()[key] = known
	}
	for _, s := range all {
		if known[s.name] {
			continue
		}
		if _, err := c.Prepare(ctx, s.name, s.sql); err != nil {
			return err
		}
		known[s.name] = true
	}
	return nil
}

// exchange sends the statements and reads as far as the last one's row, or to the end if there is none.
func (a *openRow) exchange(pg *pgconn.PgConn, first []prepared, s prepared, params [][]byte) error {
	out := pg.Frontend()
	for _, s := range first {
		sendExecution(out, s.name, nil, 0)
	}
	sendExecution(out, s.name, params, 0)
	out.SendSync(&pgproto3.Sync{})
	if err := out.Flush(); err != nil {
		return err
	}
	for ahead := len(first); ; {
		msg, err := receive(pg)
		if err != nil {
			return err
		}
		switch msg := msg.(type) {
		case *pgproto3.DataRow:
			if ahead == 0 {
				a.values = msg.Values
				return nil
			}
		case *pgproto3.CommandComplete:
			if ahead == 0 {
				a.none = true
				return toEnd(pg)
			}
			ahead--
		case *pgproto3.ErrorResponse:
			return failed(pg, msg)
		}
	}
}

// sendExecution queues a statement that has been prepared under that name. rows is how many it may return; 0 stands for all.
func sendExecution(out *pgproto3.Frontend, name string, params [][]byte, rows int) {
	inBinary := []int16{pgx.BinaryFormatCode}
	out.SendBind(&pgproto3.Bind{PreparedStatement: name, ParameterFormatCodes: inBinary, Parameters: params, ResultFormatCodes: inBinary})
	out.SendExecute(&pgproto3.Execute{MaxRows: uint32(rows)})
}

// failed returns an error that PostgreSQL has sent when it is ready for the next statement.
func failed(pg *pgconn.PgConn, msg *pgproto3.ErrorResponse) error {
	pe := pgconn.ErrorResponseToPgError(msg) // before the next message overwrites it
	if err := toEnd(pg); err != nil {
		return errors.Join(pe, err)
	}
	return pe
}

// errSent is in the errors of connections that broke when a statement had been sent.
var errSent = errors.New("the connection broke when the statement had been sent")

// receive waits for PostgreSQL's next message. Only a deadline ends it before: see talk.
func receive(pg *pgconn.PgConn) (pgproto3.BackendMessage, error) {
	msg, err := pg.ReceiveMessage(context.Background()) //nolint:forbidigo // one that never ends costs nothing to watch
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSent, err)
	}
	return msg, nil
}

// toEnd reads until PostgreSQL is ready for the next statement.
func toEnd(pg *pgconn.PgConn) error {
	var failed error
	for {
		msg, err := receive(pg)
		if err != nil {
			return errors.Join(failed, err)
		}
		switch msg := msg.(type) {
		case *pgproto3.ErrorResponse:
			failed = pgconn.ErrorResponseToPgError(msg)
		case *pgproto3.ReadyForQuery:
			return failed
		}
	}
}

// end waits for the statement's end and gives the connection back. An error says that what the row promised was not done.
func (a *openRow) end() error {
	defer a.conn.Release()
	if a.none {
		return nil
	}
	err := toEnd(a.conn.Conn().PgConn())
	if err != nil {
		if _, said := errors.AsType[*pgconn.PgError](err); !said {
			abandon(a.conn.Conn().PgConn())
		}
	}
	return err
}

// abandon closes a connection at once and has PostgreSQL stop what it does for it.
func abandon(pg *pgconn.PgConn) {
	nobody := context.Background() //nolint:forbidigo // the caller's may be over, and this must be done nevertheless
	over, cancel := context.WithDeadline(nobody, past())
	defer cancel()
	_ = pg.Close(over)
	go func() {
		ctx, cancel := context.WithTimeout(nobody, cancelPatience)
		defer cancel()
		_ = pg.CancelRequest(ctx)
	}()
}

// brokenError is in the errors of connections that broke.
type brokenError struct {
	error
	again bool // the statement may be sent once more
}

// SafeToRetry is asked by pgconn.SafeToRetry.
func (e *brokenError) SafeToRetry() bool { return e.again }

// Unwrap returns what broke it.
func (e *brokenError) Unwrap() error { return e.error }

// int8Param is a number as a parameter, boolParam a truth.
func int8Param(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func boolParam(b bool) []byte {
	if b {
		return []byte{1}
	}
	return []byte{0}
}

// isTrueValue reads a truth from a row.
func isTrueValue(v []byte) bool { return len(v) == 1 && v[0] != 0 }

// pages holds buffers of replies. Larger ones are left to the garbage collector.
var pages = sync.Pool{New: func() any { return new([]byte) }} //nolint:gochecknoglobals // a pool is for all

// largestPage is the largest buffer that is kept.
const largestPage = 256 << 10

// remains is what a command leaves to be done when its reply is on its way: a statement to be waited for and a buffer to be given back.
type remains struct {
	row    *openRow
	buffer *[]byte
}

// keep copies a value of an openRow for the reply, so that the connection can be given back while a slow client still reads it.
func (r *request) keep(a *openRow, value []byte) []byte {
	r.remains.row = a
	page := append(r.pageBuffer(), value...)
	r.setBuffer(page)
	return page
}

// pageBuffer returns an empty buffer that the command gives back at its end.
func (r *request) pageBuffer() []byte {
	if r.remains.buffer == nil {
		r.remains.buffer = pages.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
	}
	return (*r.remains.buffer)[:0]
}

// setBuffer says where the buffer is now, which may have grown.
func (r *request) setBuffer(page []byte) { *r.remains.buffer = page }

// giveBack returns the command's connection to PostgreSQL, if it still has one.
func (r *request) giveBack() error {
	a := r.remains.row
	if a == nil {
		return nil
	}
	r.remains.row = nil
	return a.end()
}

// free gives back the command's buffer. Its reply is not good any more.
func (r *request) free() {
	b := r.remains.buffer
	r.remains.buffer = nil
	if b != nil && cap(*b) <= largestPage {
		pages.Put(b)
	}
}
