package suspension

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
	"tine/internal/host"
)

// kill -9 of tine up after every step of a suspension and of a wake: the cluster is awake or asleep afterwards, serves all that was written, has one node, and
// can be suspended and woken again.
func TestKillAfterEveryStepOfSuspensionAndWake(t *testing.T) { //nolint:paralleltest // see tine
	c := tine.NewCluster(t, harness.CreateRequest(tine.NewName("killed")))
	var written []int
	write := func(t *testing.T) {
		t.Helper()
		written = append(written, len(written))
		insert(t, c, len(written)-1)
	}
	steps := 0
	for _, step := range host.Steps() {
		operation, _, _ := strings.Cut(step, "/")
		if operation != "suspend" && operation != "wake" {
			continue
		}
		steps++
		t.Run(step, func(t *testing.T) {
			write(t)
			if operation == "suspend" {
				killInSuspension(t, c, step)
			} else {
				killInWake(t, c, step)
			}
			tine.WaitFor(t, "the cluster to be awake or asleep", func() bool {
				n, err := tine.Nodes()
				return err == nil && isSuspended(t, c) == (n == 0)
			})
			wantIDs(t, c, written...)
			write(t)
			suspend(t, c, 0)
			wantIDs(t, c, written...)
			waitAwake(t, c)
		})
	}
	if steps == 0 {
		t.Error("there are no steps of a suspension")
	}
}

// killInSuspension has tine up killed after a step of the suspension of a cluster that is awake, and starts it again.
func killInSuspension(t *testing.T, c *godo.Database, step string) {
	t.Helper()
	waitAwake(t, c)
	restart(t, step)
	// The answer may be lost.
	_ = tine.Call(t.Context(), http.MethodPut, "v2/databases/"+c.ID+"/suspension", map[string]bool{"now": true}, nil)
	killed(t, step)
}

// waitAwake uses a cluster until it is shown as awake with its one node: a suspension that was interrupted goes on when tine up is there again.
func waitAwake(t *testing.T, c *godo.Database) {
	t.Helper()
	visit(t, c, func(things *mongo.Collection) {
		tine.WaitFor(t, "the cluster to be awake", func() bool {
			if err := things.FindOne(t.Context(), bson.D{}).Err(); err != nil {
				t.Fatal(err, tine.LastLines())
			}
			n, err := tine.Nodes()
			if err != nil || n > 1 {
				t.Fatalf("%d nodes run, want one: %v", n, err)
			}
			return n == 1 && !isSuspended(t, c)
		})
	})
}

// killInWake has tine up killed after a step of the wake of a cluster that sleeps, and starts it again.
func killInWake(t *testing.T, c *godo.Database, step string) {
	t.Helper()
	suspend(t, c, 0)
	restart(t, step)
	if n, err := tine.Nodes(); err != nil || n != 0 || !isSuspended(t, c) {
		t.Fatalf("the cluster does not sleep before somebody comes: %d nodes run: %v", n, err)
	}
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		client, err := harness.Connect(ctx, c.Connection.URI)
		if err != nil {
			return // it wakes the cluster by its log-in, and may lose its connection there
		}
		_ = client.Database("shop").Collection("things").FindOne(ctx, bson.D{}).Err()
		_ = client.Disconnect(context.WithoutCancel(ctx))
	}()
	defer func() { leave(); <-gone }()
	killed(t, step, func() { leave(); <-gone })
}

// restart stops tine up and starts it, to be killed at a step.
func restart(t *testing.T, failpoint string) {
	t.Helper()
	if err := tine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tine.Start(t.Context(), "TINE_FAILPOINT="+failpoint); err != nil {
		t.Fatal(err)
	}
}

// killPatience is far longer than it takes to reach a step.
const killPatience = time.Minute

// killed waits until the failpoint has killed tine up, and starts it again; between is done before.
func killed(t *testing.T, step string, between ...func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), killPatience)
	defer cancel()
	if err := tine.Exited(ctx); ctx.Err() != nil {
		t.Fatal(step, " was not reached: ", err, tine.LastLines())
	}
	for _, do := range between {
		do()
	}
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(step, err)
	}
}
