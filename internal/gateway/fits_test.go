package gateway

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

func shapeNumber(t *testing.T, f *fits, command bson.D) uint64 {
	t.Helper()
	doc, err := bson.Marshal(command)
	if err != nil {
		t.Fatal(err)
	}
	r := &request{document: bsoncore.Document(doc), db: "d"}
	r.read()
	return f.shapeOf(r, "filter", "sort", "limit", "pipeline")
}

func findOf(filter bson.D, more ...bson.E) bson.D {
	return append(bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: filter}}, more...)
}

func TestShapesDifferInWhatIsAskedAndNotInValues(t *testing.T) {
	t.Parallel()
	one := bson.D{{Key: "a", Value: 1}}
	in := func(list ...any) bson.D { return bson.D{{Key: "a", Value: bson.D{{Key: "$in", Value: bson.A(list)}}}} }
	group := func(by string) bson.D {
		return bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: by}}}}}}}
	}
	var f fits
	for _, tt := range []struct {
		name string
		a, b bson.D
		same bool
	}{
		{"other value", findOf(one), findOf(bson.D{{Key: "a", Value: 2}}), true},
		{"other field", findOf(one), findOf(bson.D{{Key: "b", Value: 1}}), false},
		{"other type", findOf(one), findOf(bson.D{{Key: "a", Value: "1"}}), false},
		{"operator", findOf(one), findOf(bson.D{{Key: "a", Value: bson.D{{Key: "$gt", Value: 1}}}}), false},
		{"longer list", findOf(in(1, 2)), findOf(in(3, 4, 5)), true},
		{"one more condition", findOf(one), findOf(append(one, bson.E{Key: "b", Value: 1})), false},
		{"names that run together", findOf(bson.D{{Key: "ab", Value: bson.D{}}}), findOf(bson.D{{Key: "a", Value: bson.D{{Key: "b", Value: 1}}}}), false},
		{"other limit", findOf(one, bson.E{Key: "limit", Value: 5}), findOf(one, bson.E{Key: "limit", Value: 6}), false},
		{"other collection", findOf(one), append(bson.D{{Key: "find", Value: "other"}}, findOf(one)[1:]...), false},
		{"other group", group("$a"), group("$b"), false},
	} {
		if same := shapeNumber(t, &f, tt.a) == shapeNumber(t, &f, tt.b); same != tt.same {
			t.Errorf("%s: the same shape: %t", tt.name, same)
		}
	}
}

func TestTrustIsEarnedAndLost(t *testing.T) {
	t.Parallel()
	const shape = 7
	var f fits
	for run := range trusted {
		if f.expected(shape) {
			t.Errorf("trusted after %d", run)
		}
		f.note(shape, true)
	}
	if !f.expected(shape) {
		t.Error("not trusted")
	}
	f.note(shape, false)
	for run := range trusted - distrusted {
		if f.expected(shape) {
			t.Errorf("trusted %d after one that did not fit", run)
		}
		f.note(shape, true)
	}
	if !f.expected(shape) {
		t.Error("never trusted again")
	}
	for i := range uint64(2 * maxShapes) {
		f.note(i, true)
	}
	if len(f.runs) > maxShapes {
		t.Errorf("%d shapes are remembered", len(f.runs))
	}
}
