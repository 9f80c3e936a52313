package e2e

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/godo"

	"tine/e2e/harness"
)

// Every fork holds exactly the writes acknowledged at or before its moment, and none started after it, while four writers go on.
func TestForksAtRandomMomentsUnderConcurrentWriters(t *testing.T) { //nolint:paralleltest // it wants the machine's full speed
	const writers, forks = 4, 50
	source := makeCluster(t, shared, harness.CreateRequest(newName("busy")))
	o := harness.NewOracle(writers)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for w := range writers {
		c := connect(t, source).Database("d").Collection("c")
		running.Go(func() {
			if err := o.Run(ctx, w, c); err != nil {
				t.Error(err)
			}
		})
	}
	defer running.Wait()
	defer stop()

	begin := now()
	for range forks {
		moment := begin.Add(time.Duration(rand.Int64N(int64(time.Since(begin))))).Truncate(time.Microsecond)
		checkFork(t, o, source, moment)
		if t.Failed() {
			return
		}
	}
}

func checkFork(t *testing.T, o *harness.Oracle, source *godo.Database, at time.Time) {
	t.Helper()
	fork, err := shared.Make(t.Context(), harness.ForkRequest(source.Name, newName("fork"), at))
	if err != nil {
		t.Fatalf("fork at %s: %v\n%s", at, err, lastLines(shared.LogText()))
	}
	client, err := harness.Connect(t.Context(), fork.Connection.URI)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Check(t.Context(), client.Database("d").Collection("c"), at); err != nil {
		t.Error(err)
	}
	if err := client.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
	if err := shared.Remove(t.Context(), fork.ID); err != nil {
		t.Error(err)
	}
}
