package e2e

import (
	"net/url"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func indexModel(keys bson.D, o *options.IndexOptionsBuilder) mongo.IndexModel {
	return mongo.IndexModel{Keys: keys, Options: o}
}

func contains(list []string, want string) bool { return slices.Contains(list, want) }

// withPassword puts another password into a connection string.
func withPassword(t *testing.T, uri, password string) string {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String()
}

// document is what the tests' collections hold.
type document struct {
	ID int `bson:"_id"`
}

func all(t *testing.T, c *mongo.Collection) []document {
	t.Helper()
	cursor, err := c.Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	var docs []document
	if err := cursor.All(t.Context(), &docs); err != nil {
		t.Fatalf("find: %v", err)
	}
	return docs
}
