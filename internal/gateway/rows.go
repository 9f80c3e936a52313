package gateway

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/wire"
)

const (
	// sqlRows runs a find without a cursor. It is parsed each time, because the engine must plan it for its values, and a plan for any values, which
	// PostgreSQL makes of a statement that stays, is one that it cannot run.
	sqlRows = "SELECT document FROM documentdb_api_catalog.bson_aggregation_find($1, $2::bytea::documentdb_core.bson)"
	// defaultBatch is how many documents MongoDB's first page has if the client does not say.
	defaultBatch = 101
)

// findPage is the first page of a find outside of transactions.
func (c *conn) findPage(ctx context.Context, r *request, namespace string, spec bsoncore.Document) (bsoncore.Document, error) {
	batch, learns := r.wholeBatch()
	var shape uint64
	if learns {
		shape = c.cluster.fits.shapeOf(r, "filter", "sort", "limit", "skip", "batchSize", "hint")
		if c.cluster.fits.expected(shape) {
			page, ok, err := c.findWhole(ctx, r, namespace, spec, batch)
			if ok || err != nil {
				return page, err
			}
			c.cluster.fits.note(shape, false)
		}
	}
	page, whole, err := c.replyPage(ctx, r, prepared{"find", sqlFind}, spec)
	if err == nil && learns {
		c.cluster.fits.note(shape, whole)
	}
	return page, err
}

// findWhole is a find whose documents are expected to fit into the first page: they are taken as they come, without the engine's cursor, which
// would cost as much as a quarter of the query. ok is false if the engine must be asked for a cursor.
func (c *conn) findWhole(
	ctx context.Context, r *request, namespace string, spec bsoncore.Document, batch int,
) (page bsoncore.Document, ok bool, err error) {
	p := newWholePage(r, namespace)
	err = c.cluster.node.with(ctx, asReader(), func(pc *pgxpool.Conn) error {
		p.reset()
		return talk(ctx, pc.Conn().PgConn(), repeatable, func(pg *pgconn.PgConn) error { return p.fetch(pg, r.db, spec, batch) })
	})
	_, said := errors.AsType[*pgconn.PgError](err)
	switch {
	case said, p.more: // the engine's cursor tells what is wrong
		c.cluster.stats.repeated.Add(1)
		return nil, false, nil
	case err != nil:
		return nil, false, err
	default:
		c.cluster.stats.wholes.Add(1)
		return p.end(), true, nil
	}
}

// wholeBatch returns how many documents the first page of a find may have, if it is one that needs nothing of a cursor but that.
func (r *request) wholeBatch() (batch int, ok bool) {
	batch = defaultBatch
	for _, f := range r.fields[1:] {
		switch f.key {
		case "batchSize":
			n, isNumber := asInt64(f.value)
			if !isNumber || n < 1 || n > 10*defaultBatch {
				return 0, false
			}
			batch = int(n)
		case "singleBatch": // more would be left out instead of left for later
			if isTrue(f.value) {
				return 0, false
			}
		case "filter", "sort", "projection", "limit", "skip", "hint", "allowPartialResults", "noCursorTimeout", "allowDiskUse", "maxTimeMS", "comment",
			"$db", "lsid", "$clusterTime", "$readPreference", "readConcern", "apiVersion", "apiStrict", "apiDeprecationErrors":
		default:
			return 0, false
		}
	}
	return batch, r.txn == nil
}

// wholePage is the only page of a cursor, while it is built.
type wholePage struct {
	request              *request
	namespace            string
	page                 []byte
	outer, cursor, batch int32 // where its documents begin
	documents            int
	more                 bool
}

func newWholePage(r *request, namespace string) *wholePage {
	return &wholePage{request: r, namespace: namespace}
}

// reset begins the page.
func (p *wholePage) reset() {
	p.documents, p.more = 0, false
	p.outer, p.page = bsoncore.AppendDocumentStart(p.request.pageBuffer())
	p.cursor, p.page = bsoncore.AppendDocumentElementStart(p.page, "cursor")
	p.page = bsoncore.AppendInt64Element(p.page, "id", 0)
	p.page = bsoncore.AppendStringElement(p.page, "ns", p.namespace)
	p.batch, p.page = bsoncore.AppendArrayElementStart(p.page, "firstBatch")
}

// add appends a document. It returns false if the page is full.
func (p *wholePage) add(document []byte, batch int) bool {
	if p.documents == batch || p.documents > 0 && len(p.page)+len(document) > wire.MaxDocument {
		return false
	}
	p.page = bsoncore.AppendHeader(p.page, bsoncore.TypeEmbeddedDocument, strconv.Itoa(p.documents))
	p.page = append(p.page, document...)
	p.documents++
	return true
}

// end completes the page.
func (p *wholePage) end() bsoncore.Document {
	p.page, _ = bsoncore.AppendArrayEnd(p.page, p.batch) // these fail for a wrong index only
	p.page, _ = bsoncore.AppendDocumentEnd(p.page, p.cursor)
	p.page = bsoncore.AppendDoubleElement(p.page, "ok", 1)
	p.page, _ = bsoncore.AppendDocumentEnd(p.page, p.outer)
	p.request.setBuffer(p.page)
	return p.page
}

// keepPage is keep for a row that has one document, or NULL for none, as the only page of a cursor.
func (r *request) keepPage(a *openRow, namespace string) bsoncore.Document {
	p := newWholePage(r, namespace)
	p.reset()
	if a.values[0] != nil {
		p.add(a.values[0], 1)
	}
	r.remains.row = a
	return p.end()
}

// fetch runs the find and takes its documents. One more than the batch is asked for, which shows whether there are more.
func (p *wholePage) fetch(pg *pgconn.PgConn, db string, spec bsoncore.Document, batch int) error {
	out := pg.Frontend()
	out.SendParse(&pgproto3.Parse{Query: sqlRows})
	sendExecution(out, "", [][]byte{[]byte(db), spec}, batch+1)
	out.SendSync(&pgproto3.Sync{})
	if err := out.Flush(); err != nil {
		return err
	}
	for {
		msg, err := receive(pg)
		if err != nil {
			return err
		}
		switch msg := msg.(type) {
		case *pgproto3.DataRow:
			if !p.more && !p.add(msg.Values[0], batch) {
				p.more = true
			}
		case *pgproto3.ErrorResponse:
			return failed(pg, msg)
		case *pgproto3.ReadyForQuery:
			return nil
		}
	}
}
