package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"math"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// The engine can group documents by sorting them or by hashing what they are grouped by. Hashing takes half the time, but the engine's hash of some
// values that are equal differs, of the decimals 0.1 and 0.10 for one, and then they become two groups. So connections have hashing switched off, and
// it is used only where it shows in the result whether such a value was there: where every group is in the page that is returned. If one was, the
// pipeline is run again.

// sqlHash has the statement that follows in the same transaction group by hash.
const sqlHash = "SELECT set_config('enable_hashagg', 'on', true), set_config('enable_sort', 'off', true)"

// aggregatePage is the first page of an aggregate command outside of transactions.
func (c *conn) aggregatePage(ctx context.Context, r *request, spec bsoncore.Document) (bsoncore.Document, error) {
	statement := prepared{"aggregate", sqlAggregate}
	if !showsGroups(r.field("pipeline")) {
		page, _, err := c.replyPage(ctx, r, statement, spec)
		return page, err
	}
	shape := c.cluster.fits.shapeOf(r, "pipeline", "cursor")
	if c.cluster.fits.expected(shape) {
		page, ok, err := c.hashedPage(ctx, r, statement, spec)
		if ok || err != nil {
			return page, err
		}
		c.cluster.fits.note(shape, false)
	}
	page, whole, err := c.replyPage(ctx, r, statement, spec)
	if err == nil {
		c.cluster.fits.note(shape, whole && hashesWell(page))
	}
	return page, err
}

// hashedPage groups by hash. ok is false if the result cannot be relied upon.
func (c *conn) hashedPage(ctx context.Context, r *request, s prepared, spec bsoncore.Document) (page bsoncore.Document, ok bool, err error) {
	a, err := c.openPage(ctx, r, []prepared{{"hash", sqlHash}}, s, spec)
	if err != nil {
		return nil, false, err
	}
	if len(a.values[1]) == 0 && hashesWell(a.values[0]) {
		c.cluster.stats.hashed.Add(1)
		return r.keep(a, a.values[0]), true, nil
	}
	c.cluster.stats.repeated.Add(1)
	id := int64(binary.BigEndian.Uint64(a.values[3]))
	more := len(a.values[1]) > 0
	if err := a.end(); err != nil {
		return nil, false, err
	}
	if more {
		c.cluster.deleteFiles(ctx, []int64{id})
	}
	return nil, false, nil
}

// showsGroups says whether the results of a pipeline are its groups, each with what it was grouped by.
func showsGroups(pipeline bsoncore.Value) bool {
	stages, err := subFields(pipeline)
	if err != nil {
		return false
	}
	grouped := false
	for _, stage := range stages {
		switch name := stageName(stage); {
		case !grouped && name == "$group":
			grouped = true
		case name == "$match" && !grouped, name == "$sort" && grouped:
		case !grouped && (name == "$project" || name == "$set" || name == "$addFields" || name == "$unset" || name == "$unwind"):
		default:
			return false
		}
	}
	return grouped
}

// errHashesBadly ends a search.
var errHashesBadly = errors.New("there is a value whose equals have other hashes")

// hashesWell says whether no document of a page has an _id, nor anything in it, whose equals may have other hashes.
func hashesWell(page bsoncore.Document) bool {
	docs, err := firstBatch(page)
	if err != nil {
		return false
	}
	for _, doc := range docs {
		id, err := bsoncore.Document(doc.value.Data).LookupErr("_id")
		if err != nil || checkHash(id, 0) != nil {
			return false
		}
	}
	return true
}

// checkHash looks for values whose equals have other hashes: decimals, and the least long, which is a double as well.
func checkHash(v bsoncore.Value, depth int) error {
	switch v.Type { //nolint:exhaustive // all others hash well
	case bsoncore.TypeDecimal128:
		return errHashesBadly
	case bsoncore.TypeInt64:
		if v.Int64() == math.MinInt64 {
			return errHashesBadly
		}
	case bsoncore.TypeDouble:
		if v.Double() == math.MinInt64 {
			return errHashesBadly
		}
	case bsoncore.TypeEmbeddedDocument, bsoncore.TypeArray:
		if depth == deepestShape {
			return errHashesBadly
		}
		return scan(v.Data, func(_ []byte, v bsoncore.Value) error { return checkHash(v, depth+1) })
	}
	return nil
}
