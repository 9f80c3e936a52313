package regions

import (
	"crypto/rand"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/e2e/harness"
)

// A volume that is sent as a whole goes in parts, and those that have arrived before a kill do not go again.
func TestForkOfALargeClusterGoesOnWithItsPart(t *testing.T) { //nolint:paralleltest // it kills Tine
	limited(t, "64")
	source := newCluster(t, harness.CreateRequest(tine.NewName("large")))
	collection := source.client.Database("d").Collection("large")
	const batches, batch, size = 80, 64, 64 << 10 // 320 MiB, and as much in the log
	for i := range batches {
		docs := make([]any, batch)
		for j := range docs {
			padding := make([]byte, size)
			_, _ = rand.Read(padding) // or it would be compressed
			docs[j] = bson.D{{Key: "_id", Value: i*batch + j}, {Key: "p", Value: padding}}
		}
		if _, err := collection.InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err, tine.LastLines())
		}
	}
	insert(t, source, 1)
	made := begin(t, in(far, harness.ForkRequest(source.Name, tine.NewName("fork"), time.Time{})))
	insert(t, source, 2)
	const part = 256 << 20
	tine.WaitFor(t, "a part to arrive", func() bool { return len(held(t, far, "parts")) > 0 && sent(t, made.ID) > part+part/8 })
	if err := tine.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNoSenders(t)
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The count begins with what has arrived, and what has arrived is what was sent but for a part at most.
	first := int64(0)
	tine.WaitFor(t, "the fork to go on", func() bool {
		first = sent(t, made.ID)
		return first > 0 && stateOf(t, made.ID).Transfer.SecondsLeft != nil || stateOf(t, made.ID).Status == "online"
	})
	if first < part {
		t.Errorf("after the kill the fork went on with %d bytes sent", first)
	}
	if err := tine.WaitOnline(t.Context(), made.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	fork := connected(t, made)
	if n, err := fork.client.Database("d").Collection("large").CountDocuments(t.Context(), bson.D{}); err != nil || n != batches*batch {
		t.Errorf("the fork has %d documents, %v", n, err)
	}
	n, err := fork.client.Database("d").Collection("c").CountDocuments(t.Context(), bson.D{{Key: "_id", Value: 1}})
	if err != nil || n != 1 {
		t.Errorf("the fork lacks what was acknowledged before the request: %d, %v", n, err)
	}
	wantNoTransit(t)
}

// sent is how much is sent of a cluster.
func sent(t *testing.T, id string) int64 {
	t.Helper()
	if s := stateOf(t, id); s.Transfer != nil {
		return s.Transfer.SentBytes
	}
	return 0
}
