package gateway_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// explained is what the tests look at in the answer of explain.
type explained struct {
	QueryPlanner struct {
		Namespace   string
		WinningPlan bson.M `bson:"winningPlan"`
	} `bson:"queryPlanner"`
	ExecutionStats *struct {
		NReturned         int64 `bson:"nReturned"`
		TotalKeysExamined int64 `bson:"totalKeysExamined"`
		TotalDocsExamined int64 `bson:"totalDocsExamined"`
	} `bson:"executionStats"`
	Command    bson.M
	ServerInfo struct{ Version string } `bson:"serverInfo"`
	OK         float64                  `bson:"ok"`
}

// stages are the names of a plan's stages, from the outside to the inside.
func stages(plan any) string {
	var names []string
	for {
		var doc bson.D
		switch p := plan.(type) {
		case bson.M:
			names = append(names, p["stage"].(string)) //nolint:errcheck // a panic fails the test
			plan = p["inputStage"]
			continue
		case bson.D:
			doc = p
		default:
			return strings.Join(names, " ")
		}
		plan = nil
		for _, e := range doc {
			switch e.Key {
			case "stage":
				names = append(names, e.Value.(string)) //nolint:errcheck // a panic fails the test
			case "inputStage":
				plan = e.Value
			}
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("c").InsertMany(t.Context(), numbered(1000)))(t)
	must(db.Collection("c").Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}}))(t)
	for _, c := range []struct {
		command         bson.D
		stages          string
		returned, least int64 // documents, at least examined
	}{
		{bson.D{{Key: "find", Value: "c"}}, "COLLSCAN", 1000, 1000},
		{bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "_id", Value: 5}}}}, "FETCH IXSCAN", 1, 1},
		{bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "n", Value: 5}}}}, "FETCH IXSCAN", 100, 100},
		{bson.D{{Key: "find", Value: "none"}}, "EOF", 0, 0},
		{bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "x", Value: 5}}}, {Key: "sort", Value: bson.D{{Key: "x", Value: 1}}}, {Key: "limit", Value: 2}, {Key: "skip", Value: 1}, {Key: "projection", Value: bson.D{{Key: "x", Value: 1}}}}, "PROJECTION_DEFAULT LIMIT SKIP SORT COLLSCAN", 0, 1000},
		{bson.D{{Key: "count", Value: "c"}}, "COUNT COLLSCAN", 1, 1000},
		{bson.D{{Key: "distinct", Value: "c"}, {Key: "key", Value: "x"}}, "DISTINCT COLLSCAN", 1000, 1000},
		{bson.D{{Key: "findAndModify", Value: "c"}, {Key: "query", Value: bson.D{{Key: "_id", Value: 5}}}, {Key: "remove", Value: true}}, "FIND_AND_MODIFY FETCH IXSCAN", 1, 1},
		{bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "n", Value: 5}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1}}}}}, {Key: "multi", Value: true}}}}}, "UPDATE FETCH IXSCAN", 100, 100},
		{bson.D{{Key: "delete", Value: "c"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "n", Value: 5}}}, {Key: "limit", Value: 0}}}}}, "DELETE FETCH IXSCAN", 100, 100},
		{bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$x"}}}}, bson.D{{Key: "$out", Value: "written"}}}}, {Key: "cursor", Value: bson.D{}}}, "GROUP COLLSCAN", 1, 1000},
	} {
		raw := must(db.RunCommand(t.Context(), bson.D{{Key: "explain", Value: c.command}, {Key: "verbosity", Value: "executionStats"}}).Raw())(t)
		var got explained
		if err := bson.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		s := got.ExecutionStats
		if stages(got.QueryPlanner.WinningPlan) != c.stages || s == nil || s.NReturned != c.returned || s.TotalDocsExamined < c.least {
			t.Errorf("%v: explained as %v", c.command, raw)
		}
		if strings.Contains(raw.String(), "documents_") || strings.Contains(raw.String(), "documentdb") {
			t.Errorf("the answer tells how the engine works: %v", raw)
		}
	}
	if n := must(db.Collection("c").CountDocuments(t.Context(), bson.D{{Key: "x", Value: 1}}))(t); n != 0 {
		t.Error("an explained update was carried out")
	}
	if names := must(db.ListCollectionNames(t.Context(), bson.D{}))(t); len(names) != 1 {
		t.Errorf("an explanation made a collection: %v", names)
	}
}

func TestExplainOfAggregateByItsOption(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	var got explained
	err := db.RunCommand(t.Context(), bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{}}, {Key: "explain", Value: true}}).Decode(&got)
	if err != nil || stages(got.QueryPlanner.WinningPlan) != "EOF" || got.ExecutionStats != nil {
		t.Errorf("explained as %+v, %v", got, err)
	}
}

func TestExplainRefusesWhatItCannotExplain(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	explain := func(command bson.D, verbosity any) error {
		return db.RunCommand(t.Context(), bson.D{{Key: "explain", Value: command}, {Key: "verbosity", Value: verbosity}}).Err()
	}
	find := bson.D{{Key: "find", Value: "c"}}
	wantCode(t, explain(find, "loud"), 2)
	wantCode(t, explain(find, 1), 14)
	wantCode(t, explain(bson.D{{Key: "ping", Value: 1}}, "queryPlanner"), 59)
	wantCode(t, explain(bson.D{{Key: "frobnicate", Value: 1}}, "queryPlanner"), 59)
	wantCode(t, explain(bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{}}}, "queryPlanner"), 59)
	wantCode(t, explain(append(find, bson.E{Key: "x", Value: 1}), "queryPlanner"), 40415)
	wantCode(t, explain(append(find, bson.E{Key: "$db", Value: "other"}), "queryPlanner"), 73)
	wantCode(t, explain(bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "$bad", Value: 1}}}}, "queryPlanner"), 2)
	wantCode(t, explain(bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$out", Value: bson.D{{Key: "db", Value: "admin"}, {Key: "coll", Value: "x"}}}}}}, {Key: "cursor", Value: bson.D{}}}, "queryPlanner"), 13)
}
