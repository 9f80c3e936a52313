package e2e

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
	"tine/internal/contract"
	"tine/internal/host"
)

// own starts a Tine for a test that kills it.
func own(t *testing.T) *harness.Tine {
	t.Helper()
	tine, err := harness.New(harness.Options{ImageGiB: 10, Transport: contract.Wrap})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tine.Destroy(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tine
}

// restart stops tine up in order and starts it again.
func restart(t *testing.T, tine *harness.Tine, env ...string) {
	t.Helper()
	if err := tine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tine.Start(t.Context(), env...); err != nil {
		t.Fatal(err)
	}
}

// killed waits until the failpoint has killed tine up, and starts it again.
func killed(t *testing.T, tine *harness.Tine) {
	t.Helper()
	if err := tine.Exited(t.Context()); t.Context().Err() != nil {
		t.Fatal(err)
	}
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// kill -9 of tine up after every step of every operation: the operation is completed after the restart, or had been, and nothing is
// left of the attempt.
func TestKillAfterEveryStep(t *testing.T) { //nolint:paralleltest // it wants the machine for itself
	tine := own(t)
	source := makeCluster(t, tine, harness.CreateRequest(newName("source")))
	insert(t, connect(t, source).Database("d").Collection("c"), 1, 2)
	moment := now()
	insert(t, connect(t, source).Database("d").Collection("c"), 3)
	for _, step := range host.Steps() {
		switch operation, _, _ := strings.Cut(step, "/"); operation {
		case "suspend", "wake":
			continue // e2e/suspension has them: they need a client that comes or stays away
		case "transfer", "migrate":
			continue // e2e/regions has them
		}
		t.Run(step, func(t *testing.T) {
			operation, _, _ := strings.Cut(step, "/")
			if operation == "change" {
				killWhileResizing(t, tine, step)
				return
			}
			if operation == "exchange" {
				killWhileRestoring(t, tine, step)
				return
			}
			var request *godo.DatabaseCreateRequest
			want := []int{1, 2}
			switch operation {
			case "create":
				request, want = harness.CreateRequest(newName("killed")), nil
			default:
				request = harness.ForkRequest(source.Name, newName("killed"), moment)
			}
			var cluster *godo.Database
			if operation == "destroy" {
				var err error
				if cluster, err = tine.Make(t.Context(), request); err != nil {
					t.Fatal(err)
				}
				restart(t, tine, "TINE_FAILPOINT="+step)
				_, _ = tine.API.Databases.Delete(t.Context(), cluster.ID) // the answer may be lost
				killed(t, tine)
			} else {
				restart(t, tine, "TINE_FAILPOINT="+step)
				_, _, _ = tine.API.Databases.Create(t.Context(), request) // the answer may be lost
				killed(t, tine)
				cluster = find(t, tine, request.Name)
				if err := tine.WaitOnline(t.Context(), cluster.ID); err != nil {
					t.Fatal(err, lastLines(tine.LogText()))
				}
				wantClusters(t, tine, 2)
				if step != operation+"/online" { // after the last step there is nothing to tell
					wantResumed(t, tine, cluster.ID)
				}
				wantContents(t, tine, cluster, want)
				if _, err := tine.API.Databases.Delete(t.Context(), cluster.ID); err != nil {
					t.Fatal(err)
				}
			}
			if err := tine.WaitGone(t.Context(), cluster.ID); err != nil {
				t.Fatal(err, lastLines(tine.LogText()))
			}
			wantClusters(t, tine, 1)
		})
	}
	wantNumbers(t, connect(t, source).Database("d").Collection("c"), 1, 2, 3)
}

// killWhileResizing resizes a cluster whose host is killed after a step.
func killWhileResizing(t *testing.T, tine *harness.Tine, step string) {
	t.Helper()
	cluster, err := tine.Make(t.Context(), harness.CreateRequest(newName("killed")))
	if err != nil {
		t.Fatal(err)
	}
	numbers := connect(t, cluster).Database("d").Collection("c")
	insert(t, numbers, 1, 2)
	restart(t, tine, "TINE_FAILPOINT="+step)
	_, _ = tine.API.Databases.Resize(t.Context(), cluster.ID, &godo.DatabaseResizeRequest{SizeSlug: "db-s-1vcpu-2gb", NumNodes: 1})
	killed(t, tine)
	if err := tine.WaitOnline(t.Context(), cluster.ID); err != nil {
		t.Fatal(err, lastLines(tine.LogText()))
	}
	if got := find(t, tine, cluster.Name); got.SizeSlug != "db-s-1vcpu-2gb" {
		t.Errorf("the cluster has the plan %s", got.SizeSlug)
	}
	wantNumbers(t, numbers, 1, 2)
	if _, err := tine.API.Databases.Delete(t.Context(), cluster.ID); err != nil {
		t.Fatal(err)
	}
	if err := tine.WaitGone(t.Context(), cluster.ID); err != nil {
		t.Fatal(err, lastLines(tine.LogText()))
	}
	wantClusters(t, tine, 1)
}

// killWhileRestoring restores a cluster in place whose host is killed after a step.
func killWhileRestoring(t *testing.T, tine *harness.Tine, step string) {
	t.Helper()
	cluster, err := tine.Make(t.Context(), harness.CreateRequest(newName("killed")))
	if err != nil {
		t.Fatal(err)
	}
	numbers, leave := visit(t, cluster)
	insert(t, numbers, 1, 2)
	moment := now()
	insert(t, numbers, 3)
	restart(t, tine, "TINE_FAILPOINT="+step)
	// The answer may be lost.
	_ = tine.Call(t.Context(), http.MethodPost, "/v2/databases/"+cluster.ID+"/restore", map[string]any{"at": at(moment)}, nil)
	killed(t, tine)
	if err := tine.WaitEvents(t.Context(), cluster.ID, "cluster_restore_done", 1); err != nil {
		t.Fatal(err, lastLines(tine.LogText()))
	}
	wantNumbers(t, numbers, 1, 2)
	insert(t, numbers, 4)
	if step != "exchange/online" { // after the last step there is nothing to tell
		wantResumed(t, tine, cluster.ID)
	}
	kept := keptOf(t, tine, cluster)
	before, leaveKept := visit(t, as(t, kept, "doadmin", cluster.Connection.Password))
	wantNumbers(t, before, 1, 2, 3)
	wantClusters(t, tine, 3)
	wantContents(t, tine, kept, []int{1, 2, 3})
	wantContents(t, tine, cluster, []int{1, 2, 4})
	leave()
	leaveKept()
	for _, c := range []*godo.Database{cluster, kept} {
		if err := tine.Remove(t.Context(), c.ID); err != nil {
			t.Fatal(err, lastLines(tine.LogText()))
		}
	}
	wantClusters(t, tine, 1)
}

// visit is connect for a cluster that is destroyed before the test ends: leaving one that is gone takes a driver half a minute.
func visit(t *testing.T, c *godo.Database) (numbers *mongo.Collection, leave func()) {
	t.Helper()
	client, err := harness.Connect(t.Context(), c.Connection.URI)
	if err != nil {
		t.Fatal(err)
	}
	return client.Database("d").Collection("c"), func() {
		if err := client.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// keptOf is the cluster that keeps the state of another one before its restore.
func keptOf(t *testing.T, tine *harness.Tine, c *godo.Database) *godo.Database {
	t.Helper()
	list, _, err := tine.API.Databases.List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range list {
		if strings.HasPrefix(other.Name, c.Name+"-before-") {
			return &other
		}
	}
	t.Fatalf("nothing keeps the state of %s", c.Name)
	return nil
}

func find(t *testing.T, tine *harness.Tine, name string) *godo.Database {
	t.Helper()
	list, _, err := tine.API.Databases.List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Name == name {
			return &c
		}
	}
	t.Fatalf("no cluster is named %s", name)
	return nil
}

// wantResumed fails unless the events say that the operation was interrupted and went on.
func wantResumed(t *testing.T, tine *harness.Tine, id string) {
	t.Helper()
	events, err := tine.Events(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Detail == "operation_resumed" {
			return
		}
	}
	t.Errorf("no event says that the operation was resumed: %v", events)
}

// wantContents reads a cluster through its source's history: its own password may have been in an answer that was lost, so a fork of it,
// made now, is read.
func wantContents(t *testing.T, tine *harness.Tine, c *godo.Database, want []int) {
	t.Helper()
	fork, err := tine.Make(t.Context(), harness.ForkRequest(c.Name, newName("look"), now()))
	if err != nil {
		t.Fatal(err, lastLines(tine.LogText()))
	}
	client, err := harness.Connect(t.Context(), fork.Connection.URI)
	if err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, client.Database("d").Collection("c"), want...)
	if err := client.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
	if err := tine.Remove(t.Context(), fork.ID); err != nil {
		t.Error(err)
	}
}

// Nodes outlive tine up, however it ends, and clients of its gateways find their clusters again.
func TestNodesOutliveTineUp(t *testing.T) {
	t.Parallel()
	tine := own(t)
	cluster := makeCluster(t, tine, harness.CreateRequest(newName("prod")))
	c := connect(t, cluster).Database("d").Collection("c")
	insert(t, c, 1)
	before := nodePID(t, tine)
	if err := tine.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	insert(t, c, 2)
	restart(t, tine)
	insert(t, c, 3)
	wantNumbers(t, c, 1, 2, 3)
	if after := nodePID(t, tine); after != before {
		t.Errorf("the node's process is %d, want %d: it was restarted", after, before)
	}
}

// nodePID is the process of an instance's only node.
func nodePID(t *testing.T, tine *harness.Tine) int {
	t.Helper()
	pid, err := tine.NodePID()
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// kill -9 of a node in the middle of writes: it comes back with every acknowledged write, and that is an event.
func TestKilledNodeComesBackWithEveryAcknowledgedWrite(t *testing.T) {
	t.Parallel()
	tine := own(t)
	cluster := makeCluster(t, tine, harness.CreateRequest(newName("prod")))
	const writers, rounds = 4, 3
	var mu sync.Mutex
	acknowledged := map[int]bool{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	wrote := make(chan bool, 1)
	for w := range writers {
		c := connect(t, cluster).Database("d").Collection("c")
		running.Go(func() {
			for n := w; ctx.Err() == nil; n += writers {
				_, err := c.InsertOne(ctx, map[string]int{"_id": n})
				if err != nil {
					continue // not acknowledged
				}
				mu.Lock()
				acknowledged[n] = true
				mu.Unlock()
				select {
				case wrote <- true:
				default:
				}
			}
		})
	}
	for round := range rounds {
		for range 100 {
			<-wrote
		}
		if err := syscall.Kill(nodePID(t, tine), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		waitRestarts(t, tine, cluster.ID, round+1)
	}
	stop()
	running.Wait()
	found := map[int]bool{}
	for _, d := range all(t, connect(t, cluster).Database("d").Collection("c")) {
		found[d.ID] = true
	}
	lost := 0
	for n := range acknowledged {
		if !found[n] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged writes are lost", lost, len(acknowledged))
	}
}

// waitRestarts returns when the cluster's events tell of that many restarts of its node.
func waitRestarts(t *testing.T, tine *harness.Tine, id string, want int) {
	t.Helper()
	if err := tine.WaitEvents(t.Context(), id, "node_restart", want); err != nil {
		t.Fatal(err)
	}
}

// A node that has died twice is started again only after a second. Nobody can write the commit that would end a recovery to a moment
// in that second, and the fork must hold all that was acknowledged before.
func TestForkAtAMomentWhileTheSourceIsDown(t *testing.T) {
	t.Parallel()
	tine := own(t)
	source := makeCluster(t, tine, harness.CreateRequest(newName("prod")))
	c := connect(t, source).Database("d").Collection("c")
	insert(t, c, 1)
	if err := syscall.Kill(nodePID(t, tine), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitRestarts(t, tine, source.ID, 1)
	insert(t, c, 2)
	if err := syscall.Kill(nodePID(t, tine), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	fork := makeCluster(t, tine, harness.ForkRequest(source.Name, newName("fork"), now()))
	wantNumbers(t, connect(t, fork).Database("d").Collection("c"), 1, 2)
}
