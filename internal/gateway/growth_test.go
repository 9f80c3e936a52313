package gateway_test

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/gateway"
)

// What makes the data grow is refused with MongoDB's code, everything else goes on; and all of it when they may grow again.
func TestDataThatMayNotGrowCanBeReadAndDeleted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		growth gateway.Growth
		code   int
		name   string
	}{{gateway.OverStorage, 371, "UserWritesBlocked"}, {gateway.DiskFull, 14031, "OutOfDiskSpace"}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := open(t, nil)
			db := g.database(t)
			coll := db.Collection("c")
			ids := make([]any, 10)
			for i := range ids {
				ids[i] = bson.D{{Key: "_id", Value: i}}
			}
			must(coll.InsertMany(t.Context(), ids))(t)
			must(db.Collection("other").InsertOne(t.Context(), bson.D{}))(t)

			g.server.SetGrowth(g.id, test.growth)
			for name, err := range growing(t, db) {
				var e mongo.ServerError
				if !errors.As(err, &e) || !e.HasErrorCode(test.code) {
					t.Errorf("%s: %v, want code %d", name, err, test.code)
				}
			}
			must(coll.Find(t.Context(), bson.D{}))(t)
			if n := must(coll.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: 1}}))(t).DeletedCount; n != 1 {
				t.Errorf("%d documents were deleted, want 1", n)
			}
			fatal(t, coll.FindOneAndDelete(t.Context(), bson.D{{Key: "_id", Value: 2}}).Err())
			deletes := []mongo.WriteModel{mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: 3}})}
			must(coll.BulkWrite(t.Context(), deletes))(t)
			must(db.Client().BulkWrite(t.Context(), []mongo.ClientBulkWrite{{
				Database: db.Name(), Collection: "c", Model: mongo.NewClientDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: 4}}),
			}}))(t)
			fatal(t, db.RunCommand(t.Context(), bson.D{{Key: "compact", Value: "c"}}).Err())
			fatal(t, db.Collection("other").Drop(t.Context()))

			g.server.Update(g.id, gateway.Settings{})
			must(coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 100}}))(t)
			if n := must(coll.CountDocuments(t.Context(), bson.D{}))(t); n != 7 {
				t.Errorf("there are %d documents, want 7", n)
			}
		})
	}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// growing is how everything ends that would make the data grow.
func growing(t *testing.T, db *mongo.Database) map[string]error {
	t.Helper()
	ctx, coll := t.Context(), db.Collection("c")
	set := bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: 1}}}}
	_, insert := coll.InsertOne(ctx, bson.D{})
	_, update := coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: 0}}, set)
	_, index := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "a", Value: 1}}})
	_, out := coll.Aggregate(ctx, bson.A{bson.D{{Key: "$out", Value: "copy"}}})
	_, merge := coll.Aggregate(ctx, bson.A{bson.D{{Key: "$merge", Value: bson.D{{Key: "into", Value: "copy"}}}}})
	_, bulk := db.Client().BulkWrite(ctx, []mongo.ClientBulkWrite{{
		Database: db.Name(), Collection: "c", Model: mongo.NewClientInsertOneModel().SetDocument(bson.D{}),
	}})
	rename := bson.D{{Key: "renameCollection", Value: db.Name() + ".other"}, {Key: "to", Value: "another.other"}}
	session := must(db.Client().StartSession())(t)
	defer session.EndSession(ctx)
	_, transaction := session.WithTransaction(ctx, func(ctx context.Context) (any, error) { return coll.InsertOne(ctx, bson.D{}) })
	return map[string]error{
		"insert": insert, "update": update, "createIndexes": index, "$out": out, "$merge": merge, "bulkWrite": bulk, "transaction": transaction,
		"create": db.CreateCollection(ctx, "new"), "renameCollection": db.Client().Database("admin").RunCommand(ctx, rename).Err(),
		"findAndModify": coll.FindOneAndUpdate(ctx, bson.D{{Key: "_id", Value: 0}}, set).Err(),
		"upsert":        coll.FindOneAndReplace(ctx, bson.D{{Key: "_id", Value: 50}}, bson.D{}, options.FindOneAndReplace().SetUpsert(true)).Err(),
	}
}
