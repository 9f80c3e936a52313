package gateway

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
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

// hello presents the cluster as a replica set, also when it has one node: drivers use sessions and retryable writes with
// replica sets only. One that names the topology that it knows is answered when there is another, or when it has waited as long
// as it said.
func hello(ctx context.Context, c *conn, r *request) (bsoncore.Document, error) {
	c.introduce(r)
	if err := c.awaitTopology(r); err != nil {
		return nil, err
	}
	cl := c.cluster
	shown, version := cl.topology.get()
	c.presented = version
	doc := append(presentation(r.command, cl.spec.Name, shown), limits(c)...)
	doc = append(doc, bson.E{Key: "topologyVersion", Value: bson.D{{Key: "processId", Value: cl.topology.process}, {Key: "counter", Value: version}}})
	if isTrue(r.field("helloOk")) {
		doc = append(doc, bson.E{Key: "helloOk", Value: true})
	}
	if agreed := c.agreeOnCompression(r); len(agreed) > 0 {
		doc = append(doc, bson.E{Key: "compression", Value: agreed})
	}
	if has(r.field("saslSupportedMechs")) { // the same for every user, whether it exists or not
		doc = append(doc, bson.E{Key: "saslSupportedMechs", Value: bson.A{mechanism}})
	}
	if answer := c.speculate(ctx, r); answer != nil {
		doc = append(doc, bson.E{Key: "speculativeAuthenticate", Value: bson.Raw(answer)})
	}
	return marshal(append(doc, bson.E{Key: "ok", Value: 1.0}))
}

// presentation says who is in the replica set and what this listener's node is in it.
func presentation(command, set string, t Topology) bson.D {
	isPrimary := t.self().Role == Primary
	writable := "isWritablePrimary"
	if command != "hello" {
		writable = "ismaster"
	}
	hosts := bson.A{}
	for _, m := range t.Members {
		hosts = append(hosts, m.Address)
	}
	doc := bson.D{
		{Key: writable, Value: isPrimary},
		{Key: "secondary", Value: !isPrimary},
		{Key: "setName", Value: set},
		{Key: "setVersion", Value: int32(1)},
		{Key: "hosts", Value: hosts},
		{Key: "me", Value: t.self().Address},
	}
	if primary := t.primary(); primary != "" {
		doc = append(doc, bson.E{Key: "primary", Value: primary})
	}
	if isPrimary {
		doc = append(doc, bson.E{Key: "electionId", Value: electionID(t.Term)})
	}
	return doc
}

// electionID is greater for a later term, as drivers compare it.
func electionID(term int32) bson.ObjectID {
	id := bson.ObjectID{0: 0x7f, 1: 0xff, 2: 0xff, 3: 0xff}
	binary.BigEndian.PutUint32(id[8:], uint32(term))
	return id
}

// limits is what hello says of the server, whoever is primary.
func limits(c *conn) bson.D {
	now := c.cluster.clock()
	written := bson.D{{Key: "ts", Value: bson.Timestamp{T: uint32(now.Unix()), I: 1}}, {Key: "t", Value: int64(1)}}
	return bson.D{
		{Key: "lastWrite", Value: bson.D{
			{Key: "opTime", Value: written},
			{Key: "lastWriteDate", Value: now},
			{Key: "majorityOpTime", Value: written},
			{Key: "majorityWriteDate", Value: now},
		}},
		{Key: "maxBsonObjectSize", Value: int32(wire.MaxDocument)},
		{Key: "maxMessageSizeBytes", Value: int32(wire.MaxMessage)},
		{Key: "maxWriteBatchSize", Value: int32(maxWriteBatch)},
		{Key: "localTime", Value: now},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(sessionMinutes)},
		{Key: "connectionId", Value: c.id},
		{Key: "minWireVersion", Value: int32(0)},
		{Key: "maxWireVersion", Value: c.cluster.version.maxWire},
		{Key: "readOnly", Value: false},
	}
}

// agreeOnCompression chooses from what the client can do and returns the names in its order. The client says so once, at the
// beginning; a hello that does not mention it changes nothing.
func (c *conn) agreeOnCompression(r *request) bson.A {
	names, err := subFields(r.field("compression"))
	if err != nil {
		return nil
	}
	var agreed bson.A
	c.compressors = nil
	for _, f := range names {
		name, _ := f.value.StringValueOK()
		if by := wire.ParseCompressor(name); by != wire.Uncompressed && !slices.Contains(c.compressors, by) {
			c.compressors = append(c.compressors, by)
			agreed = append(agreed, name)
		}
	}
	return agreed
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

// uptime is how long the cluster has been served.
func (c *cluster) uptime() time.Duration { return c.clock().Sub(c.started) }
