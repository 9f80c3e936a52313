package gateway

import (
	"context"
	"slices"

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
	return c.write(ctx, r, modification{"insert", sqlInsert, sqlInsertOnce}, "documents")
}

func update(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	return c.write(ctx, r, modification{"update", sqlUpdate, sqlUpdateOnce}, "updates")
}

func remove(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	return c.write(ctx, r, modification{"delete", sqlDelete, sqlDeleteOnce}, "deletes")
}

// modification has the statements of a command that writes: sql, and once if it must leave a record.
type modification struct{ name, sql, once string }

// write runs a write command whose operations may come in a document sequence.
func (c *conn) write(ctx context.Context, r *request, w modification, operations string) (bsoncore.Document, error) {
	if _, err := r.collection(); err != nil {
		return nil, err
	}
	sequence, err := r.sequence(operations)
	if err != nil {
		return nil, err
	}
	return c.modify(ctx, r, w, r.spec(), sequence)
}

func findAndModify(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	if _, err := r.collection(); err != nil {
		return nil, err
	}
	return c.modify(ctx, r, modification{"find_and_modify", sqlFindAndModify, sqlFindAndModifyOnce}, r.spec())
}

// modify runs one of the engine's writes, whose arguments follow the name of the database, and reads its reply.
func (c *conn) modify(ctx context.Context, r *request, w modification, args ...[]byte) (reply bsoncore.Document, err error) {
	var clean bool
	if r.txn == nil {
		reply, clean, err = c.writePrepared(ctx, r, w, args)
	} else {
		all := []any{r.db}
		for _, arg := range args {
			all = append(all, arg)
		}
		reply, clean, err = c.runWrite(ctx, r, w.sql, w.once, all)
	}
	if err != nil || clean {
		return reply, err
	}
	r.writeErrors = true
	return decodeWriteErrors(reply)
}

// writePrepared is runWrite outside of transactions, for statements that come often.
func (c *conn) writePrepared(ctx context.Context, r *request, w modification, args [][]byte) (reply []byte, clean bool, err error) {
	statement, params := prepared{w.name, w.sql}, append([][]byte{[]byte(r.db)}, args...)
	if r.numbered {
		statement = prepared{w.name + "_once", w.once}
		params = append(params, r.session.key.bytes(), int8Param(r.txnNumber), boolParam(r.newNumber))
	}
	known := false
	err = untilNoConflict(ctx, func() error {
		return c.cluster.node.write(ctx, asWriter(), statement, params, func(values [][]byte) {
			reply, clean = slices.Clone(values[0]), isTrueValue(values[1])
			known = len(values) > 2 && isTrueValue(values[2])
		})
	})
	if err != nil {
		return nil, false, err
	}
	if known {
		c.cluster.replayed.Add(1)
	}
	return reply, clean, nil
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
