package clients

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// With the Stable API a client gets what is in it and nothing else.
func TestGoDriverWithTheStableAPI(t *testing.T) {
	t.Parallel()
	strict := options.ServerAPI(options.ServerAPIVersion1).SetStrict(true).SetDeprecationErrors(true)
	db := connect(t, newCluster(t, shared), options.Client().SetServerAPIOptions(strict)).Database("stable")
	c := db.Collection("c")
	_, err := c.InsertMany(t.Context(), []bson.D{id(1), id(2), id(3)})
	fatal(t, "insert", err)
	var docs []bson.D
	cursor, err := c.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(1))
	fatal(t, "find", err)
	fatal(t, "read the cursor", cursor.All(t.Context(), &docs))
	group := mongo.Pipeline{{{Key: "$group", Value: bson.D{{Key: "_id", Value: nil}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}}}}
	var groups []struct{ N int }
	cursor, err = c.Aggregate(t.Context(), group)
	fatal(t, "aggregate", err)
	fatal(t, "read the aggregate", cursor.All(t.Context(), &groups))
	count, err := c.CountDocuments(t.Context(), bson.D{})
	fatal(t, "count by aggregate", err)
	estimate, err := c.EstimatedDocumentCount(t.Context())
	fatal(t, "count", err)
	if len(docs) != 3 || len(groups) != 1 || groups[0].N != 3 || count != 3 || estimate != 3 {
		t.Errorf("of three documents there are %v, %v, %d and %d", docs, groups, count, estimate)
	}
	_, err = c.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "a", Value: 1}}})
	fatal(t, "create an index", err)
	wantCode(t, c.Distinct(t.Context(), "a", bson.D{}).Err(), 323)
	for _, command := range []bson.D{{{Key: "collStats", Value: "c"}}, {{Key: "dbStats", Value: 1}}, {{Key: "buildInfo", Value: 1}}} {
		wantCode(t, db.RunCommand(t.Context(), command).Err(), 323)
	}
}
