package gateway

import (
	"context"
	"encoding/hex"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/explain"
	"tine/internal/gateway/mongoerr"
)

// explainCommand answers how a command would be run, or is.
func explainCommand(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	verbosity := explain.AllPlansExecution
	if v := r.field("verbosity"); has(v) {
		name, _ := v.StringValueOK()
		verbosity = explain.Verbosity(name)
	}
	if !verbosity.Valid() {
		return nil, mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'explain.verbosity' is not a valid value.", verbosity)
	}
	inner, err := r.explained()
	if err != nil {
		return nil, err
	}
	if err := c.cluster.commands[inner.command].syntax.check(inner); err != nil {
		return nil, err
	}
	return c.explain(ctx, inner, verbosity)
}

// explain plans a command that the user may run.
func (c *conn) explain(ctx context.Context, r *request, v explain.Verbosity) (bsoncore.Document, error) {
	q, function, spec, err := explainable(r)
	if err != nil {
		return nil, err
	}
	q.Verbosity, q.Keys = v, c.indexKeys(ctx, r)
	var plan []byte
	once := []any{pgx.QueryExecModeExec} // the statement is not worth preparing
	if err := c.queryRow(ctx, r, explainSQL(function, r.db, spec, v), once, &plan); err != nil {
		return nil, err
	}
	reply, err := explain.Reply(plan, q)
	if err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(c.cluster.host)
	n, _ := strconv.Atoi(port)
	return marshal(append(reply,
		bson.E{Key: "command", Value: bson.Raw(r.shownIn(r.db))},
		bson.E{Key: "serverInfo", Value: bson.D{
			{Key: "host", Value: host},
			{Key: "port", Value: int32(n)},
			{Key: "version", Value: c.cluster.version.String()},
			{Key: "gitVersion", Value: ""},
		}},
		bson.E{Key: "serverParameters", Value: bson.D{}},
		bson.E{Key: "ok", Value: 1.0},
	))
}

// shownIn is the command as an explanation repeats it.
func (r *request) shownIn(db string) bsoncore.Document {
	return build(r.fields, genericFields(), func(dst []byte) []byte { return bsoncore.AppendStringElement(dst, "$db", db) })
}

// explainSQL is the statement with its arguments in it: the engine plans by their values. The function is one of ours,
// the document is hexadecimal, and the name of a database is quoted.
func explainSQL(function, db string, spec bsoncore.Document, v explain.Verbosity) string {
	options := "FORMAT JSON, COSTS OFF, BUFFERS OFF"
	if v.Executes() {
		options += ", ANALYZE, SUMMARY"
	}
	return "EXPLAIN (" + options + ") SELECT document FROM documentdb_api_catalog." + function +
		"('" + strings.ReplaceAll(db, "'", "''") + `', '\x` + hex.EncodeToString(spec) + "'::bytea::documentdb_core.bson)"
}

// explainable returns what is to be explained, the function that plans it and its argument.
func explainable(r *request) (explain.Query, string, bsoncore.Document, error) {
	q := explain.Query{Command: r.command, Namespace: namespaceOf(r)}
	switch r.command {
	case "find":
		q.Filter, q.Sort, q.Projection = rawOf(r.field("filter")), rawOf(r.field("sort")), rawOf(r.field("projection"))
		q.Skip, _ = asInt64(r.field("skip"))
		q.Limit, _ = asInt64(r.field("limit"))
		return q, "bson_aggregation_find", r.spec(r.emptyFields("sort", "hint")...), nil
	case "count":
		q.Filter = rawOf(r.field("query"))
		return q, "bson_aggregation_count", countSpec(r), nil
	case "distinct":
		q.Filter = rawOf(r.field("query"))
		return q, "bson_aggregation_distinct", r.spec(), nil
	case "aggregate":
		return explainPipeline(q, r)
	case "findAndModify", "findandmodify":
		q.Command = "findAndModify"
		q.Filter, q.Sort = rawOf(r.field("query")), rawOf(r.field("sort"))
		return q, "bson_aggregation_find", findSpec(r, q.Filter, q.Sort, 1), nil
	case "update":
		return explainWrite(q, r, "updates")
	case "delete":
		return explainWrite(q, r, "deletes")
	default:
		return q, "", nil, mongoerr.New(mongoerr.CommandNotFound, "Explain failed due to unknown command: %s", r.command)
	}
}

// explainWrite explains which documents a write looks for: the engine plans no more than that ahead.
func explainWrite(q explain.Query, r *request, operations string) (explain.Query, string, bsoncore.Document, error) {
	list, err := subFields(r.field(operations))
	if err != nil || len(list) != 1 {
		return q, "", nil, mongoerr.New(mongoerr.InvalidLength, "explained write batches must be of size 1")
	}
	op, err := subFields(list[0].value)
	if err != nil {
		return q, "", nil, err
	}
	limit, _ := asInt64(find(op, "limit"))
	if operations == "updates" && !isTrue(find(op, "multi")) {
		limit = 1
	}
	q.Filter, q.Sort = rawOf(find(op, "q")), rawOf(find(op, "sort"))
	return q, "bson_aggregation_find", findSpec(r, q.Filter, q.Sort, limit), nil
}

// explainPipeline leaves the stage out that writes: an explanation changes nothing.
func explainPipeline(q explain.Query, r *request) (explain.Query, string, bsoncore.Document, error) {
	stages, err := subFields(r.field("pipeline"))
	if err != nil {
		return q, "", nil, mongoerr.New(mongoerr.TypeMismatch, "'pipeline' option must be specified as an array")
	}
	var kept [][]byte
	for i, s := range stages {
		fs, err := subFields(s.value)
		if err != nil || len(fs) == 0 {
			return q, "", nil, mongoerr.New(mongoerr.TypeMismatch, "Each element of the 'pipeline' array must be an object")
		}
		switch fs[0].key {
		case "$out", "$merge":
			continue
		case "$match":
			if i == 0 {
				q.Filter = rawOf(fs[0].value)
			}
		case "$sort":
			q.Sorts = true
		case "$currentOp":
			return q, "", nil, mongoerr.New(mongoerr.CommandNotSupported, "$currentOp cannot be explained")
		}
		kept = append(kept, s.value.Data)
	}
	spec := r.specWith(func(dst []byte) []byte {
		dst = appendDocuments(dst, "pipeline", kept)
		return bsoncore.BuildDocumentElement(dst, "cursor")
	}, "pipeline", "cursor", "explain")
	return q, "bson_aggregation_pipeline", spec, nil
}

// findSpec is a find for what another command looks for.
func findSpec(r *request, filter, sort bson.Raw, limit int64) bsoncore.Document {
	coll, _ := r.target.StringValueOK()
	return build(nil, nil, func(dst []byte) []byte {
		dst = bsoncore.AppendStringElement(dst, "find", coll)
		if filter != nil {
			dst = bsoncore.AppendDocumentElement(dst, "filter", bsoncore.Document(filter))
		}
		if len(sort) > emptyDocument {
			dst = bsoncore.AppendDocumentElement(dst, "sort", bsoncore.Document(sort))
		}
		return bsoncore.AppendInt64Element(dst, "limit", limit)
	})
}

// rawOf is a value that is a document, nil if it is something else.
func rawOf(v bsoncore.Value) bson.Raw {
	if v.Type != bsoncore.TypeEmbeddedDocument {
		return nil
	}
	return bson.Raw(v.Data)
}

// indexKeys are the keys of a collection's indexes by their names. A view or a collection that does not exist has none.
func (c *conn) indexKeys(ctx context.Context, r *request) map[string]bson.Raw {
	list, err := c.indexes(ctx, r)
	if err != nil {
		return nil
	}
	keys := make(map[string]bson.Raw, len(list))
	for _, f := range list {
		if index, err := subFields(f.value); err == nil {
			name, _ := find(index, "name").StringValueOK()
			keys[name] = rawOf(find(index, "key"))
		}
	}
	return keys
}

// indexes are the documents that describe the indexes of the command's collection.
func (c *conn) indexes(ctx context.Context, r *request) ([]field, error) {
	coll, _ := r.target.StringValueOK()
	spec, err := marshal(bson.D{{Key: "listIndexes", Value: coll}, {Key: "cursor", Value: bson.D{{Key: "batchSize", Value: int32(maxListed)}}}})
	if err != nil {
		return nil, err
	}
	page, err := c.firstPage(ctx, r, prepared{"list_indexes", sqlListIndexes}, spec)
	if err != nil {
		return nil, err
	}
	return firstBatch(page)
}
