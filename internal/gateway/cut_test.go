package gateway_test

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/gateway"
)

// A cluster that is cut off and opened again is there for its clients all the time: who connects meanwhile waits.
func TestClientsWaitWhileTheClusterIsCut(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	coll := g.database(t, options.Client().SetServerSelectionTimeout(30*time.Second)).Collection("c") // as drivers have it unless told otherwise
	must(coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}))(t)
	ln := g.server.Cut(t.Context(), g.id)
	if ln == nil {
		t.Fatal("an open cluster has no listener")
	}
	if again := g.server.Cut(t.Context(), g.id); again != nil {
		t.Error("a cluster was cut off twice")
	}
	done := make(chan error, 1)
	go func() {
		_, err := coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 2}})
		done <- err
	}()
	spec := gateway.Cluster{ID: g.id, Name: "orders", Version: "8", SocketDir: socketDir(t)}
	if err := g.server.Open(t.Context(), spec, ln); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("a write while the cluster was cut off: %v", err)
	}
	if n := must(coll.CountDocuments(t.Context(), bson.D{}))(t); n != 2 {
		t.Errorf("%d documents, want 2", n)
	}
}

// A command that runs when its cluster is cut off ends with an error by which a driver tries again; it does not hold the cut up.
func TestCommandsThatRunAtTheCutEndWithARetryableError(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t, options.Client().SetRetryReads(false).SetRetryWrites(false))
	must(db.Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}))(t)
	ended := slowFind(t, db)
	operation(t, db, "slow")
	start := time.Now()
	ln := g.server.Cut(t.Context(), g.id)
	t.Cleanup(func() { _ = ln.Close() })
	wantCode(t, <-ended, 189)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the cut took %s", took)
	}
}
