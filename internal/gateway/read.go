package gateway

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/explain"
	"tine/internal/gateway/mongoerr"
)

const (
	sqlFind            = firstPageColumns + "documentdb_api.find_cursor_first_page($1, $2::bytea, $3)"
	sqlAggregate       = firstPageColumns + "documentdb_api.aggregate_cursor_first_page($1, $2::bytea, $3)"
	sqlListCollections = firstPageColumns + "documentdb_api.list_collections_cursor_first_page($1, $2::bytea, $3)"
	sqlListIndexes     = firstPageColumns + "documentdb_api.list_indexes_cursor_first_page($1, $2::bytea, $3)"
	firstPageColumns   = "SELECT cursorpage::bytea, continuation::bytea, persistconnection, cursorid FROM "
	// sqlAggregateWrite is sqlAggregate for a pipeline that writes, with a mark unless that is empty.
	sqlAggregateWrite = "SELECT cursorpage::bytea, continuation::bytea, persistconnection, cursorid, CASE WHEN $4::text <> '' THEN " + emitMark + "$4::text) END " +
		"FROM documentdb_api.aggregate_cursor_first_page($1, $2::bytea, $3)"

	sqlGetMore  = "SELECT cursorpage::bytea, continuation::bytea FROM documentdb_api.cursor_get_more($1, $2::bytea, $3::bytea)"
	sqlCount    = "SELECT document::bytea FROM documentdb_api.count_query($1, $2::bytea)"
	sqlDistinct = "SELECT document::bytea FROM documentdb_api.distinct_query($1, $2::bytea)"
)

func findDocuments(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	if isTrue(r.field("tailable")) { // the engine takes it and does something else
		return nil, mongoerr.New(mongoerr.BadValue, "error processing query: tailable cursor requested on non capped collection")
	}
	if page, ok, err := c.findByID(ctx, r, coll); ok || err != nil {
		return page, err
	}
	spec := r.spec(r.emptyFields("sort", "hint")...)
	if r.txn != nil {
		return c.openHeld(ctx, r, sqlHeldFind, spec, r.db+"."+coll)
	}
	return c.findPage(ctx, r, r.db+"."+coll, spec)
}

func aggregate(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	if isTrue(r.field("explain")) { // the engine ignores it and runs the pipeline
		return c.explain(ctx, r, explain.QueryPlanner)
	}
	if r.txn != nil {
		return c.aggregateHeld(ctx, r)
	}
	spec, err := c.pipelineSpec(ctx, r)
	if err != nil {
		return nil, err
	}
	if r.writes { // $out and $merge
		return c.firstPageOfWrite(ctx, r, spec)
	}
	return c.aggregatePage(ctx, r, spec)
}

// pipelineSpec is the command as the engine gets it. A first stage that tells of the server is replaced by what it tells.
func (c *conn) pipelineSpec(ctx context.Context, r *request) (bsoncore.Document, error) {
	stages, err := subFields(r.field("pipeline"))
	if err != nil || len(stages) == 0 {
		return r.spec(), nil //nolint:nilerr // the engine says what is wrong
	}
	switch stageName(stages[0]) {
	case "$currentOp":
		return c.withOperations(r, stages)
	case "$collStats":
		return c.withStats(ctx, r, stages)
	default:
		return r.spec(), nil
	}
}

// stageName is the name of a stage of a pipeline, "" if it is none.
func stageName(stage field) string {
	fs, err := subFields(stage.value)
	if err != nil || len(fs) != 1 {
		return ""
	}
	return fs[0].key
}

// aggregateHeld is aggregate in a transaction.
func (c *conn) aggregateHeld(ctx context.Context, r *request) (bsoncore.Document, error) {
	if r.writes {
		return nil, mongoerr.New(mongoerr.OperationNotSupportedInTxn, "$out and $merge cannot be used in a transaction")
	}
	return c.openHeld(ctx, r, sqlHeldAggregate, r.spec(), aggregated(r))
}

// aggregated is the namespace of a pipeline's cursor.
func aggregated(r *request) string {
	if coll, ok := r.target.StringValueOK(); ok {
		return r.db + "." + coll
	}
	return r.db + ".$cmd.aggregate"
}

func getMore(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	id, ok := r.target.Int64OK()
	if !ok {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'getMore.getMore' must be a long")
	}
	coll, ok := r.field("collection").StringValueOK()
	if !ok {
		return nil, mongoerr.New(mongoerr.MissingField, "BSON field 'getMore.collection' is missing but a required field")
	}
	if r.txn != nil {
		return c.moreHeld(ctx, r, id, r.db+"."+coll)
	}
	cur, err := c.cluster.cursors.take(id, c.user, r.db+"."+coll, r.sessionKey())
	if err != nil {
		return nil, err
	}
	page, continuation, err := c.nextPage(ctx, cur, r)
	if err != nil {
		if errors.Is(err, errUnavailable) {
			c.cluster.cursors.give(cur, cur.continuation) // nothing was lost: the same page can be asked for again
		} else {
			c.cluster.cursors.drop(cur)
			c.cluster.deleteFiles(ctx, []int64{id})
		}
		return nil, err
	}
	c.cluster.cursors.give(cur, continuation)
	return page, nil
}

func (c *conn) nextPage(ctx context.Context, cur *cursor, r *request) (page, continuation []byte, err error) {
	args := []any{cur.db, []byte(r.spec()), cur.continuation}
	err = c.queryRow(ctx, r, sqlGetMore, args, &page, &continuation)
	return page, continuation, err
}

func killCursors(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	list, err := subFields(r.field("cursors"))
	if err != nil {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'killCursors.cursors' must be an array")
	}
	killed, missing := []int64{}, []int64{}
	for _, f := range list {
		id, ok := asInt64(f.value)
		if !ok {
			return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'killCursors.cursors' must hold longs")
		}
		killedOne, err := c.killCursor(ctx, r, id, r.db+"."+coll)
		if err != nil {
			return nil, err
		}
		if killedOne {
			killed = append(killed, id)
		} else {
			missing = append(missing, id)
		}
	}
	if r.txn == nil {
		c.cluster.deleteFiles(ctx, killed)
	}
	return marshal(bson.D{
		{Key: "cursorsKilled", Value: killed},
		{Key: "cursorsNotFound", Value: missing},
		{Key: "cursorsAlive", Value: bson.A{}},
		{Key: "cursorsUnknown", Value: bson.A{}},
		{Key: "ok", Value: 1.0},
	})
}

// killCursor ends a cursor and reports whether there was one.
func (c *conn) killCursor(ctx context.Context, r *request, id int64, namespace string) (bool, error) {
	if r.txn == nil {
		return c.cluster.cursors.kill(id, c.user, namespace), nil
	}
	h := r.txn.cursors[id]
	if h == nil || h.namespace != namespace {
		return false, nil
	}
	return true, r.txn.closeHeld(ctx, h)
}

// count counts exactly. Without a filter the engine returns an estimate, which may be far off after a fork or a crash; with
// a filter that lets everything through it counts.
func count(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	if _, err := r.collection(); err != nil {
		return nil, err
	}
	return c.document(ctx, r, sqlCount, countSpec(r))
}

// countSpec is the command with a filter in any case.
func countSpec(r *request) bsoncore.Document {
	if q := r.field("query"); has(q) && !isEmptyDocument(q) {
		return r.spec()
	}
	return r.specWith(func(dst []byte) []byte {
		return bsoncore.BuildDocumentElement(dst, "query", bsoncore.AppendStringElement(nil, "$comment", "exact"))
	}, "query")
}

func distinct(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	if _, err := r.collection(); err != nil {
		return nil, err
	}
	return c.document(ctx, r, sqlDistinct, r.spec())
}

// document runs a function of the database name and a spec that returns the reply.
func (c *conn) document(ctx context.Context, r *request, sql string, spec bsoncore.Document) (bsoncore.Document, error) {
	var reply []byte
	if err := c.queryRow(ctx, r, sql, []any{r.db, []byte(spec)}, &reply); err != nil {
		return nil, err
	}
	return reply, nil
}
