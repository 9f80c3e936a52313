package gateway

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// The engine's own cursors do not do in a transaction: it can have one of them at a time, and opening a second one closes the
// first. There the gateway opens cursors of PostgreSQL, of which a transaction may have any number.
const (
	sqlHeldFind      = "documentdb_api_catalog.bson_aggregation_find($1, $2::bytea)"
	sqlHeldAggregate = "documentdb_api_catalog.bson_aggregation_pipeline($1, $2::bytea)"

	// maxHeldCursors is how many cursors a transaction may have open.
	maxHeldCursors = 100

	// defaultFirstBatch is MongoDB's.
	defaultFirstBatch = 101
	// maxFetch is how many documents are taken from PostgreSQL at a time, fetchBytes about how many bytes. A batch is
	// sent when it is full; what was taken beyond it waits for the next.
	maxFetch   = 1000
	fetchBytes = 2 << 20
	// maxBatchBytes is where a batch ends, so that the reply stays within what drivers take; one document may be larger.
	maxBatchBytes = 16 << 20
)

// heldCursor is a cursor of a transaction. The turn of the transaction's session guards it.
type heldCursor struct {
	id        int64
	namespace string

	waiting  [][]byte // documents taken from PostgreSQL and not yet sent
	atEnd    bool     // PostgreSQL has no more
	document int      // bytes of an average document, 0 if none has come
}

// name is the cursor's in PostgreSQL.
func (h *heldCursor) name() string { return fmt.Sprintf("c%d", h.id) }

// openHeld runs a find or an aggregate of a transaction and answers with its first batch. query has two parameters, the
// database's name and spec.
func (c *conn) openHeld(ctx context.Context, r *request, query string, spec bsoncore.Document, namespace string) (bsoncore.Document, error) {
	t := r.txn
	if len(t.cursors) >= maxHeldCursors {
		return nil, mongoerr.New(mongoerr.ExceededMemoryLimit, "the transaction has %d open cursors, which is as many as it may; close some", maxHeldCursors)
	}
	size, single, err := heldBatch(r)
	if err != nil {
		return nil, err
	}
	h := &heldCursor{id: newID(), namespace: namespace}
	declare := "DECLARE " + h.name() + " NO SCROLL CURSOR FOR SELECT document FROM " + query
	// Its name makes every such statement another one: preparing it would not pay.
	if _, err := t.conn.Exec(ctx, declare, pgx.QueryExecModeExec, r.db, []byte(spec)); err != nil {
		return nil, err
	}
	t.cursors[h.id] = h
	return t.answer(ctx, h, "firstBatch", size, single)
}

// moreHeld answers a getMore of a transaction.
func (c *conn) moreHeld(ctx context.Context, r *request, id int64, namespace string) (bsoncore.Document, error) {
	h := r.txn.cursors[id]
	if h == nil || h.namespace != namespace {
		return nil, mongoerr.New(mongoerr.CursorNotFound, "cursor id %d not found in this transaction", id)
	}
	size := int64(math.MaxInt64)
	if v := r.field("batchSize"); has(v) {
		n, ok := asInt64(v)
		if !ok || n < 0 {
			return nil, mongoerr.New(mongoerr.BadValue, "batchSize must be a positive number")
		}
		if n > 0 {
			size = n
		}
	}
	return r.txn.answer(ctx, h, "nextBatch", size, false)
}

// answer is a reply with the next size documents. The last one closes the cursor.
func (t *transaction) answer(ctx context.Context, h *heldCursor, batch string, size int64, last bool) (bsoncore.Document, error) {
	docs, err := t.fetch(ctx, h, size)
	if err != nil {
		return nil, err
	}
	id := h.id
	if last || h.atEnd && len(h.waiting) == 0 {
		id = 0
		if err := t.closeHeld(ctx, h); err != nil {
			return nil, err
		}
	}
	index, dst := bsoncore.AppendDocumentStart(nil)
	inner, dst := bsoncore.AppendDocumentElementStart(dst, "cursor")
	dst = appendDocuments(dst, batch, docs)
	dst = bsoncore.AppendInt64Element(dst, "id", id)
	dst = bsoncore.AppendStringElement(dst, "ns", h.namespace)
	dst, err = bsoncore.AppendDocumentEnd(dst, inner)
	if err != nil {
		return nil, fmt.Errorf("build batch: %w", err)
	}
	dst, err = bsoncore.AppendDocumentEnd(appendOK(dst), index)
	if err != nil {
		return nil, fmt.Errorf("build batch: %w", err)
	}
	return dst, nil
}

// fetch takes up to size documents, less if they would be too large for a reply.
func (t *transaction) fetch(ctx context.Context, h *heldCursor, size int64) ([][]byte, error) {
	var (
		docs  [][]byte
		bytes int
	)
	for int64(len(docs)) < size {
		if len(h.waiting) == 0 {
			if h.atEnd {
				break
			}
			if err := t.refill(ctx, h, size-int64(len(docs))); err != nil {
				return nil, err
			}
			continue
		}
		next := h.waiting[0]
		if len(docs) > 0 && bytes+len(next) > maxBatchBytes {
			break
		}
		docs, bytes, h.waiting = append(docs, next), bytes+len(next), h.waiting[1:]
	}
	return docs, nil
}

// refill takes documents from PostgreSQL: one more than wanted, so that the end shows with the last batch.
func (t *transaction) refill(ctx context.Context, h *heldCursor, wanted int64) error {
	n := int64(defaultFirstBatch)
	if h.document > 0 {
		n = max(1, min(maxFetch, int64(fetchBytes/h.document)))
	}
	if wanted < n {
		n = wanted + 1
	}
	binary := []int16{pgx.BinaryFormatCode} // in which a value of the type bson is BSON
	rows := t.conn.Conn().PgConn().ExecParams(ctx, fmt.Sprintf("FETCH %d FROM %s", n, h.name()), nil, nil, nil, binary)
	total := 0
	for rows.NextRow() {
		doc := slices.Clone(rows.Values()[0])
		h.waiting = append(h.waiting, doc)
		total += len(doc)
	}
	if _, err := rows.Close(); err != nil {
		return err
	}
	if len(h.waiting) > 0 {
		h.document = total/len(h.waiting) + 1
	}
	h.atEnd = int64(len(h.waiting)) < n
	return nil
}

func (t *transaction) closeHeld(ctx context.Context, h *heldCursor) error {
	delete(t.cursors, h.id)
	_, err := t.conn.Exec(ctx, "CLOSE "+h.name(), pgx.QueryExecModeExec)
	return err
}

// heldBatch is how many documents the first reply has, and whether it is the only one.
func heldBatch(r *request) (size int64, single bool, err error) {
	v := r.field("batchSize")
	if r.command == "aggregate" {
		options, err := subFields(r.field("cursor"))
		if err != nil {
			return 0, false, mongoerr.New(mongoerr.FailedToParse, "The 'cursor' option is required, except for aggregate with the explain argument")
		}
		v = find(options, "batchSize")
	}
	size = defaultFirstBatch
	if has(v) {
		n, ok := asInt64(v)
		if !ok || n < 0 {
			return 0, false, mongoerr.New(mongoerr.BadValue, "batchSize must be a number that is not negative")
		}
		size = n
	}
	return size, isTrue(r.field("singleBatch")), nil
}
