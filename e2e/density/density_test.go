package density

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
)

func things(c *mongo.Client) *mongo.Collection { return c.Database("shop").Collection("things") }

func insert(t *testing.T, c *mongo.Client, ids ...int) {
	t.Helper()
	for _, id := range ids {
		if _, err := things(c).InsertOne(t.Context(), bson.D{{Key: "_id", Value: id}}); err != nil {
			t.Fatal(err, tine.LastLines())
		}
	}
}

func wantCount(t *testing.T, c *mongo.Client, want int64) {
	t.Helper()
	n, err := things(c).CountDocuments(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err, tine.LastLines())
	}
	if n != want {
		t.Errorf("there are %d documents, want %d", n, want)
	}
}

func TestAnIdlePoolSurvivesSuspensionAndWake(t *testing.T) { //nolint:paralleltest // see tine
	c := newCluster(t, harness.CreateRequest(tine.NewName("pool")))
	insert(t, c.client, 1, 2)
	for round := range 3 {
		suspend(t, c)
		if s := stateOf(t, c.ID); s.Status != "online" || !s.Suspended {
			t.Errorf("the suspended cluster is %+v", s)
		}
		start := time.Now()
		insert(t, c.client, 10+round)
		t.Logf("first operation: %s", time.Since(start))
		wantCount(t, c.client, int64(3+round))
		if tine.CountNodes(t) != 1 {
			t.Errorf("%d nodes run, want 1", tine.CountNodes(t))
		}
		tine.WaitFor(t, "the cluster to be shown as awake", func() bool { return !stateOf(t, c.ID).Suspended })
	}
	if suspended, woken := events(t, c.ID, "cluster_suspended"), events(t, c.ID, "cluster_woken"); len(suspended) != 3 || len(woken) != 3 {
		t.Errorf("events are %q and %q, want three each", suspended, woken)
	}
}

// Users are carried from node to node, so a swap wakes both.
func TestSuspendedClustersCanBeSwapped(t *testing.T) { //nolint:paralleltest // see tine
	a, b := newCluster(t, harness.CreateRequest(tine.NewName("swap"))), newCluster(t, harness.CreateRequest(tine.NewName("swap")))
	insert(t, a.client, 1, 2)
	suspend(t, a, b)
	r, err := tine.API.NewRequest(t.Context(), http.MethodPost, "v2/databases/"+a.ID+"/swap", map[string]string{"with": b.Name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tine.API.Do(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	if err := tine.WaitOnline(t.Context(), a.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	wantCount(t, tine.Connect(t, a.Connection.URI), 0)
	wantCount(t, tine.Connect(t, b.Connection.URI), 2)
	suspend(t, a, b)
	wantCount(t, b.client, 2)
}

// What the API shows of a cluster, and what drivers ask to watch it, is known without its node.
func TestNothingButClientsWakesANode(t *testing.T) { //nolint:paralleltest // see tine
	c := newCluster(t, harness.CreateRequest(tine.NewName("quiet")))
	insert(t, c.client, 1)
	suspend(t, c)
	s := stateOf(t, c.ID)
	if !strings.Contains(fmt.Sprint(s.DBNames), "shop") || len(s.Users) != 1 {
		t.Errorf("the suspended cluster shows %+v, want its database shop and its user", s)
	}
	if _, _, err := tine.API.Databases.List(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if users, _, err := tine.API.Databases.ListUsers(t.Context(), c.ID, nil); err != nil || len(users) != 1 {
		t.Errorf("users are %v: %v", users, err)
	}
	if dbs, _, err := tine.API.Databases.ListDBs(t.Context(), c.ID, nil); err != nil || len(dbs) == 0 {
		t.Errorf("databases are %v: %v", dbs, err)
	}
	var beats atomic.Int64
	counting := &event.ServerMonitor{ServerHeartbeatSucceeded: func(*event.ServerHeartbeatSucceededEvent) { beats.Add(1) }}
	watcher, err := mongo.Connect(options.Client().ApplyURI(c.Connection.URI).SetHeartbeatInterval(500 * time.Millisecond).SetServerMonitor(counting))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = watcher.Disconnect(t.Context()) }()
	tine.WaitFor(t, "some beats of the driver's heart", func() bool { return beats.Load() >= 4 })
	if n := tine.CountNodes(t); n != 0 {
		t.Errorf("%d nodes run", n)
	}
	if woken := events(t, c.ID, "cluster_woken"); len(woken) != 0 {
		t.Errorf("the cluster was woken: %q", woken)
	}
}

func TestTheControlPlaneWakesANodeThatItNeeds(t *testing.T) { //nolint:paralleltest // see tine
	c := newCluster(t, harness.CreateRequest(tine.NewName("control")))
	suspend(t, c)
	if _, _, err := tine.API.Databases.CreateDB(t.Context(), c.ID, &godo.DatabaseCreateDBRequest{Name: "made"}); err != nil {
		t.Fatal(err)
	}
	tine.WaitFor(t, "the cluster to be shown as awake", func() bool { return !stateOf(t, c.ID).Suspended })
}

func TestTransactionsAndCursorsKeepANodeAwake(t *testing.T) { //nolint:paralleltest // see tine
	c := newCluster(t, harness.CreateRequest(tine.NewName("busy")))
	insert(t, c.client, 1, 2, 3)
	refused := func(why string) {
		t.Helper()
		before := len(events(t, c.ID, "cluster_not_suspended"))
		if err := change(t, c.ID, map[string]any{"now": true}); err != nil {
			t.Fatal(err)
		}
		tine.WaitFor(t, "an event", func() bool { return len(events(t, c.ID, "cluster_not_suspended")) > before })
		if s := stateOf(t, c.ID); s.Suspended || tine.CountNodes(t) != 1 {
			t.Errorf("with %s open the cluster is suspended", why)
		}
	}
	session, err := c.client.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	ctx := mongo.NewSessionContext(t.Context(), session)
	if _, err := things(c.client).InsertOne(ctx, bson.D{{Key: "_id", Value: 4}}); err != nil {
		t.Fatal(err)
	}
	refused("a transaction")
	if err := session.CommitTransaction(t.Context()); err != nil {
		t.Fatal(err)
	}
	session.EndSession(t.Context())
	cursor, err := things(c.client).Find(t.Context(), bson.D{}, options.Find().SetBatchSize(2))
	if err != nil {
		t.Fatal(err)
	}
	refused("a cursor")
	var all []bson.M
	if err := cursor.All(t.Context(), &all); err != nil || len(all) != 4 {
		t.Errorf("the cursor has %d documents: %v", len(all), err)
	}
	suspend(t, c)
	wantCount(t, c.client, 4)
}

func TestForksOfASuspendedClusterLeaveItAsleep(t *testing.T) { //nolint:paralleltest // see tine
	c := newCluster(t, harness.CreateRequest(tine.NewName("source")))
	insert(t, c.client, 1, 2)
	time.Sleep(time.Millisecond) // the clock's resolution
	at := time.Now()
	insert(t, c.client, 3)
	suspend(t, c)
	latest := newCluster(t, harness.ForkRequest(c.Name, tine.NewName("latest"), time.Time{}))
	before := newCluster(t, harness.ForkRequest(c.Name, tine.NewName("before"), at))
	now := newCluster(t, harness.ForkRequest(c.Name, tine.NewName("now"), time.Now()))
	if !stateOf(t, c.ID).Suspended || tine.CountNodes(t) != 3 {
		t.Error("the source was woken")
	}
	wantCount(t, latest.client, 3)
	wantCount(t, before.client, 2)
	wantCount(t, now.client, 3)
	insert(t, c.client, 4)
	wantCount(t, c.client, 4)
	wantCount(t, latest.client, 3)
}

// Each of the clients waits for the one start of its cluster; none fails.
func TestWakeStorm(t *testing.T) { //nolint:paralleltest // see tine
	const clusters, connections, most = 6, 500, 90 // the plan allows 100, of which drivers take some to watch
	all := make([]*cluster, clusters)
	all[0] = newCluster(t, harness.CreateRequest(tine.NewName("storm")))
	insert(t, all[0].client, 1)
	for i := 1; i < clusters; i++ {
		all[i] = newCluster(t, harness.ForkRequest(all[0].Name, tine.NewName("storm"), time.Time{}))
	}
	for _, c := range all {
		c.client = tine.Connect(t, fmt.Sprintf("%s&maxPoolSize=%d", c.Connection.URI, most))
	}
	suspend(t, all...)
	var wg sync.WaitGroup
	failed := make(chan error, connections)
	start := time.Now()
	for i := range connections {
		wg.Go(func() { failed <- findOnce(t.Context(), all[i%clusters]) })
	}
	wg.Wait()
	t.Logf("%d clients of %d sleeping clusters were served after %s", connections, clusters, time.Since(start))
	for range connections {
		if err := <-failed; err != nil {
			t.Fatal(err, tine.LastLines())
		}
	}
	for _, c := range all {
		tine.WaitFor(t, "the event", func() bool { return len(events(t, c.ID, "cluster_woken")) > 0 })
		if woken := events(t, c.ID, "cluster_woken"); len(woken) != 1 {
			t.Errorf("%s was woken %d times: %q", c.Name, len(woken), woken)
		}
	}
}

// findOnce finds a document in the pool of a cluster's client, which makes connections as it needs them.
func findOnce(ctx context.Context, c *cluster) error {
	return things(c.client).FindOne(ctx, bson.D{{Key: "_id", Value: 1}}).Err()
}

func TestAClientThatGoesAwayInMidWakeLeavesNoTrouble(t *testing.T) { //nolint:paralleltest // see tine
	c := newCluster(t, harness.CreateRequest(tine.NewName("gone")))
	insert(t, c.client, 1)
	suspend(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := findOnce(ctx, c); err == nil {
		t.Log("the node was faster")
	}
	tine.WaitFor(t, "the node to run", func() bool { return tine.CountNodes(t) == 1 && !stateOf(t, c.ID).Suspended })
	wantCount(t, c.client, 1)
	suspend(t, c)
	wantCount(t, c.client, 1)
}

func TestSuspendedClustersStaySoWhenTineIsKilled(t *testing.T) { //nolint:paralleltest // see tine
	c := newCluster(t, harness.CreateRequest(tine.NewName("killed")))
	insert(t, c.client, 1)
	suspend(t, c)
	restart(t, "")
	if !stateOf(t, c.ID).Suspended || tine.CountNodes(t) != 0 {
		t.Error("the cluster is awake")
	}
	if s := stateOf(t, c.ID); !strings.Contains(fmt.Sprint(s.DBNames), "shop") {
		t.Errorf("the suspended cluster shows the databases %v", s.DBNames)
	}
	wantCount(t, tine.Connect(t, c.Connection.URI), 1)
}

// restart kills Tine and starts it, to be killed at a step if one is named.
func restart(t *testing.T, failpoint string) {
	t.Helper()
	if err := tine.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tine.Start(t.Context(), "TINE_FAILPOINT="+failpoint); err != nil {
		t.Fatal(err)
	}
}

// The operator's default is for clusters that do not say it themselves, and comes true.
func TestClustersAreSuspendedAfterTheTimeThatTheyAskFor(t *testing.T) { //nolint:paralleltest // see tine
	if err := tine.Configure("suspend:\n  after: 2s\n"); err != nil {
		t.Fatal(err)
	}
	restart(t, "")
	defer func() {
		if err := tine.Configure("suspend:\n  after: 0s\n"); err != nil {
			t.Error(err)
		}
		restart(t, "")
	}()
	c := newCluster(t, harness.CreateRequest(tine.NewName("idle")))
	insert(t, c.client, 1)
	tine.WaitFor(t, "the node to stop", func() bool { return tine.CountNodes(t) == 0 && stateOf(t, c.ID).Suspended })
	wantCount(t, c.client, 1)
	if err := change(t, c.ID, map[string]any{"after_minutes": 7}); err != nil {
		t.Fatal(err)
	}
	if s := stateOf(t, c.ID); s.SuspendAfterMinutes != 7 {
		t.Errorf("after the change the cluster is %+v", s)
	}
	if err := change(t, c.ID, map[string]any{"after_minutes": -1}); err == nil || !strings.Contains(err.Error(), "between 1 and 43200") {
		t.Errorf("a negative time: %v", err)
	}
	if err := change(t, c.ID, map[string]any{}); err == nil || !strings.Contains(err.Error(), "must be given") {
		t.Errorf("nothing to change: %v", err)
	}
}
