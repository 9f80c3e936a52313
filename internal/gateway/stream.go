package gateway

import (
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// streams reports whether a reply is to be followed by more without another request, as a client may allow: the pages of
// a cursor until it ends, and what hello says whenever that changes. Any error is the last reply.
func streams(r *request, reply bsoncore.Document) bool {
	if ok, isDouble := reply.Lookup("ok").DoubleOK(); isDouble && ok != 1 {
		return false
	}
	switch {
	case r.command == "getMore":
		id, _ := reply.Lookup("cursor", "id").Int64OK()
		return id != 0
	case isHello(r.command):
		return has(r.field("topologyVersion"))
	default:
		return false
	}
}

// compressible reports whether the reply to a command may be compressed: not where secrets are exchanged, and not in hello,
// which agrees on compression in the first place.
func compressible(command string) bool {
	switch command {
	case "hello", "isMaster", "ismaster", "saslStart", "saslContinue", "getnonce", "authenticate",
		"createUser", "updateUser", "copydbSaslStart", "copydbgetnonce", "copydb":
		return false
	default:
		return true
	}
}
