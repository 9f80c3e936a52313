package gateway_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// slowFind is a find that does not end by itself while a test runs, and how it ended.
func slowFind(tb testing.TB, db *mongo.Database, options ...bson.E) <-chan error {
	tb.Helper()
	locked := superuser(tb)
	// The find waits for a lock that is given back when the test ends.
	if _, err := locked.Exec(tb.Context(), "BEGIN"); err != nil {
		tb.Fatal(err)
	}
	var table string
	err := locked.QueryRow(tb.Context(), "SELECT 'documentdb_data.documents_' || collection_id FROM documentdb_api_catalog.collections WHERE database_name = $1 AND collection_name = 'c'", db.Name()).Scan(&table)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := locked.Exec(tb.Context(), "LOCK TABLE "+table); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _, _ = locked.Exec(context.WithoutCancel(tb.Context()), "ROLLBACK") })
	ended := make(chan error, 1)
	go func() {
		ended <- db.RunCommand(tb.Context(), append(bson.D{{Key: "find", Value: "c"}, {Key: "comment", Value: "slow"}}, options...)).Err()
	}()
	return ended
}

// operation waits until an operation with the comment runs, and returns it.
func operation(tb testing.TB, db *mongo.Database, comment string) bson.M {
	tb.Helper()
	admin := db.Client().Database("admin")
	for tb.Context().Err() == nil {
		cur, err := admin.Aggregate(tb.Context(), mongo.Pipeline{
			{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: true}}}},
			{{Key: "$match", Value: bson.D{{Key: "command.comment", Value: comment}}}},
		})
		if err != nil {
			tb.Fatal(err)
		}
		var ops []bson.M
		if err := cur.All(tb.Context(), &ops); err != nil {
			tb.Fatal(err)
		}
		if len(ops) == 1 {
			return ops[0]
		}
	}
	tb.Fatal("the operation is not listed")
	return nil
}

func TestOperationsAreListedAndKilled(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertOne(t.Context(), bson.D{}))(t)
	ended := slowFind(t, db)
	op := operation(t, db, "slow")
	if op["ns"] != db.Name()+".c" || op["op"] != "query" || op["active"] != true || op["type"] != "op" {
		t.Errorf("the operation is %v", op)
	}
	admin := db.Client().Database("admin")
	var list struct{ Inprog []bson.M }
	if err := admin.RunCommand(t.Context(), bson.D{{Key: "currentOp", Value: 1}, {Key: "ns", Value: db.Name() + ".c"}}).Decode(&list); err != nil || len(list.Inprog) != 1 {
		t.Errorf("currentOp lists %v, %v", list.Inprog, err)
	}
	if err := admin.RunCommand(t.Context(), bson.D{{Key: "currentOp", Value: 1}, {Key: "$all", Value: true}}).Decode(&list); err != nil || len(list.Inprog) < 3 {
		t.Errorf("currentOp with $all lists %v, %v", list.Inprog, err)
	}
	if err := admin.RunCommand(t.Context(), bson.D{{Key: "killOp", Value: 1}, {Key: "op", Value: op["opid"]}}).Err(); err != nil {
		t.Error(err)
	}
	wantCode(t, <-ended, 11601)
}

func TestCommandsHaveATimeLimit(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertOne(t.Context(), bson.D{}))(t)
	ended := slowFind(t, db, bson.E{Key: "maxTimeMS", Value: 50}) // by the engine
	wantCode(t, <-ended, 50)
	start := time.Now()
	err := db.RunCommand(t.Context(), bson.D{ // by the gateway
		{Key: "findAndModify", Value: "c"}, {Key: "query", Value: bson.D{}}, {Key: "remove", Value: true}, {Key: "maxTimeMS", Value: 50},
	}).Err()
	wantCode(t, err, 50)
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("ended after %v", took)
	}
}

func TestSecretsAreNotListed(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertOne(t.Context(), bson.D{}))(t)
	slowFind(t, db, bson.E{Key: "filter", Value: bson.D{{Key: "a", Value: string(make([]byte, 2000))}}})
	op := operation(t, db, "slow")
	command, ok := op["command"].(bson.D)
	if !ok || command[0].Key != "$truncated" {
		t.Errorf("a long command is listed as %v", op["command"])
	}
}
