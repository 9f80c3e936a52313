package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
)

// A fork of the past keeps what has expired since, until its owner says otherwise; a fork at latest goes on deleting as its source does.
func TestTTLIndexesDeleteNothingInAForkOfThePast(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	c := connect(t, source).Database("d").Collection("c")
	index := indexModel(bson.D{{Key: "at", Value: 1}}, options.Index().SetExpireAfterSeconds(1))
	if _, err := c.Indexes().CreateOne(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	// It expires after all forks are made: the engine deletes once a minute, and could begin in the middle of that.
	if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}, {Key: "at", Value: time.Now().Add(20 * time.Second)}}); err != nil {
		t.Fatal(err)
	}
	moment := now()
	past := makeCluster(t, shared, harness.ForkRequest(source.Name, newName("past"), moment))
	ofPast := makeCluster(t, shared, harness.ForkRequest(past.Name, newName("past"), time.Time{}))
	latest := makeCluster(t, shared, harness.ForkRequest(source.Name, newName("latest"), time.Time{}))
	for _, in := range []*godo.Database{source, latest} {
		waitDeleted(t, in.Name, connect(t, in).Database("d").Collection("c"))
	}
	// The engine has deleted what had expired, in other nodes of the same machine and clock.
	inPast := connect(t, past).Database("d").Collection("c")
	wantNumbers(t, inPast, 1)
	wantNumbers(t, connect(t, ofPast).Database("d").Collection("c"), 1)
	setTTL(t, past, true)
	waitDeleted(t, past.Name, inPast)

	// And in place: the restored cluster and what was kept of it stay as they are.
	kept := exchange(t, shared, "restore", source.ID, map[string]any{"at": at(moment)})
	wantTTLPaused(t, source.ID)
	wantTTLPaused(t, kept.ID)
	wantNumbers(t, c, 1)
	setTTL(t, source, true)
	waitDeleted(t, source.Name, c)
	wantNumbers(t, connect(t, ofPast).Database("d").Collection("c"), 1)
}

// waitDeleted waits until nothing is in a collection.
func waitDeleted(t *testing.T, name string, c *mongo.Collection) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; {
		n, err := c.CountDocuments(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("what has expired is still in %s after three minutes", name)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func setTTL(t *testing.T, c *godo.Database, enabled bool) {
	t.Helper()
	if err := shared.Call(t.Context(), http.MethodPut, "/v2/databases/"+c.ID+"/ttl", map[string]bool{"enabled": enabled}, nil); err != nil {
		t.Fatal(err)
	}
}

func wantTTLPaused(t *testing.T, id string) {
	t.Helper()
	var root struct {
		Database struct {
			TTLPaused bool `json:"ttl_paused"`
		} `json:"database"`
	}
	if err := shared.Call(t.Context(), http.MethodGet, "/v2/databases/"+id, nil, &root); err != nil || !root.Database.TTLPaused {
		t.Errorf("TTL indexes of %s are not paused, %v", id, err)
	}
}
