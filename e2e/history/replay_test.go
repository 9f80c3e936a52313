package history

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
)

const (
	megabyte = 1 << 20
	// budget is Tine's default of history.replay_mib.
	budget = 64 * megabyte
	// bound is what no moment exceeds: the budget, and what the writers add while a restore point is taken, which here is 15 to 50 MB.
	bound = 3 * budget
)

// Whatever moment of a cluster that is written to at full speed is asked for, what is replayed for it stays within a bound, however much has been written.
func TestReplayStaysBoundedUnderWritersAtFullSpeed(t *testing.T) { //nolint:paralleltest // a second cluster's writers would share the disk
	const enough, moments = 6 * budget, 500
	c := tine.NewCluster(t, harness.CreateRequest(tine.NewName("busy")))
	begin := time.Now()
	written := write(t, c.Connection.URI, enough)
	end := time.Now()
	tine.WaitFor(t, "the last restore point", func() bool { return replay(t, c.ID, end) <= bound })
	all, err := tine.Replays(t.Context(), c.ID, begin, end, moments)
	if err != nil {
		t.Fatal(err, tine.LastLines())
	}
	t.Logf("%d MB in documents; replay p50 %d MB, p95 %d MB, at most %d MB", written/megabyte, all[moments/2]/megabyte, all[moments*95/100]/megabyte, all[moments-1]/megabyte)
	if most := all[moments-1]; most > bound {
		t.Errorf("for some moment %d MB are replayed, want at most %d", most/megabyte, bound/megabyte)
	}
}

func replay(t *testing.T, id string, at time.Time) int64 {
	t.Helper()
	bytes, err := tine.Replay(t.Context(), id, at)
	if err != nil {
		t.Fatal(err, tine.LastLines())
	}
	return bytes
}

// write has four writers insert documents that do not compress until there are enough bytes, and returns how many there are.
func write(t *testing.T, uri string, enough int64) int64 {
	t.Helper()
	client := tine.Connect(t, uri)
	var written atomic.Int64
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for written.Load() < enough && !t.Failed() {
				n, err := insert(t.Context(), client.Database("d").Collection("c"))
				if err != nil {
					t.Error(err, tine.LastLines())
				}
				written.Add(n)
			}
		})
	}
	writers.Wait()
	return written.Load()
}

// insert writes some documents at once and returns how many bytes they have.
func insert(ctx context.Context, coll *mongo.Collection) (bytes int64, err error) {
	const count, size = 50, 10_000
	docs := make([]any, count)
	for i := range docs {
		noise := make([]byte, size)
		if _, err := rand.Read(noise); err != nil {
			return 0, err
		}
		docs[i] = bson.D{{Key: "noise", Value: noise}}
	}
	_, err = coll.InsertMany(ctx, docs)
	return count * size, err
}
