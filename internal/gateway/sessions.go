package gateway

import (
	"context"
	"crypto/rand"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

func acknowledge(context.Context, *conn, *request) (bsoncore.Document, error) { return okReply() }

// startSession makes a session's name. Nothing is kept for it: a session is no more than its latest numbered write.
func startSession(context.Context, *conn, *request) (bsoncore.Document, error) {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it cannot fail
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return marshal(bson.D{
		{Key: "id", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id}}}},
		{Key: "timeoutMinutes", Value: int32(sessionMinutes)},
		{Key: "ok", Value: 1.0},
	})
}

// endSessions forgets the user's sessions that the client will not use again.
func endSessions(_ context.Context, c *conn, r *request) (bsoncore.Document, error) {
	list, err := subFields(r.target)
	if err != nil {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "endSessions must be an array")
	}
	sessions := make([][]byte, 0, len(list))
	for _, f := range list {
		sessions = append(sessions, f.value.Data)
	}
	c.cluster.replies.forget(c.user, sessions)
	return okReply()
}
