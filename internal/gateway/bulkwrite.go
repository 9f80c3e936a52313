package gateway

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// A bulkWrite is one statement and one transaction of PostgreSQL, whatever it writes to: one round trip, one record for a
// repetition. MongoDB would leave the writes before a failure of the server; here they are not there either.
const (
	sqlBulkWrite     = "SELECT reply, clean FROM tine.bulk_write($1, $2, $3, $4, $5)"
	sqlBulkWriteOnce = "SELECT reply, clean, known FROM tine.bulk_write_once($1, $2, $3, $4, $5, $6, $7, $8)"
)

// bulkWrite inserts, updates and deletes in any number of collections.
func bulkWrite(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	ops, err := bulkOps(r)
	if err != nil {
		return nil, err
	}
	if err := checkBulkCursor(r, len(ops)); err != nil {
		return nil, err
	}
	errorsOnly, ordered := isTrue(r.field("errorsOnly")), !has(r.field("ordered")) || isTrue(r.field("ordered"))
	calls := groupBulk(ops, errorsOnly)
	replies, clean, err := c.runWrite(ctx, r, sqlBulkWrite, sqlBulkWriteOnce, bulkArguments(r, calls, ordered))
	if err != nil {
		return nil, err
	}
	r.writeErrors = !clean
	result := bulkResult{errorsOnly: errorsOnly, ordered: ordered}
	if err := result.read(calls, replies); err != nil {
		return nil, err
	}
	return result.document(), nil
}

// checkBulkCursor looks at how the results are to come: all of them are in the first batch.
func checkBulkCursor(r *request, ops int) error {
	v := r.field("cursor")
	if !has(v) {
		return nil
	}
	fs, err := uniqueFields(v.Data)
	if err != nil {
		return err
	}
	for _, f := range fs {
		size, ok := asInt64(f.value)
		switch {
		case f.key != "batchSize":
			return unknownField("bulkWrite.cursor", f.key)
		case !ok || size < 0:
			return mongoerr.New(mongoerr.BadValue, "BSON field 'bulkWrite.cursor.batchSize' must be a number that is not negative")
		case size < int64(ops):
			return mongoerr.New(mongoerr.CommandNotSupported,
				"BSON field 'bulkWrite.cursor.batchSize' must not be less than the number of operations: all results come in the first batch")
		}
	}
	return nil
}

// bulkCall is a write command of the engine that carries out a run of operations.
type bulkCall struct {
	kind     string
	ns       bulkNamespace
	first    int // the place of its first operation in the command
	count    int
	sequence []byte
}

// groupBulk makes calls of operations, in their order. The engine tells of each document that it inserts, but of updates and
// deletes only the sum; where the client wants to know of each, each is a call.
func groupBulk(ops []bulkOp, errorsOnly bool) []bulkCall {
	var calls []bulkCall
	for i, op := range ops {
		last := len(calls) - 1
		if last < 0 || calls[last].kind != op.kind || calls[last].ns != op.ns || op.kind != "insert" && !errorsOnly {
			calls = append(calls, bulkCall{kind: op.kind, ns: op.ns, first: i})
			last++
		}
		calls[last].count++
		calls[last].sequence = append(calls[last].sequence, op.body...)
	}
	return calls
}

// bulkArguments are the calls as the statement's arrays.
func bulkArguments(r *request, calls []bulkCall, ordered bool) []any {
	kinds, dbs := make([]string, len(calls)), make([]string, len(calls))
	specs, sequences := make([][]byte, len(calls)), make([][]byte, len(calls))
	for i, call := range calls {
		kinds[i], dbs[i] = call.kind, call.ns.db
		specs[i], sequences[i] = bulkSpec(r, call, ordered), call.sequence
	}
	return []any{kinds, dbs, specs, sequences, ordered}
}

// bulkSpec is the engine's command for a call, without its operations.
func bulkSpec(r *request, call bulkCall, ordered bool) []byte {
	b := bsoncore.NewDocumentBuilder().AppendString(call.kind, call.ns.collection).AppendBoolean("ordered", ordered)
	if let := r.field("let"); has(let) && call.kind != "insert" {
		b.AppendValue("let", let)
	}
	if bypass := r.field("bypassDocumentValidation"); has(bypass) && call.kind != "delete" {
		b.AppendBoolean("bypassDocumentValidation", isTrue(bypass))
	}
	return b.Build()
}
