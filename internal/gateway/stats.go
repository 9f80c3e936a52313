package gateway

import (
	"context"
	"math"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

const (
	sqlCollStats = "SELECT documentdb_api.coll_stats($1, $2, $3)::bytea"
	sqlDBStats   = "SELECT documentdb_api.db_stats($1, $2, $3)::bytea"
	sqlValidate  = "SELECT documentdb_api.validate($1, $2::bytea)::bytea"
)

// exactCount counts the documents of a collection. What the engine's statistics say is an estimate, which is far off after a
// fork or a crash.
func (c *conn) exactCount(ctx context.Context, r *request, coll string) (int64, error) {
	spec, err := marshal(bson.D{{Key: "count", Value: coll}, {Key: "query", Value: bson.D{{Key: "$comment", Value: "exact"}}}})
	if err != nil {
		return 0, err
	}
	reply, err := c.document(ctx, r, sqlCount, spec)
	if err != nil {
		return 0, err
	}
	fs, err := fields(reply)
	if err != nil {
		return 0, err
	}
	n, _ := asInt64(find(fs, "n"))
	return n, nil
}

// scaleOf is the number of bytes that sizes are to be told in.
func scaleOf(r *request) (float64, error) {
	v := r.field("scale")
	if !has(v) {
		return 1, nil
	}
	n, ok := asInt64(v)
	if f, isDouble := v.DoubleOK(); isDouble && math.Abs(f) < 1<<53 {
		n, ok = int64(f), true
	}
	if !ok || n < 1 {
		return 0, mongoerr.New(51024, "BSON field 'scale' value must be >= 1, actual value '%d'", n)
	}
	return float64(n), nil
}

func collStats(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	scale, err := scaleOf(r)
	if err != nil {
		return nil, err
	}
	stats, err := c.collectionStats(ctx, r, coll, scale)
	if err != nil {
		return nil, err
	}
	return marshal(append(stats, bson.E{Key: "ok", Value: 1.0}))
}

// collectionStats is what the engine says of a collection, with its documents counted.
func (c *conn) collectionStats(ctx context.Context, r *request, coll string, scale float64) (bson.D, error) {
	var raw []byte
	if err := c.queryRow(ctx, r, sqlCollStats, []any{r.db, coll, scale}, &raw); err != nil {
		return nil, err
	}
	fs, err := fields(raw)
	if err != nil {
		return nil, err
	}
	n, err := c.exactCount(ctx, r, coll)
	if err != nil {
		return nil, err
	}
	average, _ := asInt64(find(fs, "avgObjSize"))
	if average == 0 && n > 0 { // the engine has no statistics; what is stored is an upper bound
		stored, _ := asInt64(find(fs, "storageSize"))
		average = int64(float64(stored) * scale / float64(n))
	}
	stats := bson.D{
		{Key: "ns", Value: r.db + "." + coll},
		{Key: "size", Value: int64(float64(n*average) / scale)},
		{Key: "count", Value: n},
	}
	if n > 0 {
		stats = append(stats, bson.E{Key: "avgObjSize", Value: average})
	}
	stats = append(stats, bson.E{Key: "numOrphanDocs", Value: int64(0)}, bson.E{Key: "capped", Value: false})
	for _, f := range fs {
		switch f.key {
		case "ns", "size", "count", "avgObjSize", "analyzedCount", "ok":
		default:
			stats = append(stats, bson.E{Key: f.key, Value: bson.RawValue{Type: bson.Type(f.value.Type), Value: f.value.Data}})
		}
	}
	return stats, nil
}

// collectionNames are the collections of a database that hold documents.
func (c *conn) collectionNames(ctx context.Context, r *request) ([]string, error) {
	spec, err := marshal(bson.D{
		{Key: "listCollections", Value: int32(1)},
		{Key: "nameOnly", Value: true},
		{Key: "filter", Value: bson.D{{Key: "type", Value: "collection"}}},
		{Key: "cursor", Value: bson.D{{Key: "batchSize", Value: int32(maxListed)}}},
	})
	if err != nil {
		return nil, err
	}
	page, err := c.firstPage(ctx, r, prepared{"list_collections", sqlListCollections}, spec)
	if err != nil {
		return nil, err
	}
	batch, err := firstBatch(page)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(batch))
	for _, f := range batch {
		about, err := subFields(f.value)
		if err != nil {
			return nil, err
		}
		name, _ := find(about, "name").StringValueOK()
		names = append(names, name)
	}
	return names, nil
}

func dbStats(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	scale, err := scaleOf(r)
	if err != nil {
		return nil, err
	}
	var raw []byte
	if err := c.queryRow(ctx, r, sqlDBStats, []any{r.db, scale, isTrue(r.field("freeStorage"))}, &raw); err != nil {
		return nil, err
	}
	fs, err := fields(raw)
	if err != nil {
		return nil, err
	}
	names, err := c.collectionNames(ctx, r)
	if err != nil {
		return nil, err
	}
	var objects int64
	for _, name := range names {
		n, err := c.exactCount(ctx, r, name)
		if err != nil {
			return nil, err
		}
		objects += n
	}
	size, _ := find(fs, "dataSize").DoubleOK()
	average := 0.0
	if objects > 0 {
		average = size * scale / float64(objects)
	}
	return build(fs, []string{"objects", "avgObjSize", "ok"}, func(dst []byte) []byte {
		dst = bsoncore.AppendInt64Element(dst, "objects", objects)
		return appendOK(bsoncore.AppendDoubleElement(dst, "avgObjSize", average))
	}), nil
}

// dataSize measures a collection.
func dataSize(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	ns, _ := r.target.StringValueOK()
	db, coll, _ := strings.Cut(ns, ".")
	if db != r.db || coll == "" {
		return nil, mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace specified '%s': it should be a collection of %s", ns, r.db)
	}
	start := time.Now()
	stats, err := c.collectionStats(ctx, r, coll, 1)
	if err != nil {
		return nil, err
	}
	return marshal(bson.D{
		{Key: "estimate", Value: true},
		{Key: "size", Value: stats[1].Value},
		{Key: "numObjects", Value: stats[2].Value},
		{Key: "millis", Value: time.Since(start).Milliseconds()},
		{Key: "ok", Value: 1.0},
	})
}

// validate has the engine check a collection's indexes, and counts its documents.
func validate(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	spec := r.spec("metadata", "checkBSONConformance")
	reply, err := c.document(ctx, r, sqlValidate, spec)
	if err != nil {
		return nil, err
	}
	fs, err := fields(reply)
	if err != nil {
		return nil, err
	}
	n, err := c.exactCount(ctx, r, coll)
	if err != nil {
		return nil, err
	}
	indexes, _ := asInt64(find(fs, "nIndexes"))
	return build(fs, []string{"nIndexes", "ok"}, func(dst []byte) []byte {
		dst = bsoncore.AppendInt32Element(dst, "nIndexes", int32(indexes))
		dst = bsoncore.AppendInt64Element(dst, "nInvalidDocuments", 0)
		dst = bsoncore.AppendInt64Element(dst, "nrecords", n)
		return appendOK(dst)
	}), nil
}

// withStats is an aggregate command whose $collStats has been replaced by what it stands for, with the documents counted.
func (c *conn) withStats(ctx context.Context, r *request, stages []field) (bsoncore.Document, error) {
	coll, err := r.collection()
	if err != nil {
		return nil, err
	}
	stage, err := subFields(stages[0].value)
	if err != nil {
		return nil, err
	}
	options, err := subFields(stage[0].value)
	if err != nil {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$collStats must take a nested object but found a %s", typeName(stage[0].value.Type))
	}
	doc := bson.D{{Key: "ns", Value: r.db + "." + coll}, {Key: "host", Value: c.cluster.host}, {Key: "localTime", Value: c.cluster.clock()}}
	for _, o := range options {
		more, err := c.statsOption(ctx, r, coll, o)
		if err != nil {
			return nil, err
		}
		doc = append(doc, more)
	}
	return r.startingWith(bson.A{doc}, stages[1:])
}

// statsOption is the part of $collStats that an option asks for.
func (c *conn) statsOption(ctx context.Context, r *request, coll string, o field) (bson.E, error) {
	about, err := subFields(o.value)
	if err != nil || o.value.Type != bsoncore.TypeEmbeddedDocument {
		return bson.E{}, mongoerr.New(mongoerr.TypeMismatch, "BSON field '$collStats.%s' is the wrong type '%s', expected type 'object'", o.key, typeName(o.value.Type))
	}
	switch o.key {
	case "count":
		n, err := c.exactCount(ctx, r, coll)
		return bson.E{Key: "count", Value: n}, err
	case "storageStats":
		scale, err := scaleOf(&request{fields: about})
		if err != nil {
			return bson.E{}, err
		}
		stats, err := c.collectionStats(ctx, r, coll, scale)
		if err != nil {
			return bson.E{}, err
		}
		return bson.E{Key: "storageStats", Value: stats[1:]}, nil // its ns stands outside
	case "latencyStats", "queryExecStats", "operationStats":
		return bson.E{}, mongoerr.New(mongoerr.CommandNotSupported, "$collStats.%s is not supported: it is not measured", o.key)
	default:
		return bson.E{}, unknownField("$collStats", o.key)
	}
}

// startingWith is the command with documents in place of the collection and the first stages.
func (r *request) startingWith(docs bson.A, rest []field) (bsoncore.Document, error) {
	pipeline := bson.A{bson.D{{Key: "$documents", Value: bson.D{{Key: "$literal", Value: docs}}}}}
	for _, st := range rest {
		pipeline = append(pipeline, bson.RawValue{Type: bson.Type(st.value.Type), Value: st.value.Data})
	}
	encoded, err := marshal(bson.D{{Key: "aggregate", Value: int32(1)}, {Key: "pipeline", Value: pipeline}})
	if err != nil {
		return nil, err
	}
	inside, _ := documentBody(encoded)
	return r.specWith(func(dst []byte) []byte { return append(dst, inside...) }, "aggregate", "pipeline", "hint"), nil
}
