package clients

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// openCursors is how many cursors a cluster says are open.
func openCursors(t *testing.T, client *mongo.Client) int64 {
	t.Helper()
	raw, err := client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "serverStatus", Value: 1}}).Raw()
	fatal(t, "get the server's status", err)
	return raw.Lookup("metrics", "cursor", "open", "total").AsInt64()
}

// A client that is gone leaves no cursor: it cannot ask for more, nor can it close it. A client is a user at an address here, and
// the watcher has the same address.
func TestCursorEndsWithItsClient(t *testing.T) {
	t.Parallel()
	uri := newCluster(t, shared)
	watcher := connect(t, uri)
	_, err := watcher.Database("d").Collection("c").InsertMany(t.Context(), []bson.D{id(1), id(2), id(3)})
	fatal(t, "insert", err)
	mustCommand(t, watcher.Database("admin"), `{"createUser": "reader", "pwd": "the password", "roles": [{"role": "read", "db": "d"}]}`)
	p, through := newProxy(t, as(t, uri, "reader", "the password"))
	cursor, err := connect(t, through).Database("d").Collection("c").Find(t.Context(), bson.D{}, options.Find().SetBatchSize(1))
	fatal(t, "open a cursor", err)
	if n := openCursors(t, watcher); n != 1 {
		t.Errorf("%d cursors are open, want 1", n)
	}
	p.cut()
	eventually(t, "the end of the cursor", func() bool { return openCursors(t, watcher) == 0 })
	for cursor.Next(t.Context()) {
	}
	if cursor.Err() == nil {
		t.Error("the client read a cursor to its end that was gone")
	}
}

// Sessions that are causally consistent read what they wrote, whatever concerns and preferences they name.
func TestCausallyConsistentSessions(t *testing.T) {
	t.Parallel()
	client := connect(t, newCluster(t, shared))
	for _, causal := range []bool{true, false} {
		for _, level := range []*readconcern.ReadConcern{readconcern.Local(), readconcern.Majority()} {
			session, err := client.StartSession(options.Session().SetCausalConsistency(causal))
			fatal(t, "start a session", err)
			opts := options.Collection().SetReadConcern(level).SetWriteConcern(writeconcern.Majority()).SetReadPreference(readpref.SecondaryPreferred())
			c := client.Database("d").Collection("c", opts)
			err = mongo.WithSession(t.Context(), session, func(ctx context.Context) error {
				r, err := c.InsertOne(ctx, bson.D{})
				if err != nil {
					return err
				}
				return c.FindOne(ctx, bson.D{{Key: "_id", Value: r.InsertedID}}).Err()
			})
			fatal(t, "read the own write with read concern "+level.Level, err)
			session.EndSession(t.Context())
		}
	}
}

func TestInsertManyOf100000(t *testing.T) {
	t.Parallel()
	const count = 100_000
	c := connect(t, newCluster(t, shared)).Database("d").Collection("c")
	docs := make([]bson.D, count)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "n", Value: i % 10}}
	}
	result, err := c.InsertMany(t.Context(), docs)
	fatal(t, "insert", err)
	if len(result.InsertedIDs) != count {
		t.Errorf("%d were inserted", len(result.InsertedIDs))
	}
	n, err := c.CountDocuments(t.Context(), bson.D{{Key: "n", Value: 3}})
	fatal(t, "count", err)
	if n != count/10 {
		t.Errorf("%d have n = 3, want %d", n, count/10)
	}
	cursor, err := c.Find(t.Context(), bson.D{}, options.Find().SetSort(id(1)))
	fatal(t, "find", err)
	for next := 0; cursor.Next(t.Context()); next++ {
		if got := cursor.Current.Lookup("_id").AsInt64(); got != int64(next) {
			t.Fatalf("document %d has the _id %d", next, got)
		}
		n = int64(next)
	}
	fatal(t, "read the cursor", cursor.Err())
	if n != count-1 {
		t.Errorf("the last has the _id %d", n)
	}
}
