package gateway

import (
	"context"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

func itoa(n int32) string { return strconv.Itoa(int(n)) }

// scope is which operations a list shows.
type scope struct {
	all  bool // those of other users, too
	idle bool // connections without one, too
}

// operations lists what runs, as documents of $currentOp.
func (c *conn) operations(s scope) bson.A {
	list, now := bson.A{}, c.cluster.clock()
	c.cluster.eachConn(func(other *conn) {
		if (s.all || other.running.user == c.user) && (s.idle || other.running.op != nil) {
			// Encoded at once: when the lock is gone, so may be the message that it shows.
			if doc, err := bson.Marshal(other.describe(now)); err == nil {
				list = append(list, bson.Raw(doc))
			}
		}
	})
	return list
}

// oversees reports whether the user may see what others run.
func (c *conn) oversees() bool { return c.grants.allow(monitor, adminDatabase) }

// currentOp lists operations. Its fields are a filter on what it lists, so it is a pipeline.
func currentOp(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	own := isTrue(r.field("$ownOps"))
	s := scope{all: !own, idle: isTrue(r.field("$all"))}
	if s.all && !c.oversees() {
		return nil, notAuthorized(r.db, r.command)
	}
	filter := build(r.fields[1:], append(genericFields(), "$ownOps", "$all"), nil)
	pipeline := bson.A{bson.D{{Key: "$match", Value: bson.Raw(filter)}}}
	page, err := c.ofDocuments(ctx, r, c.operations(s), pipeline)
	if err != nil {
		return nil, err
	}
	fs, err := firstBatch(page)
	if err != nil {
		return nil, err
	}
	inprog := make([][]byte, 0, len(fs))
	for _, f := range fs {
		inprog = append(inprog, f.value.Data)
	}
	return build(nil, nil, func(dst []byte) []byte { return appendOK(appendDocuments(dst, "inprog", inprog)) }), nil
}

// firstBatch is the documents of a cursor's first page.
func firstBatch(page bsoncore.Document) ([]field, error) {
	fs, err := fields(page)
	if err != nil {
		return nil, err
	}
	cur, err := subFields(find(fs, "cursor"))
	if err != nil {
		return nil, err
	}
	return subFields(find(cur, "firstBatch"))
}

// ofDocuments runs a pipeline over documents that the gateway has made.
func (c *conn) ofDocuments(ctx context.Context, r *request, docs, pipeline bson.A) (bsoncore.Document, error) {
	source := bson.D{{Key: "$documents", Value: bson.D{{Key: "$literal", Value: docs}}}}
	spec, err := marshal(bson.D{
		{Key: "aggregate", Value: int32(1)},
		{Key: "pipeline", Value: slices.Concat(bson.A{source}, pipeline)},
		{Key: "cursor", Value: bson.D{{Key: "batchSize", Value: int32(maxListed)}}},
	})
	if err != nil {
		return nil, err
	}
	return c.firstPage(ctx, r, prepared{"aggregate", sqlAggregate}, spec)
}

// maxListed is above the number of connections of any plan.
const maxListed = 1_000_000

// withOperations is an aggregate command whose $currentOp has been replaced by what it stands for.
func (c *conn) withOperations(r *request, stages []field) (bsoncore.Document, error) {
	if _, onDatabase := r.target.StringValueOK(); onDatabase || r.db != adminDatabase {
		return nil, mongoerr.New(mongoerr.InvalidNamespace, "$currentOp must be run against the 'admin' database with {aggregate: 1}")
	}
	stage, err := subFields(stages[0].value)
	if err != nil {
		return nil, err
	}
	s, err := c.readScope(stage[0].value)
	if err != nil {
		return nil, err
	}
	return r.startingWith(c.operations(s), stages[1:])
}

// readScope reads the options of $currentOp.
func (c *conn) readScope(v bsoncore.Value) (scope, error) {
	options, err := subFields(v)
	if err != nil {
		return scope{}, mongoerr.New(mongoerr.FailedToParse, "$currentOp options must be specified in an object, but found: %s", typeName(v.Type))
	}
	var s scope
	for _, f := range options {
		on, ok := f.value.BooleanOK()
		if !ok {
			return scope{}, mongoerr.New(mongoerr.FailedToParse, "The '%s' parameter of the $currentOp stage must be a boolean value, but found: %s",
				f.key, typeName(f.value.Type))
		}
		switch f.key {
		case "allUsers":
			s.all = on
		case "idleConnections":
			s.idle = on
		case "idleSessions", "idleCursors", "localOps", "truncateOps", "backtrace", "targetAllNodes": // there are none, or it is so anyway
		default:
			return scope{}, mongoerr.New(mongoerr.FailedToParse, "Unrecognized option '%s' in $currentOp stage.", f.key)
		}
	}
	if s.all && !c.oversees() {
		return scope{}, notAuthorized(adminDatabase, "aggregate")
	}
	return s, nil
}

// killOp ends an operation: the user's own, or anybody's for who oversees the cluster. As in MongoDB the answer is the same if
// there is no such operation.
func killOp(_ context.Context, c *conn, r *request) (bsoncore.Document, error) {
	id, ok := asInt64(r.field("op"))
	if !ok {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'killOp.op' must be a whole number")
	}
	all := c.grants.allow(manage, adminDatabase)
	may := func(user string) bool { return all || user == c.user }
	if !c.cluster.kill(int32(id), may) && !all {
		return nil, notAuthorized(r.db, r.command)
	}
	return marshal(bson.D{{Key: "info", Value: "attempting to kill op"}, {Key: "ok", Value: 1.0}})
}
