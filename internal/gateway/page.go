package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

var (
	// errPinned says that the engine wants a cursor to stay on its connection, which it must not with file-based cursors on.
	errPinned = errors.New("the engine opened a cursor that is bound to its connection")
	errNoPage = errors.New("the engine returned no page")
)

// firstPage opens a cursor. The engine writes the number that we choose into the page if there is more, else 0.
func (c *conn) firstPage(ctx context.Context, r *request, s prepared, spec bsoncore.Document) (bsoncore.Document, error) {
	a, err := c.openPage(ctx, r, nil, s, spec)
	if err != nil {
		return nil, err
	}
	return c.finishPage(ctx, r, a)
}

// replyPage is firstPage for a page that is the command's reply as it is. If it is the only one, the reply does not wait until the statement has
// ended.
func (c *conn) replyPage(ctx context.Context, r *request, s prepared, spec bsoncore.Document) (page bsoncore.Document, whole bool, err error) {
	a, err := c.openPage(ctx, r, nil, s, spec)
	if err != nil {
		return nil, false, err
	}
	if len(a.values[1]) == 0 {
		return r.keep(a, a.values[0]), true, nil
	}
	page, err = c.finishPage(ctx, r, a)
	return page, false, err
}

// openPage runs a statement whose row has a page, a continuation, whether the cursor is bound to its connection, and the cursor's number.
func (c *conn) openPage(ctx context.Context, r *request, first []prepared, s prepared, spec bsoncore.Document) (*openRow, error) {
	a, err := c.cluster.node.readAfter(ctx, asReader(), first, s, []byte(r.db), spec, int8Param(newID()))
	if err != nil {
		return nil, err
	}
	if a.none {
		return nil, errors.Join(errNoPage, a.end())
	}
	return a, nil
}

// finishPage waits for the statement's end, because the cursor's other pages are there only then.
func (c *conn) finishPage(ctx context.Context, r *request, a *openRow) (bsoncore.Document, error) {
	page, continuation := slices.Clone(a.values[0]), slices.Clone(a.values[1])
	pinned, id := isTrueValue(a.values[2]), int64(binary.BigEndian.Uint64(a.values[3]))
	if err := a.end(); err != nil {
		return nil, err
	}
	return page, c.register(ctx, r, page, continuation, pinned, id)
}

// firstPageOfWrite is firstPage for a pipeline that writes.
func (c *conn) firstPageOfWrite(ctx context.Context, r *request, spec bsoncore.Document) (bsoncore.Document, error) {
	var (
		page, continuation []byte
		pinned             bool
		id                 int64
	)
	if err := c.queryRow(ctx, r, sqlAggregateWrite, []any{r.db, []byte(spec), newID(), outMark(r)}, &page, &continuation, &pinned, &id, nil); err != nil {
		return nil, err
	}
	return page, c.register(ctx, r, page, continuation, pinned, id)
}

// register lets the client ask for a cursor's other pages, if there are any.
func (c *conn) register(ctx context.Context, r *request, page, continuation []byte, pinned bool, id int64) error {
	if id == 0 || len(continuation) == 0 {
		return nil
	}
	if pinned {
		return errPinned
	}
	ns, _ := bsoncore.Document(page).Lookup("cursor", "ns").StringValueOK()
	cur := &cursor{
		id: id, user: c.user, db: r.db, namespace: ns, session: r.sessionKey(), peer: c.peer(),
		noTimeout: isTrue(r.field("noCursorTimeout")), continuation: continuation,
	}
	if c.cluster.cursors.isFull() {
		c.cluster.deleteFiles(ctx, c.cluster.cursors.expire())
	}
	if err := c.cluster.cursors.add(cur); err != nil {
		c.cluster.deleteFiles(ctx, []int64{id})
		return err
	}
	return nil
}
