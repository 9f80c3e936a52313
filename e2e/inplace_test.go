package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
)

// at is a moment as the API takes it.
func at(moment time.Time) string { return moment.UTC().Format(time.RFC3339Nano) }

// exchange replaces the data of a cluster and returns the one that keeps the state before, which is destroyed when the test ends.
func exchange(t *testing.T, tine *harness.Tine, kind, id string, body map[string]any) *godo.Database {
	t.Helper()
	kept, err := tine.Exchange(t.Context(), kind, id, body)
	if err != nil {
		t.Fatalf("%s: %v\n%s", kind, err, lastLines(tine.LogText()))
	}
	if kept != nil {
		t.Cleanup(func() {
			if err := tine.Remove(context.WithoutCancel(t.Context()), kept.ID); err != nil {
				t.Errorf("destroy %s: %v", kept.Name, err)
			}
		})
	}
	return kept
}

// as is a cluster to whom connects as another user, or as one that another cluster's answer told of.
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

func makeUser(t *testing.T, tine *harness.Tine, c *godo.Database, name string) string {
	t.Helper()
	user, _, err := tine.API.Databases.CreateUser(t.Context(), c.ID, &godo.DatabaseCreateUserRequest{
		Name:     name,
		Settings: &godo.DatabaseUserSettings{MongoUserSettings: &godo.MongoUserSettings{Databases: []string{"d"}, Role: "readWrite"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return user.Password
}

// A cluster goes back to a moment under its own name and endpoint; its clients go on, with the passwords that they have; what was
// there before is in another cluster.
func TestRestoreInPlace(t *testing.T) {
	t.Parallel()
	cluster := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	client := connect(t, cluster)
	c := client.Database("d").Collection("c")
	insert(t, c, 1, 2)
	dropped := makeUser(t, shared, cluster, "dropped")
	makeUser(t, shared, cluster, "ada")
	moment := now()
	insert(t, c, 3)
	eve := makeUser(t, shared, cluster, "eve")
	ada, _, err := shared.API.Databases.ResetUserAuth(t.Context(), cluster.ID, "ada", &godo.DatabaseResetUserAuthRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.API.Databases.DeleteUser(t.Context(), cluster.ID, "dropped"); err != nil {
		t.Fatal(err)
	}

	kept := exchange(t, shared, "restore", cluster.ID, map[string]any{"at": at(moment)})
	wantNumbers(t, c, 1, 2)
	insert(t, c, 4)
	if found, _, err := shared.API.Databases.Get(t.Context(), cluster.ID); err != nil || found.Name != cluster.Name || found.Status != "online" ||
		found.Connection.Port != cluster.Connection.Port {
		t.Errorf("the restored cluster is %+v, %v", found, err)
	}
	wantNumbers(t, connect(t, as(t, cluster, "ada", ada.Password)).Database("d").Collection("c"), 1, 2, 4)
	wantNumbers(t, connect(t, as(t, cluster, "eve", eve)).Database("d").Collection("c"), 1, 2, 4)
	if client, err := harness.Connect(t.Context(), as(t, cluster, "dropped", dropped).Connection.URI); err == nil {
		_ = client.Disconnect(t.Context())
		t.Error("a user who was dropped since the moment can log in again")
	}

	if !strings.HasPrefix(kept.Name, cluster.Name+"-before-restore-") {
		t.Errorf("the state before is in %s", kept.Name)
	}
	before := connect(t, as(t, kept, "doadmin", cluster.Connection.Password)).Database("d").Collection("c")
	wantNumbers(t, before, 1, 2, 3)
	insert(t, before, 5)
	wantNumbers(t, c, 1, 2, 4)
	wantExpiresIn(t, kept.ID, 7*24*time.Hour)

	// Both go on with a history of their own.
	moment = now()
	insert(t, c, 6)
	fork := makeCluster(t, shared, harness.ForkRequest(cluster.Name, newName("fork"), moment))
	wantNumbers(t, connect(t, fork).Database("d").Collection("c"), 1, 2, 4)
	fork = makeCluster(t, shared, harness.ForkRequest(kept.Name, newName("fork"), moment))
	wantNumbers(t, connect(t, fork).Database("d").Collection("c"), 1, 2, 3, 5)
}

// wantExpiresIn fails unless a cluster expires about so long from now.
func wantExpiresIn(t *testing.T, id string, want time.Duration) {
	t.Helper()
	var root struct {
		Database struct {
			ExpiresAt time.Time `json:"expires_at"`
		} `json:"database"`
	}
	if err := shared.Call(t.Context(), "GET", "/v2/databases/"+id, nil, &root); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(root.Database.ExpiresAt); left > want || left < want-time.Hour {
		t.Errorf("the cluster expires in %s, want %s", left, want)
	}
}

// A fork gets the state of its source as often as is asked for, and keeps its endpoint and its password.
func TestResetOfAFork(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	inSource := connect(t, source).Database("d").Collection("c")
	insert(t, inSource, 1)
	moment := now()
	insert(t, inSource, 2)
	fork := makeCluster(t, shared, harness.ForkRequest(source.Name, newName("test"), time.Time{}))
	inFork := connect(t, fork).Database("d").Collection("c")
	insert(t, inFork, 9)
	insert(t, inSource, 3)
	kept := exchange(t, shared, "reset", fork.ID, nil)
	wantNumbers(t, inFork, 1, 2, 3)
	wantNumbers(t, connect(t, as(t, kept, "doadmin", fork.Connection.Password)).Database("d").Collection("c"), 1, 2, 9)
	insert(t, inFork, 8)
	if _, err := shared.Exchange(t.Context(), "reset", source.ID, nil); err == nil {
		t.Error("a cluster that is no fork was reset")
	}
	exchange(t, shared, "reset", fork.ID, map[string]any{"at": at(moment)})
	wantNumbers(t, inFork, 1)
	wantNumbers(t, inSource, 1, 2, 3)
}

// Two clusters exchange their data; clients of both find theirs where they were, and log in as before.
func TestSwapOfAClusterAndItsFork(t *testing.T) {
	t.Parallel()
	cluster := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	c := connect(t, cluster).Database("d").Collection("c")
	insert(t, c, 1)
	request := harness.ForkRequest(cluster.Name, newName("next"), time.Time{})
	request.SizeSlug = "db-s-1vcpu-2gb"
	fork := makeCluster(t, shared, request)
	f := connect(t, fork).Database("d").Collection("c")
	insert(t, c, 2)
	insert(t, f, 3)
	moment := now()
	insert(t, f, 4)
	exchange(t, shared, "swap", cluster.ID, map[string]any{"with": fork.Name})
	wantNumbers(t, c, 1, 3, 4)
	wantNumbers(t, f, 1, 2)
	insert(t, c, 5)
	insert(t, f, 6)
	// The history has moved with the data.
	back := makeCluster(t, shared, harness.ForkRequest(cluster.Name, newName("back"), moment))
	wantNumbers(t, connect(t, back).Database("d").Collection("c"), 1, 3)
	// And each is still what it was.
	for _, before := range []*godo.Database{cluster, fork} {
		after, _, err := shared.API.Databases.Get(t.Context(), before.ID)
		if err != nil || after.Name != before.Name || after.SizeSlug != before.SizeSlug || after.Connection.Port != before.Connection.Port {
			t.Errorf("%s is %+v, %v", before.Name, after, err)
		}
	}
	// And back.
	exchange(t, shared, "swap", fork.ID, map[string]any{"with": cluster.ID})
	wantNumbers(t, c, 1, 2, 6)
	wantNumbers(t, f, 1, 3, 4, 5)
}

// write is one write of a writer, as its client saw it.
type write struct{ started, acknowledged time.Time }

// What a writer was told of before the cut is in the state before, what it was told of after it in the state after; nothing that it was told of is in
// neither.
func TestNoAcknowledgedWriteIsLostByARestore(t *testing.T) { //nolint:paralleltest // it wants the machine's full speed
	const writers = 4
	cluster := makeCluster(t, shared, harness.CreateRequest(newName("busy")))
	insert(t, connect(t, cluster).Database("d").Collection("c"), -1)
	moment := now()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	acknowledged := make([]map[string]write, writers)
	wrote := make(chan bool, 1)
	for w := range writers {
		acknowledged[w] = map[string]write{}
		c := connect(t, cluster).Database("d").Collection("c")
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d-%d", w, i)
				this := write{started: time.Now()}
				if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: id}}); err != nil {
					continue // not acknowledged
				}
				this.acknowledged = time.Now()
				acknowledged[w][id] = this
				select {
				case wrote <- true:
				default:
				}
			}
		})
	}
	await := func() {
		for range 200 {
			<-wrote
		}
	}
	await()
	asked := time.Now()
	kept := exchange(t, shared, "restore", cluster.ID, map[string]any{"at": at(moment)})
	finished := time.Now()
	await()
	stop()
	running.Wait()
	before := ids(t, connect(t, as(t, kept, "doadmin", cluster.Connection.Password)).Database("d").Collection("c"))
	after := ids(t, connect(t, cluster).Database("d").Collection("c"))
	count, lost := 0, 0
	for _, writes := range acknowledged {
		for id, w := range writes {
			count++
			switch {
			case !before[id] && !after[id]:
				lost++
			case w.acknowledged.Before(asked) && !before[id]:
				t.Errorf("%s was acknowledged before the restore and is not in the state before", id)
			case w.acknowledged.Before(asked) && after[id]:
				t.Errorf("%s was written before the restore and is in the state of a moment before it", id)
			case w.started.After(finished) && !after[id]:
				t.Errorf("%s was written after the restore and is not there", id)
			}
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged writes are in neither state", lost, count)
	}
	t.Logf("%d acknowledged writes: %d documents in the state before, %d in the one after", count, len(before), len(after))
}

// ids are the _ids of a collection whose are text.
func ids(t *testing.T, c *mongo.Collection) map[string]bool {
	t.Helper()
	cursor, err := c.Find(t.Context(), bson.D{{Key: "_id", Value: bson.D{{Key: "$type", Value: "string"}}}})
	if err != nil {
		t.Fatal(err)
	}
	var docs []struct {
		ID string `bson:"_id"`
	}
	if err := cursor.All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, d := range docs {
		found[d.ID] = true
	}
	return found
}

// On request no password of the source opens anything in a fork.
func TestForkWithFreshPasswords(t *testing.T) {
	t.Parallel()
	source := makeCluster(t, shared, harness.CreateRequest(newName("prod")))
	insert(t, connect(t, source).Database("d").Collection("c"), 1)
	old := makeUser(t, shared, source, "ada")
	gone := makeUser(t, shared, source, "gone")
	moment := now()
	if _, err := shared.API.Databases.DeleteUser(t.Context(), source.ID, "gone"); err != nil {
		t.Fatal(err)
	}
	var root struct {
		Database godo.Database `json:"database"`
	}
	err := shared.Call(t.Context(), http.MethodPost, "/v2/databases", map[string]any{
		"name": newName("fork"), "engine": "mongodb", "fresh_passwords": true,
		"backup_restore": map[string]any{"database_name": source.Name, "backup_created_at": at(moment)},
	}, &root)
	if err != nil {
		t.Fatal(err)
	}
	fork := &root.Database
	t.Cleanup(func() { _ = shared.Remove(context.WithoutCancel(t.Context()), fork.ID) })
	if err := shared.WaitOnline(t.Context(), fork.ID); err != nil {
		t.Fatal(err)
	}
	if len(fork.Users) != 2 || fork.Users[1].Name != "ada" || fork.Users[1].Password == "" || fork.Users[1].Password == old {
		t.Fatalf("the answer has the users %+v", fork.Users)
	}
	wantNumbers(t, connect(t, as(t, fork, "ada", fork.Users[1].Password)).Database("d").Collection("c"), 1)
	for name, password := range map[string]string{"ada": old, "gone": gone} {
		if client, err := harness.Connect(t.Context(), as(t, fork, name, password).Connection.URI); err == nil {
			_ = client.Disconnect(t.Context())
			t.Errorf("the source's password of %s opens the fork", name)
		}
	}
	wantNumbers(t, connect(t, as(t, source, "ada", old)).Database("d").Collection("c"), 1)
}

// A cluster whose node cannot start any more is restored all the same: with the users of the moment, and the password that doadmin had at first.
func TestRestoreOfAClusterWhoseNodeIsBroken(t *testing.T) {
	t.Parallel()
	tine := own(t)
	cluster, err := tine.Make(t.Context(), harness.CreateRequest(newName("broken")))
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, cluster).Database("d").Collection("c")
	insert(t, c, 1, 2)
	moment := now()
	insert(t, c, 3)
	control, err := filepath.Glob(filepath.Join(tine.PoolDir(), "volumes", "*", "pgdata", "global", "pg_control"))
	if err != nil {
		t.Fatal(err)
	}
	broken := false
	for _, path := range control {
		if !strings.Contains(path, "/control/") {
			if err := os.Rename(path, path+".lost"); err != nil {
				t.Fatal(err)
			}
			broken = true
		}
	}
	if !broken {
		t.Fatalf("the node's volume is not among %v", control)
	}
	if err := syscall.Kill(nodePID(t, tine), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := tine.Exchange(t.Context(), "restore", cluster.ID, map[string]any{"at": at(moment)}); err != nil {
		t.Fatal(err, lastLines(tine.LogText()))
	}
	wantNumbers(t, c, 1, 2)
	insert(t, c, 4)
}
