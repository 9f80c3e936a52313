package suspension

import (
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
)

// sleeper is a cluster that is asleep, for one operation. It has the documents 1 and 2 of before the moment at, and 3.
type sleeper struct {
	*godo.Database
	at time.Time
}

// operation is one that is done on a suspended cluster.
type operation struct {
	name string
	// do carries it out and looks at what it is for. want are the documents that the cluster has afterwards, none: it is gone.
	do   func(t *testing.T, c sleeper)
	want []int
	// sleepsOn says that nothing of it needs the node: nobody wakes it.
	sleepsOn bool
}

// Whatever can be done with a cluster can be done with one that is asleep.
func TestOperationsOnASuspendedCluster(t *testing.T) { //nolint:paralleltest // see tine
	for _, o := range operations() {
		t.Run(o.name, func(t *testing.T) {
			c := sleeper{Database: tine.NewCluster(t, harness.CreateRequest(tine.NewName("sleeper")))}
			insert(t, c.Database, 1, 2)
			c.at = now()
			insert(t, c.Database, 3)
			suspend(t, c.Database, 0)
			o.do(t, c)
			if o.want == nil {
				return
			}
			if o.sleepsOn && !isSuspended(t, c.Database) {
				t.Error("the cluster was woken, and nothing needs it")
			}
			wantIDs(t, c.Database, o.want...)
			// It goes on like any other.
			insert(t, c.Database, 10)
			if err := tine.Suspend(t.Context(), c.ID); err != nil {
				t.Fatal(err, tine.LastLines())
			}
			wantIDs(t, c.Database, append(slices.Clone(o.want), 10)...)
		})
	}
}

func operations() []operation {
	all := []int{1, 2, 3}
	return []operation{
		{name: "resize", do: resize, want: all, sleepsOn: true},
		{name: "more storage", do: moreStorage, want: all, sleepsOn: true},
		{name: "upgrade", do: upgrade, want: all, sleepsOn: true},
		{name: "install update", do: installUpdate, want: all},
		{name: "configuration", do: configure, want: all, sleepsOn: true},
		{name: "trusted sources", do: trustOthers, want: all, sleepsOn: true},
		{name: "TTL", do: pauseTTL, want: all, sleepsOn: true},
		{name: "create user", do: createUser, want: all},
		{name: "reset password", do: resetPassword, want: all},
		{name: "fork at latest", do: func(t *testing.T, c sleeper) { t.Helper(); forkAt(t, c, time.Time{}, all...) }, want: all, sleepsOn: true},
		{name: "fork at a moment", do: func(t *testing.T, c sleeper) { t.Helper(); forkAt(t, c, c.at, 1, 2) }, want: all, sleepsOn: true},
		{name: "fork at now", do: func(t *testing.T, c sleeper) { t.Helper(); forkAt(t, c, now(), all...) }, want: all, sleepsOn: true},
		{name: "restore in place", do: restoreInPlace, want: []int{1, 2}},
		{name: "swap", do: swap, want: []int{7}},
		{name: "swap with a larger one", do: swapWithALargerOne, want: []int{7}},
		{name: "reset", do: reset, want: all},
		{name: "stop and start", do: stopAndStart, want: all, sleepsOn: true},
		{name: "reboot", do: reboot, want: all, sleepsOn: true},
		{name: "destroy", do: destroy},
	}
}

func now() time.Time {
	time.Sleep(time.Millisecond) // the clock's resolution
	return time.Now()
}

func waitOnline(t *testing.T, c sleeper) *godo.Database {
	t.Helper()
	if err := tine.WaitOnline(t.Context(), c.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	got, _, err := tine.API.Databases.Get(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// must is for requests that godo answers with more than an error.
func must[T any](t *testing.T) func(T, *godo.Response, error) T {
	t.Helper()
	return func(answer T, _ *godo.Response, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err, tine.LastLines())
		}
		return answer
	}
}

const larger = "db-s-1vcpu-2gb"

func resize(t *testing.T, c sleeper) {
	t.Helper()
	if _, err := tine.API.Databases.Resize(t.Context(), c.ID, &godo.DatabaseResizeRequest{SizeSlug: larger, NumNodes: 1}); err != nil {
		t.Fatal(err)
	}
	if got := waitOnline(t, c); got.SizeSlug != larger {
		t.Errorf("the cluster has the plan %s", got.SizeSlug)
	}
}

func moreStorage(t *testing.T, c sleeper) {
	t.Helper()
	const mib = 25 << 10
	request := &godo.DatabaseResizeRequest{SizeSlug: c.SizeSlug, NumNodes: 1, StorageSizeMib: mib}
	if _, err := tine.API.Databases.Resize(t.Context(), c.ID, request); err != nil {
		t.Fatal(err)
	}
	if got := waitOnline(t, c); got.StorageSizeMib != mib {
		t.Errorf("the cluster has %d MiB of storage", got.StorageSizeMib)
	}
}

func upgrade(t *testing.T, c sleeper) {
	t.Helper()
	request := harness.CreateRequest(tine.NewName("old"))
	request.Version = "6"
	old := tine.NewCluster(t, request)
	insert(t, old, 1)
	suspend(t, old, 0)
	if _, err := tine.API.Databases.UpgradeMajorVersion(t.Context(), old.ID, &godo.UpgradeVersionRequest{Version: "8"}); err != nil {
		t.Fatal(err)
	}
	tine.WaitFor(t, "the later version", func() bool { return waitOnline(t, sleeper{Database: old}).VersionSlug == "8" })
	if !isSuspended(t, old) {
		t.Error("the cluster was woken for its version")
	}
	// The gateway is opened again for it, some time after the row says so: connections of before are closed.
	tine.WaitFor(t, "the gateway to present the version", func() bool { return strings.HasPrefix(presented(t, old), "8.") })
	wantIDs(t, old, 1)
	_ = c
}

// presented is the version that a client is told now; "" if its connection is closed.
func presented(t *testing.T, c *godo.Database) string {
	t.Helper()
	client, err := harness.Connect(t.Context(), c.Connection.URI)
	if err != nil {
		return ""
	}
	defer func() { _ = client.Disconnect(t.Context()) }()
	var info struct{ Version string }
	if err := client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info); err != nil {
		return ""
	}
	return info.Version
}

func installUpdate(t *testing.T, c sleeper) {
	t.Helper()
	if _, err := tine.API.Databases.InstallUpdate(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	const began, done = 1, 1
	if err := tine.WaitEvents(t.Context(), c.ID, "cluster_maintenance_perform", began+done); err != nil {
		t.Fatal(err, tine.LastLines())
	}
}

func configure(t *testing.T, c sleeper) {
	t.Helper()
	change := &godo.MongoDBConfig{DefaultReadConcern: new("majority")}
	if _, err := tine.API.Databases.UpdateMongoDBConfig(t.Context(), c.ID, change); err != nil {
		t.Fatal(err)
	}
	if got := must[*godo.MongoDBConfig](t)(tine.API.Databases.GetMongoDBConfig(t.Context(), c.ID)); *got.DefaultReadConcern != "majority" {
		t.Errorf("the configuration is %v", got)
	}
}

// trustOthers has the gateway of a suspended cluster refuse this machine, and take it again.
func trustOthers(t *testing.T, c sleeper) {
	t.Helper()
	set := func(rules []*godo.DatabaseFirewallRule) {
		t.Helper()
		if _, err := tine.API.Databases.UpdateFirewallRules(t.Context(), c.ID, &godo.DatabaseUpdateFirewallRulesRequest{Rules: rules}); err != nil {
			t.Fatal(err)
		}
	}
	set([]*godo.DatabaseFirewallRule{{Type: "ip_addr", Value: "192.0.2.1"}})
	tine.WaitFor(t, "this machine to be refused", func() bool { return !reachable(t, c) })
	if !isSuspended(t, c.Database) {
		t.Error("the cluster was woken by who may not connect")
	}
	set([]*godo.DatabaseFirewallRule{})
	tine.WaitFor(t, "this machine to be let in", func() bool { return reachable(t, c) })
}

func pauseTTL(t *testing.T, c sleeper) {
	t.Helper()
	for _, enabled := range []bool{false, true} {
		if err := tine.Call(t.Context(), http.MethodPut, "/v2/databases/"+c.ID+"/ttl", map[string]bool{"enabled": enabled}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func createUser(t *testing.T, c sleeper) {
	t.Helper()
	user := must[*godo.DatabaseUser](t)(tine.API.Databases.CreateUser(t.Context(), c.ID, &godo.DatabaseCreateUserRequest{
		Name:     "ada",
		Settings: &godo.DatabaseUserSettings{MongoUserSettings: &godo.MongoUserSettings{Databases: []string{"shop"}, Role: "readWrite"}},
	}))
	if err := tine.Suspend(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if users := must[[]godo.DatabaseUser](t)(tine.API.Databases.ListUsers(t.Context(), c.ID, nil)); len(users) != 2 {
		t.Errorf("the suspended cluster shows %d users, want 2", len(users))
	}
	wantIDs(t, as(t, c.Database, user.Name, user.Password), 1, 2, 3)
}

func resetPassword(t *testing.T, c sleeper) {
	t.Helper()
	user := must[*godo.DatabaseUser](t)(tine.API.Databases.ResetUserAuth(t.Context(), c.ID, "doadmin", &godo.DatabaseResetUserAuthRequest{}))
	c.Connection.URI = as(t, c.Database, "doadmin", user.Password).Connection.URI
}

// as is a cluster to whom connects as somebody else.
func as(t *testing.T, c *godo.Database, user, password string) *godo.Database {
	t.Helper()
	u, err := url.Parse(c.Connection.URI)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	other, connection := *c, *c.Connection
	connection.URI = u.String()
	other.Connection = &connection
	return &other
}

// forkAt forks a suspended cluster, and a fork of it that is suspended itself.
func forkAt(t *testing.T, c sleeper, at time.Time, want ...int) {
	t.Helper()
	fork := tine.NewCluster(t, harness.ForkRequest(c.Name, tine.NewName("fork"), at))
	wantIDs(t, fork, want...)
	suspend(t, fork, 0)
	second := tine.NewCluster(t, harness.ForkRequest(fork.Name, tine.NewName("fork"), time.Time{}))
	wantIDs(t, second, want...)
	suspend(t, second, 0)
}

func exchange(t *testing.T, c sleeper, kind string, body map[string]any) *godo.Database {
	t.Helper()
	kept, err := tine.Exchange(t.Context(), kind, c.ID, body)
	if err != nil {
		t.Fatal(err, tine.LastLines())
	}
	if kept != nil {
		t.Cleanup(func() { tine.Discard(t, kept.ID) })
	}
	return kept
}

func restoreInPlace(t *testing.T, c sleeper) {
	t.Helper()
	kept := exchange(t, c, "restore", map[string]any{"at": c.at.UTC().Format(time.RFC3339Nano)})
	if kept == nil {
		t.Fatal("nothing keeps the state before")
	}
	wantIDs(t, asBefore(t, c, kept), 1, 2, 3)
	if err := tine.Suspend(t.Context(), kept.ID); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, asBefore(t, c, kept), 1, 2, 3)
}

// asBefore is the cluster that keeps the state of c, with the password that c has.
func asBefore(t *testing.T, c sleeper, kept *godo.Database) *godo.Database {
	t.Helper()
	return as(t, kept, "doadmin", c.Connection.Password)
}

func swap(t *testing.T, c sleeper) {
	t.Helper()
	other := tine.NewCluster(t, harness.CreateRequest(tine.NewName("other")))
	insert(t, other, 7)
	exchange(t, c, "swap", map[string]any{"with": other.Name})
	wantIDs(t, other, 1, 2, 3)
}

// swapWithALargerOne exchanges nodes that both sleep and have to be started with another plan.
func swapWithALargerOne(t *testing.T, c sleeper) {
	t.Helper()
	request := harness.CreateRequest(tine.NewName("larger"))
	request.SizeSlug = larger
	other := tine.NewCluster(t, request)
	insert(t, other, 7)
	suspend(t, other, 0)
	exchange(t, c, "swap", map[string]any{"with": other.Name})
	wantIDs(t, other, 1, 2, 3)
}

// reset resets a fork that sleeps to its source that sleeps, and makes the fork's state that of the source; the source is as it was.
func reset(t *testing.T, c sleeper) {
	t.Helper()
	fork := tine.NewCluster(t, harness.ForkRequest(c.Name, tine.NewName("fork"), c.at))
	insert(t, fork, 7)
	suspend(t, fork, 0)
	kept := exchange(t, sleeper{Database: fork}, "reset", nil)
	wantIDs(t, fork, 1, 2, 3)
	wantIDs(t, as(t, kept, "doadmin", fork.Connection.Password), 1, 2, 7)
}

func stopAndStart(t *testing.T, _ sleeper) {
	t.Helper()
	restart(t, "")
	tine.WaitNodes(t, 0)
}

// reboot stops all nodes, as when the machine is shut down.
func reboot(t *testing.T, _ sleeper) {
	t.Helper()
	if err := tine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, env := range []string{"TINE_STOP_NODES=true", "TINE_STOP_NODES=false"} {
		if err := tine.Start(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		tine.WaitNodes(t, 0)
		if env == "TINE_STOP_NODES=true" {
			if err := tine.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func destroy(t *testing.T, c sleeper) {
	t.Helper()
	volumes := func() int {
		list, err := filepath.Glob(filepath.Join(tine.PoolDir(), "volumes", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := volumes()
	if err := tine.Remove(t.Context(), c.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	tine.WaitNodes(t, 0)
	if after := volumes(); after != before-1 {
		t.Errorf("there are %d volumes, want %d", after, before-1)
	}
}

// reachable says whether a client of this machine that does not log in, and so wakes nobody, has an answer.
func reachable(t *testing.T, c sleeper) bool {
	t.Helper()
	u, err := url.Parse(c.Connection.URI)
	if err != nil {
		t.Fatal(err)
	}
	u.User = nil
	client, err := mongo.Connect(options.Client().ApplyURI(u.String()).SetServerSelectionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(t.Context()) }()
	return client.Database("admin").RunCommand(t.Context(), bson.D{{Key: "ping", Value: 1}}).Err() == nil
}
