package explain

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// empty is the size of a document without fields.
const empty = 5

// Verbosity is how much a client wants to know.
type Verbosity string

// The levels there are. From ExecutionStats on the command is executed, and its results thrown away.
const (
	QueryPlanner      Verbosity = "queryPlanner"
	ExecutionStats    Verbosity = "executionStats"
	AllPlansExecution Verbosity = "allPlansExecution"
)

// Valid reports whether there is such a level.
func (v Verbosity) Valid() bool {
	return v == QueryPlanner || v == ExecutionStats || v == AllPlansExecution
}

// Executes reports whether the command is executed.
func (v Verbosity) Executes() bool { return v != QueryPlanner }

// Query is what the client wants explained, in its own words.
type Query struct {
	Command    string // find, aggregate, count, distinct, findAndModify, update or delete
	Namespace  string
	Filter     bson.Raw // may be nil, as the others
	Sort       bson.Raw
	Projection bson.Raw
	Skip       int64
	Limit      int64
	Sorts      bool // a pipeline has a stage that sorts
	Verbosity  Verbosity
	// Keys are the keys of the collection's indexes by their names.
	Keys map[string]bson.Raw
}

func (q *Query) limitName() string {
	if q.Command == "find" && q.Limit == 0 {
		return "SKIP"
	}
	return "LIMIT"
}

// Reply is MongoDB's answer for a query with PostgreSQL's plan, without what says which server answers.
func Reply(plan []byte, q Query) (bson.D, error) {
	out, err := parse(plan)
	if err != nil {
		return nil, err
	}
	t := &translator{query: &q}
	root := q.wrap(t.stage(&out.Plan))
	planner := bson.D{{Key: "namespace", Value: q.Namespace}, {Key: "parsedQuery", Value: bson.D{}}}
	if q.Filter != nil {
		planner[1].Value = q.Filter
	}
	doc := bson.D{
		{Key: "explainVersion", Value: "1"},
		{Key: "queryPlanner", Value: append(planner,
			bson.E{Key: "indexFilterSet", Value: false},
			bson.E{Key: "winningPlan", Value: root.plan()},
			bson.E{Key: "rejectedPlans", Value: bson.A{}},
		)},
	}
	if q.Verbosity.Executes() {
		doc = append(doc, bson.E{Key: "executionStats", Value: statistics(out, root, q.Verbosity)})
	}
	return doc, nil
}

// wrap puts around the plan what the engine does without a node of its own.
func (q *Query) wrap(s *stage) *stage {
	if s == nil {
		s = &stage{name: "EOF"}
	}
	switch {
	case q.Skip > 0 && s.name == "LIMIT":
		s.about = append(s.about, bson.E{Key: "limitAmount", Value: q.Limit})
		s.inputs = []*stage{{name: "SKIP", about: bson.D{{Key: "skipAmount", Value: q.Skip}}, inputs: s.inputs, returned: s.returned, millis: s.millis}}
	case s.name == "LIMIT" && q.Limit > 0:
		s.about = append(s.about, bson.E{Key: "limitAmount", Value: q.Limit})
	case s.name == "SKIP":
		s.about = append(s.about, bson.E{Key: "skipAmount", Value: q.Skip})
	}
	around := ""
	switch {
	case len(q.Projection) > empty:
		around = "PROJECTION_DEFAULT"
	case q.Command == "distinct":
		around = "DISTINCT"
	case q.Command == "update" || q.Command == "delete":
		around = map[string]string{"update": "UPDATE", "delete": "DELETE"}[q.Command]
	case q.Command == "findAndModify":
		around = "FIND_AND_MODIFY"
	}
	if around == "" {
		return s
	}
	w := &stage{name: around, inputs: []*stage{s}, returned: s.returned, millis: s.millis}
	if around == "PROJECTION_DEFAULT" {
		w.about = bson.D{{Key: "transformBy", Value: q.Projection}}
	}
	return w
}

// plan is a stage and its inputs as queryPlanner shows them.
func (s *stage) plan() bson.D {
	doc := append(bson.D{{Key: "stage", Value: s.name}}, s.about...)
	return append(doc, s.children((*stage).plan)...)
}

// executed is a stage and its inputs as executionStats shows them.
func (s *stage) executed() bson.D {
	doc := bson.D{
		{Key: "stage", Value: s.name},
		{Key: "nReturned", Value: s.returned},
		{Key: "executionTimeMillisEstimate", Value: int64(s.millis)},
		{Key: "advanced", Value: s.returned},
		{Key: "isEOF", Value: int32(1)},
	}
	doc = append(append(doc, s.about...), s.measured...)
	if s.keys > 0 || s.name == "IXSCAN" {
		doc = append(doc, bson.E{Key: "keysExamined", Value: s.keys})
	}
	if s.docs > 0 || s.name == "FETCH" || s.name == "COLLSCAN" {
		doc = append(doc, bson.E{Key: "docsExamined", Value: s.docs})
	}
	return append(doc, s.children((*stage).executed)...)
}

func (s *stage) children(show func(*stage) bson.D) bson.D {
	switch len(s.inputs) {
	case 0:
		return nil
	case 1:
		return bson.D{{Key: "inputStage", Value: show(s.inputs[0])}}
	default:
		list := bson.A{}
		for _, in := range s.inputs {
			list = append(list, show(in))
		}
		return bson.D{{Key: "inputStages", Value: list}}
	}
}

func (s *stage) examined() (keys, docs int64) {
	keys, docs = s.keys, s.docs
	for _, in := range s.inputs {
		k, d := in.examined()
		keys, docs = keys+k, docs+d
	}
	return keys, docs
}

func statistics(out output, root *stage, v Verbosity) bson.D {
	keys, docs := root.examined()
	doc := bson.D{
		{Key: "executionSuccess", Value: true},
		{Key: "nReturned", Value: root.returned},
		{Key: "executionTimeMillis", Value: int64(out.Planning + out.Execution)},
		{Key: "totalKeysExamined", Value: keys},
		{Key: "totalDocsExamined", Value: docs},
		{Key: "executionStages", Value: root.executed()},
	}
	if v == AllPlansExecution {
		doc = append(doc, bson.E{Key: "allPlansExecution", Value: bson.A{}})
	}
	return doc
}
