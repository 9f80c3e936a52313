package regions

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/e2e/harness"
)

// transfer is what the API says of a cluster on its way.
type transfer struct {
	FromRegion  string `json:"from_region"`
	ToRegion    string `json:"to_region"`
	SentBytes   int64  `json:"sent_bytes"`
	TotalBytes  int64  `json:"total_bytes"`
	SecondsLeft *int64 `json:"seconds_left"`
}

type state struct {
	Status   string    `json:"status"`
	Region   string    `json:"region"`
	Transfer *transfer `json:"transfer"`

	Suspended bool `json:"suspended"`
}

func stateOf(t *testing.T, id string) state {
	t.Helper()
	var root struct{ Database state }
	if err := tine.Call(t.Context(), http.MethodGet, "/v2/databases/"+id, nil, &root); err != nil {
		t.Fatal(err)
	}
	return root.Database
}

// insert adds documents with these ids.
func insert(t *testing.T, c *cluster, ids ...int) {
	t.Helper()
	for _, id := range ids {
		if _, err := c.client.Database("d").Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: id}}); err != nil {
			t.Fatal(err, tine.LastLines())
		}
	}
}

// wantDocuments fails unless these are all that the cluster has.
func wantDocuments(t *testing.T, c *cluster, want ...int) {
	t.Helper()
	cursor, err := c.client.Database("d").Collection("c").Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var docs []struct {
		ID int `bson:"_id"`
	}
	if err := cursor.All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, d := range docs {
		got = append(got, d.ID)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%s has the documents %v, want %v", c.Name, got, want)
	}
}

// wantNoTransit fails if anything of a transfer is left in a pool.
func wantNoTransit(t *testing.T) {
	t.Helper()
	var left []string
	t.Cleanup(func() {
		if len(left) > 0 {
			t.Log("left:", left)
		}
	})
	tine.WaitFor(t, "transfers to leave nothing", func() bool {
		left = nil
		for _, region := range []string{near, far, third} {
			for _, dir := range []string{"transit", "parts", "incoming"} {
				for _, name := range held(t, region, dir) {
					left = append(left, region+" "+dir+"/"+name)
				}
			}
		}
		return len(left) == 0
	})
}

func wantRefused(t *testing.T, err error, sentence string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), sentence) {
		t.Errorf("the answer is %v, want a refusal with %q", err, sentence)
	}
}

func restart(t *testing.T, env ...string) {
	t.Helper()
	if err := tine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tine.Start(t.Context(), env...); err != nil {
		t.Fatal(err)
	}
}

// killed waits until the failpoint has killed Tine, and starts it again.
func killed(t *testing.T) {
	t.Helper()
	if err := tine.Exited(t.Context()); t.Context().Err() != nil {
		t.Fatal(err)
	}
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// limited gives transfers a rate until the test ends.
func limited(t *testing.T, mibPerSecond string) {
	t.Helper()
	if err := configure("transfer: {mib_per_second: " + mibPerSecond + "}\n"); err != nil {
		t.Fatal(err)
	}
	restart(t)
	t.Cleanup(func() {
		if err := configure(""); err != nil {
			t.Error(err)
		}
		if err := tine.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := tine.Start(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

func TestForkIntoAnotherRegion(t *testing.T) { //nolint:paralleltest // it counts what pools hold
	source := newCluster(t, harness.CreateRequest(tine.NewName("source")))
	insert(t, source, 1, 2)
	at := now()
	insert(t, source, 3)
	past := newCluster(t, in(far, harness.ForkRequest(source.Name, tine.NewName("past"), at)))
	wantDocuments(t, past, 1, 2)
	latest := newCluster(t, in(far, harness.ForkRequest(source.Name, tine.NewName("latest"), time.Time{})))
	wantDocuments(t, latest, 1, 2, 3)
	if latest.RegionSlug != far || len(held(t, far, "volumes")) != 2 {
		t.Errorf("the fork is in %s, whose pool has %v", latest.RegionSlug, held(t, far, "volumes"))
	}
	insert(t, latest, 4)
	insert(t, source, 5)
	wantDocuments(t, latest, 1, 2, 3, 4)
	wantDocuments(t, source, 1, 2, 3, 5)
	back := newCluster(t, in(near, harness.ForkRequest(latest.Name, tine.NewName("back"), now())))
	wantDocuments(t, back, 1, 2, 3, 4)
	wantNoTransit(t)
}

// A fork is brought to an end whatever kills Tine, and what is there is not sent again.
func TestForkIntoAnotherRegionThroughKills(t *testing.T) { //nolint:paralleltest // it kills Tine
	source := newCluster(t, harness.CreateRequest(tine.NewName("source")))
	insert(t, source, 1, 2)
	at := now()
	insert(t, source, 3)
	for _, step := range []string{"transfer/state", "transfer/send", "transfer/volume", "fork/node", "fork/online"} {
		t.Run(step, func(t *testing.T) {
			restart(t, "TINE_FAILPOINT="+step)
			made := begin(t, in(far, harness.ForkRequest(source.Name, tine.NewName("fork"), at)))
			killed(t)
			if err := tine.WaitOnline(t.Context(), made.ID); err != nil {
				t.Fatal(err, tine.LastLines())
			}
			wantDocuments(t, connected(t, made), 1, 2)
			wantNoTransit(t)
		})
	}
}

// begin asks for a cluster; it is destroyed when the test ends.
func begin(t *testing.T, r *godo.DatabaseCreateRequest) *godo.Database {
	t.Helper()
	made, _, err := tine.API.Databases.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tine.Discard(t, made.ID) })
	return made
}

func TestForkIntoAnotherRegionIsInterruptedInTheMiddle(t *testing.T) { //nolint:paralleltest // it kills Tine
	limited(t, "8")
	source := newCluster(t, harness.CreateRequest(tine.NewName("source")))
	insert(t, source, 1)
	made := begin(t, in(far, harness.ForkRequest(source.Name, tine.NewName("fork"), now())))
	var seen transfer
	tine.WaitFor(t, "progress", func() bool {
		s := stateOf(t, made.ID)
		if s.Transfer != nil {
			seen = *s.Transfer
		}
		return seen.SentBytes > 10<<20 && seen.SecondsLeft != nil
	})
	if seen.FromRegion != near || seen.ToRegion != far || seen.TotalBytes < seen.SentBytes {
		t.Errorf("the transfer is %+v", seen)
	}
	if err := tine.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNoSenders(t)
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	// In order, too: nothing goes on without Tine.
	tine.WaitFor(t, "the fork to go on", func() bool { s := stateOf(t, made.ID); return s.Transfer != nil && s.Transfer.SentBytes > 10<<20 })
	if err := tine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNoSenders(t)
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tine.WaitOnline(t.Context(), made.ID); err != nil {
		t.Fatal(err, tine.LastLines())
	}
	wantDocuments(t, connected(t, made), 1)
	wantNoTransit(t)
	// One that is not wanted any more is not sent to its end.
	unwanted, _, err := tine.API.Databases.Create(t.Context(), in(far, harness.ForkRequest(source.Name, tine.NewName("fork"), now())))
	if err != nil {
		t.Fatal(err)
	}
	tine.WaitFor(t, "progress", func() bool { s := stateOf(t, unwanted.ID); return s.Transfer != nil && s.Transfer.SentBytes > 0 })
	if err := tine.Remove(t.Context(), unwanted.ID); err != nil {
		t.Fatal(err)
	}
	wantNoTransit(t)
}
