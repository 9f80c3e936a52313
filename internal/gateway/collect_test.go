package gateway_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// scrape returns the values of all series by name and own labels, such as commands_total{find,ok}. A histogram's value is how much
// was observed.
func (g *gw) scrape(tb testing.TB) map[string]float64 {
	tb.Helper()
	registry := prometheus.NewPedanticRegistry() // fails for what is inconsistent
	if err := registry.Register(g.server); err != nil {
		tb.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "tine_gateway_")
			var own []string
			for _, l := range m.GetLabel() {
				switch l.GetName() {
				case "cluster_id":
					if l.GetValue() != g.id {
						tb.Errorf("%s is of cluster %s", name, l.GetValue())
					}
				case "cluster":
				default:
					own = append(own, l.GetValue())
				}
			}
			if len(own) > 0 {
				name += "{" + strings.Join(own, ",") + "}"
			}
			all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

func TestMetricsCountWhatClientsDo(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	coll := db.Collection("c")
	must(coll.InsertMany(t.Context(), numbered(10)))(t)
	if _, err := coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}); err == nil {
		t.Error("a second document of one _id was inserted")
	}
	cur := must(coll.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(2)))(t)
	if err := db.RunCommand(t.Context(), bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "$no", Value: 1}}}}).Err(); err == nil {
		t.Error("a filter with an unknown operator was taken")
	}
	for _, name := range []string{"noSuchThing", "noSuchThingEither"} {
		if err := db.RunCommand(t.Context(), bson.D{{Key: name, Value: 1}}).Err(); err == nil {
			t.Errorf("%s ran", name)
		}
	}
	got := g.scrape(t)
	for name, want := range map[string]float64{
		"commands_total{insert,ok}":         2, // a write error is part of a reply
		"commands_total{find,ok}":           1,
		"commands_total{find,error}":        1,
		"commands_total{unknown,error}":     2,
		"errors_total{CommandNotFound}":     2,
		"errors_total{BadValue}":            1,
		"command_duration_seconds{find}":    2,
		"command_duration_seconds{unknown}": 2,
		"cursors_open":                      1,
		"cursors_opened_total":              1,
		"cursors_timed_out_total":           0,
		"connections_limit":                 500,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
	if got["connections_open"] == 0 {
		t.Error("no connection is open")
	}
	if !slices.ContainsFunc([]string{"doadmin", "tine_writer", "tine_admin"}, func(l string) bool { return got["postgres_connections{"+l+",idle}"] > 0 }) {
		t.Errorf("no connection to PostgreSQL is idle: %v", got)
	}
	for name := range got {
		if strings.Contains(name, "noSuchThing") {
			t.Errorf("what a client sent became a series: %s", name)
		}
	}
	if err := cur.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAClosedClusterHasNoSeries(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	if len(g.scrape(t)) == 0 {
		t.Error("an open cluster has no series")
	}
	g.server.Close(g.id)
	if left := g.scrape(t); len(left) > 0 {
		t.Errorf("a closed cluster has %v", left)
	}
}
