package suspension

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
)

// A cluster that was woken while the control plane's database refused to record it is served, and shown as awake as soon as that is possible. Whatever is asked
// for meanwhile reaches the node that runs, although the row says that it is stopped.
func TestWakeThatCouldNotBeRecorded(t *testing.T) { //nolint:paralleltest // see tine
	for _, o := range []struct {
		name string
		ask  func(t *testing.T, c *godo.Database)
		done func(t *testing.T, c *godo.Database)
		// restarts says that it is to start the node again.
		restarts bool
		want     []int
	}{
		{name: "nothing", want: []int{1}},
		{name: "install update", ask: askForUpdate, done: func(t *testing.T, c *godo.Database) {
			t.Helper()
			const began, done = 1, 1
			wantEvents(t, c, "cluster_maintenance_perform", began+done)
		}, restarts: true, want: []int{1}},
		{name: "resize", ask: askForMore, done: func(t *testing.T, c *godo.Database) {
			t.Helper()
			if got := waitOnline(t, sleeper{Database: c}); got.SizeSlug != larger {
				t.Errorf("the cluster has the plan %s", got.SizeSlug)
			}
		}, restarts: true, want: []int{1}},
		{name: "suspension", ask: func(t *testing.T, c *godo.Database) {
			t.Helper()
			call(t, http.MethodPut, c, "suspension", map[string]any{"now": true})
		}, done: func(t *testing.T, c *godo.Database) {
			t.Helper()
			tine.WaitNodes(t, 0)
			tine.WaitFor(t, "the row to say so", func() bool { return isSuspended(t, c) })
		}, want: []int{1}},
	} {
		t.Run(o.name, func(t *testing.T) {
			c := tine.NewCluster(t, harness.CreateRequest(tine.NewName("unrecorded")))
			insert(t, c, 1)
			suspend(t, c, 0)
			allow := tine.RefuseWakes(t)
			wantIDs(t, c, 1)
			pid := nodePID(t)
			if !isSuspended(t, c) {
				t.Fatal("the wake was recorded: the test has not refused it")
			}
			if o.ask != nil {
				o.ask(t, c)
			}
			allow()
			if o.done != nil {
				o.done(t, c)
			} else {
				tine.WaitFor(t, "the wake to be recorded", func() bool { return !isSuspended(t, c) })
				wantEvents(t, c, "cluster_woken", 1)
			}
			if o.restarts && nodePID(t) == pid {
				t.Error("the node was not started again")
			}
			wantIDs(t, c, o.want...)
			insert(t, c, 10)
			suspend(t, c, 0)
			wantIDs(t, c, append(o.want, 10)...)
		})
	}
}

// unrecorded has a cluster fall asleep, and wake without the row saying so until allow is called. It has the documents 1 and 2 of before the moment at, and 3, which
// was written after the wake. left is how many other nodes run.
func unrecorded(t *testing.T, c *godo.Database, left int) (awake sleeper, allow func()) {
	t.Helper()
	insert(t, c, 1, 2)
	awake = sleeper{Database: c, at: now()}
	suspend(t, c, left)
	allow = tine.RefuseWakes(t)
	insert(t, c, 3)
	if !isSuspended(t, c) {
		t.Fatal("the wake was recorded: the test has not refused it")
	}
	return awake, allow
}

// exchangeUnrecorded asks for an exchange that works on the node of c, whose wake is not recorded: it fails, c goes on and gets document 4, and once the wake can be
// recorded it is done. It returns the cluster that keeps the state before, if one does.
func exchangeUnrecorded(t *testing.T, c sleeper, allow func(), asked *godo.Database, kind string, body map[string]any) *godo.Database {
	t.Helper()
	var answer struct {
		Kept struct {
			ID string `json:"id"`
		} `json:"kept"`
	}
	var root any = &answer
	if kind == "swap" {
		root = nil // its answer has no body
	}
	if err := tine.Call(t.Context(), http.MethodPost, "/v2/databases/"+asked.ID+"/"+kind, body, root); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	tine.WaitFailed(t, "cluster_swap", asked.ID)
	insert(t, c.Database, 4)
	if !isSuspended(t, c.Database) {
		t.Fatal("the wake was recorded: the test has not refused it")
	}
	allow()
	wantEvents(t, asked, "cluster_"+kind+"_done", 1)
	if answer.Kept.ID == "" {
		return nil
	}
	t.Cleanup(func() { tine.Discard(t, answer.Kept.ID) })
	kept, _, err := tine.API.Databases.Get(t.Context(), answer.Kept.ID)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// wantWatched fails unless clusters, all that there are, are awake and shown so, can be suspended, and wake.
func wantWatched(t *testing.T, all ...*godo.Database) {
	t.Helper()
	tine.WaitNodes(t, len(all))
	for _, c := range all {
		tine.WaitFor(t, c.Name+" to be shown as awake", func() bool { return !isSuspended(t, c) })
	}
	for i, c := range all {
		suspend(t, c, len(all)-1-i)
	}
	for i, c := range all {
		visit(t, c, func(things *mongo.Collection) {
			if err := things.FindOne(t.Context(), bson.D{}).Err(); err != nil {
				t.Error(c.Name, err)
			}
		})
		tine.WaitNodes(t, i+1)
		if isSuspended(t, c) {
			t.Errorf("%s was woken and is not shown as awake", c.Name)
		}
	}
}

// A cluster that runs although its row says that it is suspended is restored to a moment of before. What was written after the wake is in the state that is kept.
func TestRestoreAfterAWakeThatCouldNotBeRecorded(t *testing.T) { //nolint:paralleltest // see tine
	c, allow := unrecorded(t, tine.NewCluster(t, harness.CreateRequest(tine.NewName("unrecorded"))), 0)
	kept := exchangeUnrecorded(t, c, allow, c.Database, "restore", map[string]any{"at": c.at.UTC().Format(time.RFC3339Nano)})
	before := asBefore(t, c, kept)
	wantIDs(t, c.Database, 1, 2)
	wantIDs(t, before, 1, 2, 3, 4)
	wantWatched(t, c.Database, before)
}

// A fork that runs although its row says that it is suspended gets its source's latest state.
func TestResetAfterAWakeThatCouldNotBeRecorded(t *testing.T) { //nolint:paralleltest // see tine
	source := tine.NewCluster(t, harness.CreateRequest(tine.NewName("source")))
	insert(t, source, 7)
	c, allow := unrecorded(t, tine.NewCluster(t, harness.ForkRequest(source.Name, tine.NewName("unrecorded"), time.Time{})), 1)
	insert(t, source, 8)
	kept := exchangeUnrecorded(t, c, allow, c.Database, "reset", map[string]any{})
	before := asBefore(t, c, kept)
	wantIDs(t, c.Database, 7, 8)
	wantIDs(t, before, 1, 2, 3, 4, 7)
	wantIDs(t, source, 7, 8)
	wantWatched(t, c.Database, before, source)
}

// A fork is reset to a source that runs although its row says that it is suspended: it gets what was written after the wake. The source needs no record for that.
func TestResetToASourceWhoseWakeCouldNotBeRecorded(t *testing.T) { //nolint:paralleltest // see tine
	source := tine.NewCluster(t, harness.CreateRequest(tine.NewName("unrecorded")))
	fork := tine.NewCluster(t, harness.ForkRequest(source.Name, tine.NewName("fork"), time.Time{}))
	insert(t, fork, 9)
	c, allow := unrecorded(t, source, 1)
	kept := exchange(t, sleeper{Database: fork}, "reset", nil)
	before := as(t, kept, "doadmin", fork.Connection.Password)
	wantIDs(t, fork, 1, 2, 3)
	wantIDs(t, before, 9)
	insert(t, source, 4)
	allow()
	wantIDs(t, source, 1, 2, 3, 4)
	wantWatched(t, c.Database, fork, before)
}

// Two clusters of which one runs although its row says that it is suspended, and the other sleeps, exchange their data, whichever of them was asked.
func TestSwapAfterAWakeThatCouldNotBeRecorded(t *testing.T) { //nolint:paralleltest // see tine
	for _, ofOther := range []bool{false, true} {
		t.Run(fmt.Sprintf("asked of the other %v", ofOther), func(t *testing.T) {
			other := tine.NewCluster(t, harness.CreateRequest(tine.NewName("other")))
			insert(t, other, 7)
			suspend(t, other, 0)
			c, allow := unrecorded(t, tine.NewCluster(t, harness.CreateRequest(tine.NewName("unrecorded"))), 0)
			asked, with := c.Database, other
			if ofOther {
				asked, with = with, asked
			}
			exchangeUnrecorded(t, c, allow, asked, "swap", map[string]any{"with": with.Name})
			wantIDs(t, c.Database, 7)
			wantIDs(t, other, 1, 2, 3, 4)
			wantWatched(t, c.Database, other)
		})
	}
}

// A cluster whose row does not say yet that it is awake, when a new process opens its gateway, is one that is awake for the gateway, too: if nobody comes, it falls
// asleep when its time has come.
func TestGatewayThatOpensAfterAWakeThatCouldNotBeRecorded(t *testing.T) { //nolint:paralleltest // see tine
	again := func(after string) {
		t.Helper()
		if err := errors.Join(tine.Configure("suspend:\n  after: "+after+"\n"), tine.Stop(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := tine.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const after = "2s" // which the cluster keeps
	again(after)
	c := tine.NewCluster(t, harness.CreateRequest(tine.NewName("unrecorded")))
	insert(t, c, 1)
	tine.WaitFor(t, "the cluster to fall asleep", func() bool { return isSuspended(t, c) })
	tine.WaitNodes(t, 0)
	allow := tine.RefuseWakes(t)
	insert(t, c, 2)
	again("0s")
	if !isSuspended(t, c) || tine.CountNodes(t) != 1 {
		t.Fatal("the wake was recorded, or the node is stopped: the test has not refused it")
	}
	allow()
	wantEvents(t, c, "cluster_woken", 1)
	wantEvents(t, c, "cluster_suspended", 2)
	tine.WaitNodes(t, 0)
	wantIDs(t, c, 1, 2)
}

func askForUpdate(t *testing.T, c *godo.Database) {
	t.Helper()
	if _, err := tine.API.Databases.InstallUpdate(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
}

func askForMore(t *testing.T, c *godo.Database) {
	t.Helper()
	if _, err := tine.API.Databases.Resize(t.Context(), c.ID, &godo.DatabaseResizeRequest{SizeSlug: larger, NumNodes: 1}); err != nil {
		t.Fatal(err)
	}
}

func call(t *testing.T, method string, c *godo.Database, path string, body map[string]any) {
	t.Helper()
	if err := tine.Call(t.Context(), method, "/v2/databases/"+c.ID+"/"+path, body, nil); err != nil {
		t.Fatal(err, tine.LastLines())
	}
}

// wantEvents waits for that many events of a kind.
func wantEvents(t *testing.T, c *godo.Database, kind string, count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), killPatience)
	defer cancel()
	if err := tine.WaitEvents(ctx, c.ID, kind, count); err != nil {
		t.Fatal(err, tine.LastLines())
	}
}

func nodePID(t *testing.T) int {
	t.Helper()
	pid, err := tine.NodePID()
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// What is in a cluster whose wake is not recorded is shown as it is, not as it was when it fell asleep.
func TestContentsOfAClusterWhoseWakeCouldNotBeRecorded(t *testing.T) { //nolint:paralleltest // see tine
	c := tine.NewCluster(t, harness.CreateRequest(tine.NewName("unrecorded")))
	insert(t, c, 1)
	suspend(t, c, 0)
	wantContents(t, c, []string{"defaultdb", "shop"}, []string{"doadmin"})
	tine.WaitNodes(t, 0) // it was asked for its contents, and sleeps on
	allow := tine.RefuseWakes(t)
	client := tine.Connect(t, c.Connection.URI)
	if _, err := client.Database("later").Collection("things").InsertOne(t.Context(), bson.D{}); err != nil {
		t.Fatal(err)
	}
	made := bson.D{{Key: "createUser", Value: "eve"}, {Key: "pwd", Value: "correct horse"}, {Key: "roles", Value: bson.A{}}}
	if err := client.Database("admin").RunCommand(t.Context(), made).Err(); err != nil {
		t.Fatal(err)
	}
	if !isSuspended(t, c) {
		t.Fatal("the wake was recorded: the test has not refused it")
	}
	wantContents(t, c, []string{"defaultdb", "later", "shop"}, []string{"doadmin", "eve"})
	if _, err := tine.API.Databases.DeleteDB(t.Context(), c.ID, "later"); err != nil {
		t.Fatal(err)
	}
	wantContents(t, c, []string{"defaultdb", "shop"}, []string{"doadmin", "eve"})
	allow()
}

// wantContents fails unless the API shows these databases and users of a cluster, on its own page and in its lists.
func wantContents(t *testing.T, c *godo.Database, dbs, users []string) {
	t.Helper()
	var listed []string
	list, _, err := tine.API.Databases.ListUsers(t.Context(), c.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range list {
		listed = append(listed, u.Name)
	}
	listedDBs, _, err := tine.API.Databases.ListDBs(t.Context(), c.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, db := range listedDBs {
		if i >= len(dbs) || db.Name != dbs[i] {
			t.Errorf("databases %v are listed, want %v", listedDBs, dbs)
		}
	}
	if !slices.Equal(listed, users) || len(listedDBs) != len(dbs) {
		t.Errorf("users %v and databases %v are listed, want %v and %v", listed, listedDBs, users, dbs)
	}
	// What a client has changed is seen a bit later on a cluster's page.
	tine.WaitFor(t, fmt.Sprintf("users %v and databases %v to be shown", users, dbs), func() bool {
		cluster, _, err := tine.API.Databases.Get(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		var shown []string
		for _, u := range cluster.Users {
			shown = append(shown, u.Name)
		}
		return slices.Equal(shown, users) && slices.Equal(cluster.DBNames, dbs)
	})
	all, _, err := tine.API.Databases.List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range all {
		if other.ID == c.ID && !slices.Equal(other.DBNames, dbs) {
			t.Errorf("in the list of clusters, databases %v are shown, want %v", other.DBNames, dbs)
		}
	}
}
