package gateway_test

import (
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/gateway"
)

func TestMeasureCountsReadsAndWritesAndNoMonitoring(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	coll := db.Collection("c")
	before, ok := g.server.Measure(g.id)
	if !ok {
		t.Fatal("the gateway is not open")
	}
	must(coll.InsertMany(t.Context(), numbered(10)))(t)
	must(coll.UpdateOne(t.Context(), bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1}}}}))(t)
	var docs []bson.D
	if err := must(coll.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(4)))(t).All(t.Context(), &docs); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"hello", "ping"} {
		if err := db.RunCommand(t.Context(), bson.D{{Key: command, Value: 1}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	after, _ := g.server.Measure(g.id)
	// find and two getMores; insert and update; the log-in may have been counted after the first look.
	if after.Reads-before.Reads != 3 || after.Writes-before.Writes != 2 || after.Connections < 1 || after.Busy <= before.Busy {
		t.Errorf("measured %+v, before %+v", after, before)
	}
	since := after.Histogram.Since(before.Histogram)
	var counted int64
	for _, n := range since {
		counted += n
	}
	if want := after.Reads - before.Reads + after.Writes - before.Writes + after.Commands - before.Commands; counted != want {
		t.Errorf("the histogram has %d operations, want %d", counted, want)
	}
	if _, ok := g.server.Measure("nobody"); ok {
		t.Error("a cluster that is not open was measured")
	}
}

func TestQuantileIsTheBoundOfABucket(t *testing.T) {
	t.Parallel()
	var h gateway.Histogram
	if got := h.Quantile(0.95); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
	h[0], h[3] = 95, 5
	if got := h.Quantile(0.95); got != 100*time.Microsecond {
		t.Errorf("95 of 100: %s", got)
	}
	if got := h.Quantile(0.96); got != time.Millisecond {
		t.Errorf("96 of 100: %s", got)
	}
	h[len(h)-1] = 1000
	if got := h.Quantile(0.95); got != time.Minute {
		t.Errorf("beyond the last bound: %s", got)
	}
}

// told are the drops that a gateway has told of.
type told struct {
	mu    sync.Mutex
	names []string
	times []time.Time
}

func (d *told) add(_ string, before time.Time, namespace string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names, d.times = append(d.names, namespace), append(d.times, before)
}

func TestDropsAreTold(t *testing.T) {
	t.Parallel()
	drops := new(told)
	var lc net.ListenConfig
	ln := must(lc.Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	s := gateway.NewServer(gateway.Config{Host: "127.0.0.1", Dropped: drops.add})
	cluster := gateway.Cluster{ID: "test", Name: "orders", Version: "8", SocketDir: socketDir(t)}
	if err := s.Open(t.Context(), cluster, ln); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(cluster.ID) })
	g := &gw{server: s, addr: ln.Addr().String(), id: cluster.ID}
	db := g.database(t)
	must(db.Collection("c").InsertOne(t.Context(), bson.D{}))(t)
	start := time.Now()
	for _, name := range []string{"c", "c"} { // the second drops nothing
		if err := db.Collection(name).Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	drops.mu.Lock()
	defer drops.mu.Unlock()
	if want := []string{db.Name() + ".c", db.Name()}; !slices.Equal(drops.names, want) || drops.times[0].Before(start) || drops.times[1].After(time.Now()) {
		t.Errorf("told of %v at %v, want %v", drops.names, drops.times, want)
	}
}
