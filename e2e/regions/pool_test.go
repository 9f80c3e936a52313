package regions

import (
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/e2e/harness"
)

// A cluster is made, forked and kept in the pool of its region, and is found there again by the next process.
func TestClusterLivesInThePoolOfItsRegion(t *testing.T) { //nolint:paralleltest // it stops Tine
	before := len(held(t, near, "volumes"))
	c := newCluster(t, in(far, harness.CreateRequest(tine.NewName("far"))))
	if _, err := c.client.Database("d").Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	fork := newCluster(t, in("", harness.ForkRequest(c.Name, tine.NewName("fork"), now())))
	if n, err := fork.client.Database("d").Collection("c").CountDocuments(t.Context(), bson.D{}); n != 1 || err != nil {
		t.Errorf("the fork has %d documents, %v", n, err)
	}
	if fork.RegionSlug != far {
		t.Errorf("a fork of a cluster in %s is in %s", far, fork.RegionSlug)
	}
	if volumes, histories := held(t, far, "volumes"), held(t, far, "history"); len(volumes) != 2 || len(histories) != 2 {
		t.Errorf("%s has volumes %v and histories %v, want two of each", far, volumes, histories)
	}
	if after := len(held(t, near, "volumes")); after != before {
		t.Errorf("%s has %d volumes, had %d", near, after, before)
	}
	if err := tine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if volumes := held(t, far, "volumes"); len(volumes) != 2 {
		t.Errorf("after a restart %s has volumes %v", far, volumes)
	}
	if err := c.client.Ping(t.Context(), nil); err != nil {
		t.Error("after a restart:", err)
	}
	options, _, err := tine.API.Databases.ListOptions(t.Context())
	if err != nil || !slices.Contains(options.MongoDBOptions.Regions, far) {
		t.Errorf("the options have the regions %v, %v", options.MongoDBOptions.Regions, err)
	}
}
