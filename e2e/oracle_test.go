package e2e

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
)

// write is one write of a writer, as its client saw it.
type write struct{ started, acknowledged time.Time }

// oracle knows what a fork at any moment must hold. Each writer inserts documents numbered from 0, one after the other, so what a
// fork holds of it must be the documents below some number.
type oracle struct {
	mu     sync.Mutex
	writes [][]write // by writer
}

// bounds are how many documents of a writer a fork at at holds: at least those acknowledged by then, at most those started by then.
func (o *oracle) bounds(writer int, at time.Time) (least, most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.writes[writer] {
		if !w.started.After(at) {
			most++
		}
		if !w.acknowledged.IsZero() && !w.acknowledged.After(at) {
			least++
		}
	}
	return least, most
}

// run writes until ctx ends.
func (o *oracle) run(ctx context.Context, t *testing.T, writer int, c *mongo.Collection) {
	padding := make([]byte, 2000)
	for i := 0; ctx.Err() == nil; i++ {
		o.begin(writer)
		_, err := c.InsertOne(ctx, bson.D{{Key: "w", Value: writer}, {Key: "i", Value: i}, {Key: "padding", Value: padding}})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.Errorf("writer %d: %v", writer, err)
			return
		}
		o.end(writer)
	}
}

func (o *oracle) begin(writer int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes[writer] = append(o.writes[writer], write{started: time.Now()})
}

func (o *oracle) end(writer int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes[writer][len(o.writes[writer])-1].acknowledged = time.Now()
}

// check compares a fork with what it must hold.
func (o *oracle) check(t *testing.T, c *mongo.Collection, at time.Time) {
	t.Helper()
	cursor, err := c.Aggregate(t.Context(), mongo.Pipeline{{{Key: "$group", Value: bson.D{
		{Key: "_id", Value: "$w"},
		{Key: "count", Value: bson.D{{Key: "$sum", Value: 1}}},
		{Key: "last", Value: bson.D{{Key: "$max", Value: "$i"}}},
	}}}})
	if err != nil {
		t.Fatalf("read the fork: %v", err)
	}
	var groups []struct {
		Writer int `bson:"_id"`
		Count  int `bson:"count"`
		Last   int `bson:"last"`
	}
	if err := cursor.All(t.Context(), &groups); err != nil {
		t.Fatalf("read the fork: %v", err)
	}
	found := make([]int, len(o.writes))
	for _, g := range groups {
		if g.Count != g.Last+1 {
			t.Errorf("fork at %s: of writer %d it holds %d documents up to number %d: some are missing", at, g.Writer, g.Count, g.Last)
		}
		found[g.Writer] = g.Count
	}
	for writer, count := range found {
		if least, most := o.bounds(writer, at); count < least || count > most {
			t.Errorf("fork at %s: of writer %d it holds %d documents; %d were acknowledged and %d started by then", at, writer, count, least, most)
		}
	}
}

// Every fork holds exactly the writes acknowledged at or before its moment, and none started after it, while four writers go on.
func TestForksAtRandomMomentsUnderConcurrentWriters(t *testing.T) { //nolint:paralleltest // it wants the machine's full speed
	const writers, forks = 4, 50
	source := makeCluster(t, shared, harness.CreateRequest(newName("busy")))
	o := &oracle{writes: make([][]write, writers)}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for w := range writers {
		c := connect(t, source).Database("d").Collection("c")
		running.Go(func() { o.run(ctx, t, w, c) })
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

func checkFork(t *testing.T, o *oracle, source *godo.Database, at time.Time) {
	t.Helper()
	fork, err := shared.Make(t.Context(), harness.ForkRequest(source.Name, newName("fork"), at))
	if err != nil {
		t.Fatalf("fork at %s: %v\n%s", at, err, lastLines(shared.LogText()))
	}
	client, err := harness.Connect(t.Context(), fork.Connection.URI)
	if err != nil {
		t.Fatal(err)
	}
	o.check(t, client.Database("d").Collection("c"), at)
	if err := client.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
	if err := shared.Remove(t.Context(), fork.ID); err != nil {
		t.Error(err)
	}
}
