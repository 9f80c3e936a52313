package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// A find by _id that wants the document and nothing else is read from the collection's own table, by the index that the engine would take, too:
// the engine plans every find anew, which costs it more than the reading. Which table that is, is remembered, and checked by the statement
// itself against the catalog in the same snapshot: a collection that was dropped, renamed, sharded or replaced by a view since is no row, and
// then the engine is asked.

const (
	sqlTableOf = "SELECT collection_id FROM documentdb_api_catalog.collections WHERE database_name = $1 AND collection_name = $2 " +
		"AND shard_key IS NULL AND view_definition IS NULL"
	sqlPoint = "SELECT (SELECT d.document::bytea FROM documentdb_data.documents_%[1]d d " +
		"WHERE d.shard_key_value = %[1]d AND d.object_id OPERATOR(documentdb_core.=) $3::bytea::documentdb_core.bson) " +
		"FROM documentdb_api_catalog.collections c WHERE c.collection_id = %[1]d AND c.database_name = $1 AND c.collection_name = $2 " +
		"AND c.shard_key IS NULL AND c.view_definition IS NULL"
	// maxTables is how many collections' tables are remembered; with one more all are forgotten.
	maxTables = 10_000
	// tableAbsence is how long it is remembered that a collection has no table of its own.
	tableAbsence = 10 * time.Second
)

// tables remembers the tables of collections, by namespace.
type tables struct {
	mu    sync.Mutex
	known map[string]table
}

// table is a collection's. Without a statement the collection cannot be read directly, until the time is over.
type table struct {
	point prepared
	until time.Time
}

func (t *tables) get(namespace string) (table, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known, ok := t.known[namespace]
	return known, ok
}

func (t *tables) set(namespace string, known table) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil || len(t.known) >= maxTables {
		t.known = map[string]table{}
	}
	t.known[namespace] = known
}

func (t *tables) forget(namespace string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, namespace)
}

// findByID is a find by _id. ok is false if the engine must be asked.
func (c *conn) findByID(ctx context.Context, r *request, coll string) (page bsoncore.Document, ok bool, err error) {
	id, ok := r.pointOf()
	if !ok || strings.HasPrefix(coll, "system.") {
		return nil, false, nil
	}
	namespace := r.db + "." + coll
	t, err := c.cluster.tableOf(ctx, namespace, r.db, coll)
	if err != nil || t.point.name == "" {
		return nil, false, err
	}
	key := bsoncore.BuildDocumentFromElements(nil, bsoncore.AppendValueElement(nil, "", id))
	a, err := c.cluster.node.read(ctx, asReader(), t.point, []byte(r.db), []byte(coll), key)
	if _, said := errors.AsType[*pgconn.PgError](err); said || err == nil && a.none {
		c.cluster.stats.repeated.Add(1)
		c.cluster.tables.forget(namespace) // the engine's find tells what is wrong, if anything is
		if a != nil {
			err = a.end()
		} else {
			err = nil
		}
		return nil, false, err
	}
	if err != nil {
		return nil, false, err
	}
	c.cluster.stats.points.Add(1)
	return r.keepPage(a, namespace), true, nil
}

// tableOf returns the table of a collection.
func (c *cluster) tableOf(ctx context.Context, namespace, db, coll string) (table, error) {
	if t, ok := c.tables.get(namespace); ok && (t.point.name != "" || c.clock().Before(t.until)) {
		return t, nil
	}
	var number int64
	t := table{until: c.clock().Add(tableAbsence)}
	switch err := c.node.queryRow(ctx, asReader(), sqlTableOf, []any{db, coll}, &number); {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return table{}, err
	default:
		t.point = prepared{fmt.Sprintf("point_%d", number), fmt.Sprintf(sqlPoint, number)}
	}
	c.tables.set(namespace, t)
	return t, nil
}

// pointOf returns the _id that a find asks for, if it asks for nothing else.
func (r *request) pointOf() (id bsoncore.Value, ok bool) {
	if r.txn != nil {
		return id, false
	}
	for i := range r.fields[1:] {
		f := &r.fields[1+i]
		switch f.key {
		case "filter":
			if id, ok = idOf(f.value); !ok {
				return id, false
			}
		case "limit", "batchSize":
			if n, isNumber := asInt64(f.value); !isNumber || n < 1 {
				return id, false
			}
		case "singleBatch", "allowPartialResults", "noCursorTimeout", "allowDiskUse":
			if f.value.Type != bsoncore.TypeBoolean {
				return id, false
			}
		case "maxTimeMS", "comment": // the gateway's own
		case "$db", "lsid", "$clusterTime", "$readPreference", "readConcern", "apiVersion", "apiStrict", "apiDeprecationErrors":
		default:
			return id, false
		}
	}
	return id, ok
}

// idOf returns the value that a filter compares _id with, if it does nothing else and every value equals only those that the index finds.
func idOf(filter bsoncore.Value) (id bsoncore.Value, ok bool) {
	doc, isDocument := filter.DocumentOK()
	if !isDocument {
		return id, false
	}
	fs, err := fields(doc)
	if err != nil || len(fs) != 1 || fs[0].key != "_id" {
		return id, false
	}
	id = fs[0].value
	switch id.Type { //nolint:exhaustive // the others have rules of their own
	case bsoncore.TypeObjectID, bsoncore.TypeString, bsoncore.TypeInt32, bsoncore.TypeInt64, bsoncore.TypeBinary, bsoncore.TypeDateTime, bsoncore.TypeBoolean,
		bsoncore.TypeTimestamp:
		return id, true
	case bsoncore.TypeDouble:
		return id, !math.IsNaN(id.Double())
	default:
		return id, false
	}
}
