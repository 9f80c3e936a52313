package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/e2e/harness"
)

// A user that the API makes may do what it says, is in forks with its password, and is gone at once when it is deleted.
func TestUsersOfTheAPI(t *testing.T) {
	t.Parallel()
	cluster := makeCluster(t, shared, harness.CreateRequest(newName("users")))
	insert(t, connect(t, cluster).Database("shop").Collection("c"), 1)
	databases := shared.API.Databases
	ada, _, err := databases.CreateUser(t.Context(), cluster.ID, &godo.DatabaseCreateUserRequest{
		Name:     "ada",
		Settings: &godo.DatabaseUserSettings{MongoUserSettings: &godo.MongoUserSettings{Databases: []string{"shop"}, Role: "readOnly"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	as := func(c *godo.Database) *godo.Database {
		other := *c
		connection := *c.Connection
		connection.URI = withPassword(t, strings.Replace(connection.URI, "doadmin", "ada", 1), ada.Password)
		other.Connection = &connection
		return &other
	}
	reader := connect(t, as(cluster)).Database("shop").Collection("c")
	wantNumbers(t, reader, 1)
	if _, err := reader.InsertOne(t.Context(), bson.D{{Key: "n", Value: 2}}); err == nil {
		t.Error("a user who may only read has written")
	}
	fork := makeCluster(t, shared, harness.ForkRequest(cluster.Name, newName("fork"), time.Time{}))
	wantNumbers(t, connect(t, as(fork)).Database("shop").Collection("c"), 1)

	if _, err := databases.DeleteUser(t.Context(), cluster.ID, "ada"); err != nil {
		t.Fatal(err)
	}
	if err := reader.FindOne(t.Context(), bson.D{}).Err(); err == nil {
		t.Error("a deleted user still reads")
	}
	if users, _, err := databases.ListUsers(t.Context(), fork.ID, nil); err != nil || len(users) != 2 {
		t.Errorf("users of the fork %+v, %v", users, err)
	}
}
