package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

const (
	sqlCollMod = "SELECT documentdb_api.coll_mod($1, $2, $3::bytea)::bytea, " + emitMark + "$4::text), " +
		"EXISTS (SELECT FROM " + catalogOf + " AND collection_name = $2 AND view_definition IS NOT NULL)"
	sqlRename = "SELECT documentdb_api.rename_collection($1, $2, $3, $4), " + emitMark + "$5::text || CASE WHEN EXISTS (SELECT FROM " + catalogOf +
		" AND collection_name = $3) THEN ', which is dropped' ELSE '' END)"

	// sqlTable finds the table of a collection and its size.
	sqlTable = `SELECT collection_id, pg_total_relation_size('documentdb_data.documents_' || collection_id)
		FROM documentdb_api_catalog.collections
		WHERE database_name = $1 AND collection_name = $2 AND view_definition IS NULL`
)

func collMod(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	var reply []byte
	var isView bool
	if err := c.queryRow(ctx, r, sqlCollMod, []any{r.db, coll, []byte(r.spec()), markText(r.command, r.db+"."+coll)}, &reply, nil, &isView); err != nil {
		return nil, err
	}
	if isView {
		if err := c.cluster.namesChanged(ctx); err != nil {
			return nil, err
		}
	}
	fs, err := fields(reply)
	if err != nil {
		return nil, err
	}
	return build(fs, []string{"ok"}, appendOK), nil
}

// renameCollection renames within a database: the engine cannot move documents to another one.
func renameCollection(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	from, err := namespaceNeed(define, r.target)
	if err != nil {
		return nil, err
	}
	to, err := namespaceNeed(define, r.field("to"))
	if err != nil {
		return nil, err
	}
	if from.db != to.db {
		return nil, mongoerr.New(mongoerr.CommandNotSupported,
			"a collection cannot be renamed into another database: copy it with $out and drop it")
	}
	if from.collection == to.collection {
		return nil, mongoerr.New(mongoerr.IllegalOperation, "Can't rename a collection to itself")
	}
	mark := markText(r.command, from.db+"."+from.collection) + " to " + to.db + "." + to.collection
	err = c.exec(ctx, r, sqlRename, from.db, from.collection, to.collection, isTrue(r.field("dropTarget")), mark)
	if err == nil {
		err = c.cluster.namesChanged(ctx)
	}
	if err != nil {
		return nil, err
	}
	return okReply()
}

// compact gives back what deleted documents took, as far as the file system can have it. It locks nobody out.
func compact(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	table, before, err := c.table(ctx, r, coll)
	if err != nil {
		return nil, err
	}
	// A number of our own is all that is put into the statement, which cannot have parameters.
	if err := c.exec(ctx, r, fmt.Sprintf("VACUUM documentdb_data.documents_%d", table), pgx.QueryExecModeExec); err != nil {
		return nil, err
	}
	_, after, err := c.table(ctx, r, coll)
	if err != nil {
		return nil, err
	}
	return marshal(bson.D{{Key: "bytesFreed", Value: max(before-after, 0)}, {Key: "ok", Value: 1.0}})
}

// table returns the number of a collection's table and its size in bytes.
func (c *conn) table(ctx context.Context, r *request, coll string) (number, size int64, err error) {
	err = c.queryRow(ctx, r, sqlTable, []any{r.db, coll}, &number, &size)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, 0, mongoerr.New(mongoerr.NamespaceNotFound, "collection does not exist: %s.%s", r.db, coll)
	}
	return number, size, err
}
