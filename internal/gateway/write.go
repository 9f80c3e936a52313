package gateway

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

const (
	sqlInsert        = "SELECT p_result::bytea, p_success FROM documentdb_api.insert($1, $2::bytea, $3::bytea)"
	sqlUpdate        = "SELECT p_result::bytea, p_success FROM documentdb_api.update($1, $2::bytea, $3::bytea)"
	sqlDelete        = "SELECT p_result::bytea, p_success FROM documentdb_api.delete($1, $2::bytea, $3::bytea)"
	sqlFindAndModify = "SELECT p_result::bytea, p_success FROM documentdb_api.find_and_modify($1, $2::bytea)"
)

func insert(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	return c.write(ctx, r, sqlInsert, sqlInsertOnce, "documents")
}

func update(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	return c.write(ctx, r, sqlUpdate, sqlUpdateOnce, "updates")
}

func remove(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	return c.write(ctx, r, sqlDelete, sqlDeleteOnce, "deletes")
}

// write runs a write command whose operations may come in a document sequence: by sql, or by once if it must leave a record.
func (c *conn) write(ctx context.Context, r *request, sql, once, operations string) (bsoncore.Document, error) {
	if _, err := r.collection(); err != nil {
		return nil, err
	}
	sequence, err := r.sequence(operations)
	if err != nil {
		return nil, err
	}
	return c.modify(ctx, r, sql, once, []any{r.db, []byte(r.spec()), sequence})
}

func findAndModify(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	if _, err := r.collection(); err != nil {
		return nil, err
	}
	return c.modify(ctx, r, sqlFindAndModify, sqlFindAndModifyOnce, []any{r.db, []byte(r.spec())})
}

// modify runs one of the engine's writes and reads its reply.
func (c *conn) modify(ctx context.Context, r *request, sql, once string, args []any) (bsoncore.Document, error) {
	reply, clean, err := c.runWrite(ctx, r, sql, once, args)
	if err != nil || clean {
		return reply, err
	}
	r.writeErrors = true
	return decodeWriteErrors(reply)
}

// runWrite runs a statement that writes, sql or with a record once, and returns its reply and whether all of it succeeded.
func (c *conn) runWrite(ctx context.Context, r *request, sql, once string, args []any) (reply []byte, clean bool, err error) {
	var known bool
	dest := []any{&reply, &clean}
	if r.numbered {
		sql, args, dest = once, append(args, r.session.key.bytes(), r.txnNumber, r.newNumber), append(dest, &known)
	}
	if err := c.queryRow(ctx, r, sql, args, dest...); err != nil {
		return nil, false, err
	}
	if known {
		c.cluster.replayed.Add(1)
	}
	return reply, clean, nil
}

// decodeWriteErrors replaces the packed states in a reply's writeErrors by MongoDB's codes. If one of them says that the
// command could not do its work, it is the command that has failed.
func decodeWriteErrors(reply bsoncore.Document) (bsoncore.Document, error) {
	fs, err := fields(reply)
	if err != nil {
		return nil, err
	}
	list := find(fs, "writeErrors")
	if !has(list) {
		return reply, nil
	}
	entries, err := subFields(list)
	if err != nil {
		return nil, err
	}
	decoded := make([][]byte, 0, len(entries))
	for _, e := range entries {
		doc, err := decodeWriteError(e.value)
		if err != nil {
			return nil, err
		}
		decoded = append(decoded, doc)
	}
	return build(fs, []string{"writeErrors"}, func(dst []byte) []byte {
		return appendDocuments(dst, "writeErrors", decoded)
	}), nil
}

func decodeWriteError(v bsoncore.Value) ([]byte, error) {
	fs, err := subFields(v)
	if err != nil {
		return nil, err
	}
	packed, _ := asInt64(find(fs, "code"))
	message, _ := find(fs, "errmsg").StringValueOK()
	state := mongoerr.Unpack(int32(packed))
	me := mongoerr.FromState(state, message, nil)
	if mongoerr.IsCommandFailure(state, message) {
		return nil, me
	}
	return build(fs, []string{"code", "errmsg"}, func(dst []byte) []byte {
		dst = bsoncore.AppendInt32Element(dst, "code", int32(me.Code))
		return bsoncore.AppendStringElement(dst, "errmsg", me.Message)
	}), nil
}

// appendDocuments appends an array of documents.
func appendDocuments(dst []byte, key string, docs [][]byte) []byte {
	array := bsoncore.NewArrayBuilder()
	for _, d := range docs {
		array.AppendDocument(d)
	}
	return bsoncore.AppendArrayElement(dst, key, array.Build())
}
