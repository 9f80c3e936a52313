package gateway

import (
	"context"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// parameters are those of MongoDB's that say something true here. None can be set by a client.
func (c *cluster) parameters() bson.D {
	return bson.D{
		{Key: "authenticationMechanisms", Value: bson.A{mechanism}},
		{Key: "cursorTimeoutMillis", Value: cursorIdle.Milliseconds()},
		{Key: "featureCompatibilityVersion", Value: bson.D{{Key: "version", Value: c.version.feature()}}},
		{Key: "localLogicalSessionTimeoutMinutes", Value: int32(sessionMinutes)},
		{Key: "notablescan", Value: false},
		{Key: "quiet", Value: false},
		{Key: "ttlMonitorEnabled", Value: true},
		{Key: "ttlMonitorSleepSecs", Value: int32(60)},
	}
}

// getParameter answers with the parameters that are asked for by their names, or all of them.
func getParameter(_ context.Context, c *conn, r *request) (bsoncore.Document, error) {
	star, _ := r.target.StringValueOK()
	all, details := star == "*", false
	if options, err := subFields(r.target); err == nil {
		all, details = isTrue(find(options, "allParameters")), isTrue(find(options, "showDetails"))
	}
	all = all || isTrue(r.field("allParameters"))
	reply := bson.D{}
	for _, p := range c.cluster.parameters() {
		if !all && !has(r.field(p.Key)) {
			continue
		}
		if details {
			p.Value = bson.D{{Key: "value", Value: p.Value}, {Key: "settableAtRuntime", Value: false}, {Key: "settableAtStartup", Value: false}}
		}
		reply = append(reply, p)
	}
	if len(reply) == 0 {
		return nil, mongoerr.New(mongoerr.InvalidOptions, "no option found to get")
	}
	return marshal(append(reply, bson.E{Key: "ok", Value: 1.0}))
}

// getCmdLineOpts tells what a client can tell from outside, as MongoDB's options.
func getCmdLineOpts(_ context.Context, c *conn, _ *request) (bsoncore.Document, error) {
	return marshal(bson.D{
		{Key: "argv", Value: bson.A{"mongod"}},
		{Key: "parsed", Value: bson.D{
			{Key: "replication", Value: bson.D{{Key: "replSet", Value: c.cluster.spec.Name}}},
			{Key: "security", Value: bson.D{{Key: "authorization", Value: "enabled"}}},
		}},
		{Key: "ok", Value: 1.0},
	})
}

// profile tells that nothing is profiled. Slow operations are in the cluster's log, whose threshold is set through Tine's API.
func profile(_ context.Context, _ *conn, r *request) (bsoncore.Document, error) {
	level, ok := asInt64(r.target)
	if !ok || level < -1 || level > 2 {
		return nil, mongoerr.New(mongoerr.BadValue, "BSON field 'profile.profile' must be -1, 0, 1 or 2")
	}
	if level > 0 || has(r.field("slowms")) || has(r.field("sampleRate")) || has(r.field("filter")) {
		return nil, mongoerr.New(mongoerr.CommandNotSupported, "operations cannot be profiled; the cluster's log has those that are slow")
	}
	return marshal(bson.D{
		{Key: "was", Value: int32(0)}, {Key: "slowms", Value: int32(100)}, {Key: "sampleRate", Value: 1.0}, {Key: "ok", Value: 1.0},
	})
}

// planCacheListFilters has none to list.
func planCacheListFilters(_ context.Context, _ *conn, r *request) (bsoncore.Document, error) {
	if _, err := r.collection(); err != nil {
		return nil, err
	}
	return marshal(bson.D{{Key: "filters", Value: bson.A{}}, {Key: "ok", Value: 1.0}})
}

// planCacheClear has nothing to clear: plans are not kept beyond a connection.
func planCacheClear(_ context.Context, _ *conn, r *request) (bsoncore.Document, error) {
	if _, err := r.collection(); err != nil {
		return nil, err
	}
	return okReply()
}

func getDefaultRWConcern(_ context.Context, c *conn, _ *request) (bsoncore.Document, error) {
	set := c.cluster.settings()
	source := func(value, standard string) string {
		if value == standard {
			return "implicit"
		}
		return "global"
	}
	var w any = set.DefaultWriteConcern
	if n, err := strconv.ParseInt(set.DefaultWriteConcern, 10, 32); err == nil {
		w = int32(n)
	}
	return marshal(bson.D{
		{Key: "defaultReadConcern", Value: bson.D{{Key: "level", Value: set.DefaultReadConcern}}},
		{Key: "defaultWriteConcern", Value: bson.D{{Key: "w", Value: w}, {Key: "wtimeout", Value: int32(0)}}},
		{Key: "defaultWriteConcernSource", Value: source(set.DefaultWriteConcern, majority)},
		{Key: "defaultReadConcernSource", Value: source(set.DefaultReadConcern, "local")},
		{Key: "localUpdateWallClockTime", Value: c.cluster.clock()},
		{Key: "ok", Value: 1.0},
	})
}
