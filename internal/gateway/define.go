package gateway

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

const (
	// A command that changes nothing is not marked.
	sqlCreate = "SELECT documentdb_api.create_collection_view($1, $2::bytea)::bytea, CASE WHEN NOT EXISTS (SELECT FROM " + catalogOf +
		" AND collection_name = $3) THEN " + emitMark + "$4::text) END"
	sqlDrop = "SELECT existed, CASE WHEN existed THEN " + emitMark +
		"$3::text) END, EXISTS (SELECT FROM " + catalogOf + " AND collection_name = $2 AND view_definition IS NOT NULL) " +
		"FROM (SELECT documentdb_api.drop_collection($1, $2) AS existed OFFSET 0) AS dropped"
	sqlDropDatabase = "SELECT documentdb_api.drop_database($1), CASE WHEN EXISTS (SELECT FROM " + catalogOf + ") THEN " + emitMark +
		"$2::text) END, EXISTS (SELECT FROM " + catalogOf + "), EXISTS (SELECT FROM " + catalogOf + " AND view_definition IS NOT NULL)"

	sqlListDatabases = "SELECT documentdb_api.list_databases($1::bytea)::bytea"

	// catalogOf are the collections of the database $1 as they are when the statement begins.
	catalogOf = "documentdb_api_catalog.collections WHERE database_name = $1"
)

func create(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	if has(r.field("viewOn")) {
		defer c.cluster.views.begin()()
	}
	var reply []byte
	args := []any{r.db, []byte(r.spec()), coll, markText(r.command, r.db+"."+coll)}
	if err := c.queryRow(ctx, r, sqlCreate, args, &reply, nil); err != nil {
		return nil, err
	}
	return reply, nil
}

func drop(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	var existed, isView bool
	before := time.Now()
	if err := c.queryRow(ctx, r, sqlDrop, []any{r.db, coll, markText(r.command, r.db+"."+coll)}, &existed, nil, &isView); err != nil {
		return nil, err
	}
	if isView {
		if err := c.cluster.namesChanged(ctx); err != nil {
			return nil, err
		}
	}
	if !existed && c.cluster.version.major >= 7 {
		return okReply() // a drop can be repeated from then on
	}
	if !existed {
		return nil, mongoerr.New(mongoerr.NamespaceNotFound, "ns not found")
	}
	c.cluster.dropped(before, r.db+"."+coll)
	return marshal(bson.D{{Key: "ns", Value: r.db + "." + coll}, {Key: "ok", Value: 1.0}})
}

// dropped tells who wants to know that something was dropped.
func (c *cluster) dropped(before time.Time, namespace string) {
	if c.tellDrop != nil {
		c.tellDrop(c.spec.ID, before, namespace)
	}
}

func dropDatabase(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	var existed, hadViews bool
	before := time.Now()
	if err := c.queryRow(ctx, r, sqlDropDatabase, []any{r.db, markText(r.command, r.db)}, nil, nil, &existed, &hadViews); err != nil {
		return nil, err
	}
	if hadViews || c.cluster.views.since(before, c.cluster.settings().TransactionLifetime) { // one that came while this waited for a lock is dropped, too
		if err := c.cluster.namesChanged(ctx); err != nil {
			return nil, err
		}
	}
	if existed {
		c.cluster.dropped(before, r.db)
	}
	return marshal(bson.D{{Key: "dropped", Value: r.db}, {Key: "ok", Value: 1.0}})
}

func listCollections(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	page, err := c.firstPage(ctx, r, prepared{"list_collections", sqlListCollections}, r.spec())
	if err != nil {
		return nil, err
	}
	return rewritePage(page, r.db+".$cmd.listCollections", func(coll []field) []byte {
		if find(coll, "idIndex").Type == bsoncore.TypeNull { // a view has none
			return build(coll, []string{"idIndex"}, nil)
		}
		return nil
	})
}

// listDatabases shows a user the databases on which it may do anything.
func listDatabases(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	if r.db != adminDatabase {
		return nil, mongoerr.New(mongoerr.Unauthorized, "listDatabases may only be run against the admin database.")
	}
	var reply []byte
	spec := r.spec("authorizedDatabases")
	if err := c.queryRow(ctx, r, sqlListDatabases, []any{[]byte(spec)}, &reply); err != nil {
		return nil, err
	}
	fs, err := fields(reply)
	if err != nil {
		return nil, err
	}
	all, err := subFields(find(fs, "databases"))
	if err != nil {
		return nil, err
	}
	seen, err := c.visible(all)
	if err != nil {
		return nil, err
	}
	return build(fs, []string{"databases"}, func(dst []byte) []byte { return appendDocuments(dst, "databases", seen) }), nil
}

// visible returns the databases that the user may see, in the order of their names.
func (c *conn) visible(databases []field) ([][]byte, error) {
	docs := map[string][]byte{}
	for _, db := range databases {
		about, err := subFields(db.value)
		if err != nil {
			return nil, err
		}
		if name, _ := find(about, "name").StringValueOK(); c.grants.sees(name) {
			docs[name] = db.value.Data
		}
	}
	seen := make([][]byte, 0, len(docs))
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		seen = append(seen, docs[name])
	}
	return seen, nil
}
