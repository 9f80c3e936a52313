package clients

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
)

// as is a connection string for another user of a cluster.
func as(t *testing.T, uri, user, password string) string {
	t.Helper()
	u, err := url.Parse(uri)
	fatal(t, "parse the connection string", err)
	u.User = url.UserPassword(user, password)
	return u.String()
}

// administer has doadmin run a line in mongosh.
func administer(t *testing.T, uri, line string) {
	t.Helper()
	runScript(t, uri, node, mongosh, uri, "--quiet", "--eval", line)
	if t.Failed() {
		t.FailNow()
	}
}

// insertOne inserts an empty document with a user's client.
func insertOne(ctx context.Context, client *mongo.Client, db string) error {
	_, err := client.Database(db).Collection("c").InsertOne(ctx, bson.D{})
	return err
}

// wantPassword fails unless a user of a cluster logs in with one password and not with another.
func wantPassword(t *testing.T, uri, user, right, wrong string) {
	t.Helper()
	fatal(t, "write with the password", insertOne(t.Context(), connect(t, as(t, uri, user, right)), "orders"))
	wantCode(t, insertOne(t.Context(), connect(t, as(t, uri, user, wrong)), "orders"), 18)
}

// A user whom mongosh makes may do what the role says, in one database, by another driver.
func TestUserFromMongosh(t *testing.T) {
	t.Parallel()
	needNodeModules(t)
	uri := newCluster(t, shared)
	administer(t, uri, `db.getSiblingDB('stock').c.insertOne({}); db.createUser({user: 'shop', pwd: 'first password', roles: [{role: 'readWrite', db: 'orders'}]})`)
	client := connect(t, as(t, uri, "shop", "first password"))
	orders, stock := client.Database("orders").Collection("c"), client.Database("stock").Collection("c")
	fatal(t, "insert", insertOne(t.Context(), client, "orders"))
	fatal(t, "find", orders.FindOne(t.Context(), bson.D{}).Err())
	fatal(t, "create an index", client.Database("orders").RunCommand(t.Context(), createIndex("c")).Err())
	fatal(t, "drop", orders.Drop(t.Context()))
	for _, err := range []error{
		insertOne(t.Context(), client, "stock"),
		stock.FindOne(t.Context(), bson.D{}).Err(),
		stock.Drop(t.Context()),
		client.Database("orders").Drop(t.Context()),
		client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "dropUser", Value: "doadmin"}}).Err(),
		client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "grantRolesToUser", Value: "shop"}, {Key: "roles", Value: bson.A{"root"}}}).Err(),
	} {
		wantCode(t, err, 13)
	}
}

func createIndex(collection string) bson.D {
	return bson.D{{Key: "createIndexes", Value: collection}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "name", Value: "a_1"}}}}}
}

// What is open when a password changes goes on; what is open when the user is dropped ends.
func TestOpenConnectionsOfAUserWhoChanges(t *testing.T) {
	t.Parallel()
	needNodeModules(t)
	uri := newCluster(t, shared)
	administer(t, uri, `db.createUser({user: 'shop', pwd: 'first password', roles: [{role: 'readWrite', db: 'orders'}]})`)
	p, through := newProxy(t, as(t, uri, "shop", "first password"))
	open := connect(t, through)
	fatal(t, "write before the change", insertOne(t.Context(), open, "orders"))
	administer(t, uri, `db.changeUserPassword('shop', 'second password')`)
	fatal(t, "write on an open connection", insertOne(t.Context(), open, "orders"))
	wantPassword(t, uri, "shop", "second password", "first password")
	p.cut()
	if insertOne(t.Context(), open, "orders") == nil { // which tells of the connection, not of the log-in that failed after it
		t.Error("the driver logged in again with the old password")
	}
	wantCode(t, insertOne(t.Context(), open, "orders"), 18)

	cursor, err := connect(t, as(t, uri, "shop", "second password")).Database("orders").Collection("c").Find(t.Context(), bson.D{}, options.Find().SetBatchSize(1))
	fatal(t, "open a cursor", err)
	administer(t, uri, `db.dropUser('shop')`)
	for cursor.Next(t.Context()) {
	}
	if cursor.Err() == nil {
		t.Error("the cursor of a user who was dropped came to its end")
	}
	wantCode(t, insertOne(t.Context(), connect(t, as(t, uri, "shop", "second password")), "orders"), 18)
}

// A fork has the users of its moment.
func TestForkHasTheUsersOfItsMoment(t *testing.T) {
	t.Parallel()
	needNodeModules(t)
	source := makeCluster(t, shared, harness.CreateRequest(fmt.Sprintf("users-%d", clusters.Add(1))))
	uri := source.Connection.URI
	administer(t, uri, `db.createUser({user: 'shop', pwd: 'the password', roles: [{role: 'readWrite', db: 'orders'}]})`)
	fatal(t, "write in the source", insertOne(t.Context(), connect(t, as(t, uri, "shop", "the password")), "orders"))
	moment := time.Now().Round(time.Microsecond)
	administer(t, uri, `db.dropUser('shop')`)

	before := makeCluster(t, shared, harness.ForkRequest(source.Name, source.Name+"-before", moment)).Connection.URI
	latest := makeCluster(t, shared, harness.ForkRequest(source.Name, source.Name+"-latest", time.Time{})).Connection.URI
	wantPassword(t, before, "shop", "the password", "another password")
	wantCode(t, insertOne(t.Context(), connect(t, as(t, latest, "shop", "the password")), "orders"), 18)
	wantCode(t, insertOne(t.Context(), connect(t, as(t, uri, "shop", "the password")), "orders"), 18)
}
