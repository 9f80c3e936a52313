package gateway

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/wire"
)

const (
	// maxWriteBatch is the engine's limit of operations in one write command.
	maxWriteBatch = 25_000
	// sessionMinutes is how long clients may think that an idle session lives.
	sessionMinutes = 30
)

// version is a compatibility level as clients see it.
type version struct {
	major, minor, patch int32
	maxWire             int32
}

func parseVersion(level string) (version, error) {
	switch level {
	case "6":
		return version{major: 6, patch: 20, maxWire: 17}, nil
	case "7":
		return version{major: 7, patch: 16, maxWire: 21}, nil
	case "8":
		return version{major: 8, patch: 4, maxWire: 25}, nil
	default:
		return version{}, fmt.Errorf("version %q is not one of 6, 7 and 8", level)
	}
}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

// feature is the form of featureCompatibilityVersion.
func (v version) feature() string { return fmt.Sprintf("%d.%d", v.major, v.minor) }

// isHello reports whether a command is one of the spellings of hello.
func isHello(name string) bool { return name == "hello" || name == "isMaster" || name == "ismaster" }

// hello presents the cluster as a replica set of one: drivers use sessions and retryable writes with replica sets only.
func hello(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	c.introduce(r)
	cl := c.cluster
	now := cl.clock()
	primary := "isWritablePrimary"
	if r.command != "hello" {
		primary = "ismaster"
	}
	doc := bson.D{
		{Key: primary, Value: true},
		{Key: "secondary", Value: false},
		{Key: "setName", Value: cl.spec.Name},
		{Key: "setVersion", Value: int32(1)},
		{Key: "hosts", Value: bson.A{cl.host}},
		{Key: "primary", Value: cl.host},
		{Key: "me", Value: cl.host},
		{Key: "lastWrite", Value: bson.D{{Key: "lastWriteDate", Value: now}}},
		{Key: "maxBsonObjectSize", Value: int32(wire.MaxDocument)},
		{Key: "maxMessageSizeBytes", Value: int32(wire.MaxMessage)},
		{Key: "maxWriteBatchSize", Value: int32(maxWriteBatch)},
		{Key: "localTime", Value: now},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(sessionMinutes)},
		{Key: "connectionId", Value: c.id},
		{Key: "minWireVersion", Value: int32(0)},
		{Key: "maxWireVersion", Value: cl.version.maxWire},
		{Key: "readOnly", Value: false},
	}
	if isTrue(r.field("helloOk")) {
		doc = append(doc, bson.E{Key: "helloOk", Value: true})
	}
	if has(r.field("saslSupportedMechs")) { // the same for every user, whether it exists or not
		doc = append(doc, bson.E{Key: "saslSupportedMechs", Value: bson.A{mechanism}})
	}
	if answer := c.speculate(ctx, r); answer != nil {
		doc = append(doc, bson.E{Key: "speculativeAuthenticate", Value: bson.Raw(answer)})
	}
	return marshal(append(doc, bson.E{Key: "ok", Value: 1.0}))
}

// speculate takes the saslStart that a hello may carry. If that fails the client starts over with a saslStart of its own,
// and is told then.
func (c *conn) speculate(ctx context.Context, r *request) bsoncore.Document {
	fs, err := subFields(r.field("speculativeAuthenticate"))
	if err != nil {
		return nil
	}
	db, _ := find(fs, "db").StringValueOK()
	answer, err := c.startAuthentication(ctx, fs, db)
	if err != nil {
		return nil
	}
	return answer
}

func ping(context.Context, *conn, *request) (bsoncore.Document, error) { return okReply() }

func buildInfo(_ context.Context, c *conn, _ *request) (bsoncore.Document, error) {
	v := c.cluster.version
	return marshal(bson.D{
		{Key: "version", Value: v.String()},
		{Key: "gitVersion", Value: ""},
		{Key: "modules", Value: bson.A{}},
		{Key: "allocator", Value: "system"},
		{Key: "javascriptEngine", Value: "none"},
		{Key: "sysInfo", Value: "deprecated"},
		{Key: "versionArray", Value: bson.A{v.major, v.minor, v.patch, int32(0)}},
		{Key: "openssl", Value: bson.D{}},
		{Key: "buildEnvironment", Value: bson.D{}},
		{Key: "bits", Value: int32(64)},
		{Key: "debug", Value: false},
		{Key: "maxBsonObjectSize", Value: int32(wire.MaxDocument)},
		{Key: "storageEngines", Value: bson.A{"documentdb"}},
		{Key: "ok", Value: 1.0},
	})
}

func whatsmyuri(_ context.Context, c *conn, _ *request) (bsoncore.Document, error) {
	return marshal(bson.D{{Key: "you", Value: c.net.RemoteAddr().String()}, {Key: "ok", Value: 1.0}})
}

func connectionStatus(_ context.Context, c *conn, r *request) (bsoncore.Document, error) {
	users, roles := bson.A{}, bson.A{}
	if c.user != "" {
		users = append(users, bson.D{{Key: "user", Value: c.user}, {Key: "db", Value: adminDatabase}})
		for db, has := range c.grants {
			for _, r := range has {
				roles = append(roles, bson.D{{Key: "role", Value: string(r)}, {Key: "db", Value: db}})
			}
		}
	}
	info := bson.D{{Key: "authenticatedUsers", Value: users}, {Key: "authenticatedUserRoles", Value: roles}}
	if isTrue(r.field("showPrivileges")) {
		info = append(info, bson.E{Key: "authenticatedUserPrivileges", Value: bson.A{}})
	}
	return marshal(bson.D{{Key: "authInfo", Value: info}, {Key: "ok", Value: 1.0}})
}

// uptime is how long the cluster has been served.
func (c *cluster) uptime() time.Duration { return c.clock().Sub(c.started) }
