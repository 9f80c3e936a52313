package e2e

import (
	"errors"
	"slices"
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

// Users and databases that other clients make are shown with their cluster.
func TestClusterShowsWhatIsInIt(t *testing.T) {
	t.Parallel()
	cluster := makeCluster(t, shared, harness.CreateRequest(newName("shown")))
	client := connect(t, cluster)
	insert(t, client.Database("shop").Collection("c"), 1)
	createUser := bson.D{
		{Key: "createUser", Value: "ada"},
		{Key: "pwd", Value: "a long password"},
		{Key: "roles", Value: bson.A{bson.D{{Key: "role", Value: "read"}, {Key: "db", Value: "shop"}}}},
	}
	if err := client.Database("admin").RunCommand(t.Context(), createUser).Err(); err != nil {
		t.Fatal(err)
	}
	var got *godo.Database
	for got == nil || len(got.Users) != 2 || !slices.Contains(got.DBNames, "shop") {
		var err error
		if got, _, err = shared.API.Databases.Get(t.Context(), cluster.ID); err != nil {
			t.Fatal(err)
		}
	}
	if got.Users[0].Name != "doadmin" || got.Users[1].Name != "ada" || got.Users[1].Settings == nil {
		t.Errorf("users %+v, databases %v", got.Users, got.DBNames)
	}
	fork, _, err := shared.API.Databases.Create(t.Context(), harness.ForkRequest(cluster.Name, newName("fork"), time.Time{}))
	if err != nil {
		t.Fatal(err)
	}
	if len(fork.Users) != 2 || fork.Users[0].Password == "" || !slices.Contains(fork.DBNames, "shop") {
		t.Errorf("the answer that promises the fork has the users %+v and the databases %v", fork.Users, fork.DBNames)
	}
	if err := errors.Join(shared.WaitOnline(t.Context(), fork.ID), shared.Remove(t.Context(), fork.ID)); err != nil {
		t.Error(err)
	}
}
