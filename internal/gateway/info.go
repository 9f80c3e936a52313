package gateway

import (
	"context"
	"maps"
	"runtime"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// getLog has logs by MongoDB's names, and nothing in them: the host's logs are not the client's.
func getLog(_ context.Context, _ *conn, r *request) (bsoncore.Document, error) {
	switch name, _ := r.target.StringValueOK(); name {
	case "*":
		return marshal(bson.D{{Key: "names", Value: bson.A{"global", "startupWarnings"}}, {Key: "ok", Value: 1.0}})
	case "global", "startupWarnings":
		return marshal(bson.D{
			{Key: "totalLinesWritten", Value: int32(0)},
			{Key: "log", Value: bson.A{}},
			{Key: "ok", Value: 1.0},
		})
	default:
		return nil, mongoerr.New(mongoerr.InternalError, "no RamLog named: %s", name)
	}
}

// hostInfo says no more of the machine than a user of a managed cluster may know.
func hostInfo(_ context.Context, c *conn, _ *request) (bsoncore.Document, error) {
	return marshal(bson.D{
		{Key: "system", Value: bson.D{
			{Key: "currentTime", Value: c.cluster.clock()},
			{Key: "hostname", Value: c.cluster.host},
			{Key: "cpuAddrSize", Value: int32(64)},
			{Key: "cpuArch", Value: runtime.GOARCH},
		}},
		{Key: "os", Value: bson.D{{Key: "type", Value: "Linux"}, {Key: "name", Value: "Linux"}, {Key: "version", Value: ""}}},
		{Key: "extra", Value: bson.D{}},
		{Key: "ok", Value: 1.0},
	})
}

func listCommands(_ context.Context, c *conn, _ *request) (bsoncore.Document, error) {
	commands := bson.D{}
	for _, name := range slices.Sorted(maps.Keys(c.cluster.commands)) {
		cmd := c.cluster.commands[name]
		if cmd.hidden {
			continue
		}
		commands = append(commands, bson.E{Key: name, Value: bson.D{
			{Key: "help", Value: ""},
			{Key: "requiresAuth", Value: cmd.privilege > handshake},
			{Key: "secondaryOk", Value: false},
			{Key: "adminOnly", Value: cmd.syntax.adminOnly},
			{Key: "apiVersions", Value: apiVersions(cmd.syntax)},
		}})
	}
	return marshal(bson.D{{Key: "commands", Value: commands}, {Key: "ok", Value: 1.0}})
}

// apiVersions are the versions of the Stable API that have a command.
func apiVersions(s *syntax) bson.A {
	if s.stable {
		return bson.A{"1"}
	}
	return bson.A{}
}
