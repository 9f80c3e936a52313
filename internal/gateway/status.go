package gateway

import (
	"context"
	"math"
	"os"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// opcounters count commands by MongoDB's kinds of work.
type opcounters struct {
	insert, query, update, remove, getMore, command atomic.Int64
}

// count adds a command.
func (o *opcounters) count(command string) {
	switch kindOf(command) {
	case "insert":
		o.insert.Add(1)
	case "query":
		o.query.Add(1)
	case "update":
		o.update.Add(1)
	case "remove":
		o.remove.Add(1)
	case "getmore":
		o.getMore.Add(1)
	default:
		o.command.Add(1)
	}
}

func (o *opcounters) document() bson.D {
	return bson.D{
		{Key: "insert", Value: o.insert.Load()},
		{Key: "query", Value: o.query.Load()},
		{Key: "update", Value: o.update.Load()},
		{Key: "delete", Value: o.remove.Load()},
		{Key: "getmore", Value: o.getMore.Load()},
		{Key: "command", Value: o.command.Load()},
	}
}

// serverStatus tells what the gateway knows of itself. A section can be left out by its name, with 0.
func serverStatus(_ context.Context, c *conn, r *request) (bsoncore.Document, error) {
	cl := c.cluster
	status := bson.D{
		{Key: "host", Value: cl.host},
		{Key: "version", Value: cl.version.String()},
		{Key: "process", Value: "mongod"},
		{Key: "pid", Value: int64(os.Getpid())},
		{Key: "uptime", Value: math.Floor(cl.uptime().Seconds())}, // a whole number, as mongostat wants it
		{Key: "uptimeMillis", Value: cl.uptime().Milliseconds()},
		{Key: "uptimeEstimate", Value: int64(cl.uptime().Seconds())},
		{Key: "localTime", Value: cl.clock()},
	}
	for _, section := range cl.sections() {
		if v := r.field(section.Key); !has(v) || isTrue(v) {
			status = append(status, section)
		}
	}
	return marshal(append(status, bson.E{Key: "ok", Value: 1.0}))
}

// sections are the parts of serverStatus. MongoDB has more; what is not measured is not there.
func (c *cluster) sections() bson.D {
	open, active := c.connections(), 0
	c.eachConn(func(other *conn) {
		if other.running.op != nil {
			active++
		}
	})
	connections := bson.D{{Key: "current", Value: int32(open)}}
	if limit := c.settings().MaxConnections; limit > 0 {
		connections = append(connections, bson.E{Key: "available", Value: int32(limit - open)})
	}
	connections = append(connections,
		bson.E{Key: "totalCreated", Value: int64(c.lastID.Load())}, bson.E{Key: "active", Value: int32(active)})
	return bson.D{
		{Key: "connections", Value: connections},
		{Key: "globalLock", Value: bson.D{
			{Key: "totalTime", Value: c.uptime().Microseconds()},
			{Key: "activeClients", Value: bson.D{{Key: "total", Value: int32(active)}, {Key: "readers", Value: int32(0)}, {Key: "writers", Value: int32(0)}}},
		}},
		{Key: "network", Value: bson.D{{Key: "numRequests", Value: int64(c.lastOp.Load())}}},
		{Key: "opcounters", Value: c.counters.document()},
		{Key: "mem", Value: bson.D{{Key: "bits", Value: int32(64)}, {Key: "supported", Value: false}}},
		{Key: "storageEngine", Value: bson.D{
			{Key: "name", Value: "documentdb"}, {Key: "supportsCommittedReads", Value: true}, {Key: "persistent", Value: true},
		}},
		{Key: "metrics", Value: bson.D{{Key: "cursor", Value: bson.D{
			{Key: "open", Value: bson.D{{Key: "total", Value: int64(c.cursors.count())}}},
		}}}},
		{Key: "repl", Value: bson.D{
			{Key: "setName", Value: c.spec.Name},
			{Key: "setVersion", Value: int32(1)},
			{Key: "isWritablePrimary", Value: true},
			{Key: "secondary", Value: false},
			{Key: "primary", Value: c.host},
			{Key: "hosts", Value: bson.A{c.host}},
			{Key: "me", Value: c.host},
		}},
	}
}

// connPoolStats: the gateway is no client of other servers.
func connPoolStats(context.Context, *conn, *request) (bsoncore.Document, error) {
	return marshal(bson.D{
		{Key: "numClientConnections", Value: int32(0)},
		{Key: "numAScopedConnections", Value: int32(0)},
		{Key: "totalInUse", Value: int32(0)},
		{Key: "totalAvailable", Value: int32(0)},
		{Key: "totalCreated", Value: int32(0)},
		{Key: "totalRefreshing", Value: int32(0)},
		{Key: "pools", Value: bson.D{}},
		{Key: "hosts", Value: bson.D{}},
		{Key: "ok", Value: 1.0},
	})
}
