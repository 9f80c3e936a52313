package clients

import (
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// fatal fails a test for an error.
func fatal(t *testing.T, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}

// wantCode fails unless an error has this code of MongoDB's.
func wantCode(t *testing.T, err error, code int) {
	t.Helper()
	var answer mongo.ServerError
	if !errors.As(err, &answer) || !answer.HasErrorCode(code) {
		t.Errorf("the error is %v, want one with code %d", err, code)
	}
}

// Each compressor that the driver has, and none.
func TestGoDriverWithEachCompressor(t *testing.T) {
	t.Parallel()
	uri := newCluster(t, shared)
	for _, name := range []string{"", "zlib", "snappy", "zstd"} {
		opts := options.Client()
		if name != "" {
			opts.SetCompressors([]string{name})
		}
		c := connect(t, uri, opts).Database("compressed").Collection("c" + name)
		_, err := c.InsertOne(t.Context(), bson.D{{Key: "s", Value: strings.Repeat("tine", 100_000)}})
		fatal(t, "insert with compressor "+name, err)
		var got struct{ S string }
		fatal(t, "find with compressor "+name, c.FindOne(t.Context(), bson.D{}).Decode(&got))
		if len(got.S) != 400_000 {
			t.Errorf("with compressor %s the string has %d bytes", name, len(got.S))
		}
	}
}

func TestGoDriverBulkWrite(t *testing.T) {
	t.Parallel()
	c := connect(t, newCluster(t, shared)).Database("d").Collection("c")
	models := []mongo.WriteModel{
		mongo.NewInsertOneModel().SetDocument(bson.D{{Key: "_id", Value: 1}}),
		mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: 1}}).SetUpdate(bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: 1}}}}),
		mongo.NewReplaceOneModel().SetFilter(bson.D{{Key: "_id", Value: 2}}).SetReplacement(bson.D{{Key: "b", Value: 1}}).SetUpsert(true),
		mongo.NewInsertOneModel().SetDocument(bson.D{{Key: "_id", Value: 1}}),
		mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: 1}}),
	}
	result, err := c.BulkWrite(t.Context(), models, options.BulkWrite().SetOrdered(false))
	wantCode(t, err, 11000)
	if result == nil || result.InsertedCount != 1 || result.ModifiedCount != 1 || result.UpsertedCount != 1 || result.DeletedCount != 1 {
		t.Errorf("the result is %+v", result)
	}
	if n, err := c.CountDocuments(t.Context(), bson.D{}); n != 1 || err != nil {
		t.Errorf("%d documents are left: %v", n, err)
	}
}

func TestChangeStreamsAreRefused(t *testing.T) {
	t.Parallel()
	c := connect(t, newCluster(t, shared)).Database("d").Collection("c")
	known(t, "change streams", func() error {
		stream, err := c.Watch(t.Context(), mongo.Pipeline{})
		if err == nil {
			err = stream.Close(t.Context())
		}
		return err
	})
}
