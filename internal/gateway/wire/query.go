package wire

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

// Query is a decoded OP_QUERY. Its document points into the frame's body.
type Query struct {
	Namespace string
	Document  bsoncore.Document
}

// ParseQuery decodes an OP_QUERY. Every error wraps ErrMalformed.
func ParseQuery(f Frame) (Query, error) {
	var q Query
	_, rest, ok := wiremessage.ReadQueryFlags(f.Body)
	if ok {
		q.Namespace, rest, ok = wiremessage.ReadQueryFullCollectionName(rest)
	}
	if ok {
		_, rest, ok = wiremessage.ReadQueryNumberToSkip(rest)
	}
	if ok {
		_, rest, ok = wiremessage.ReadQueryNumberToReturn(rest)
	}
	if !ok {
		return Query{}, fmt.Errorf("%w: OP_QUERY cut off", ErrMalformed)
	}
	n, err := documentLength(rest)
	if err != nil {
		return Query{}, err
	}
	q.Document = bsoncore.Document(rest[:n:n])
	return q, nil
}
