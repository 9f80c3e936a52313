package gateway

import (
	"hash/maphash"
	"sync"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Some ways to carry out a query pay off only if all of its result fits into the first page: they have no second one, and what they did is lost
// when they meet more. fits says for which queries that can be expected, from how those of the same shape have ended before.

const (
	// trusted is how many queries of a shape must have fitted, one after the other.
	trusted = 2
	// distrusted is where the count of those begins after one that did not.
	distrusted = -20
	// maxShapes is how many shapes are remembered; with one more all are forgotten.
	maxShapes = 10_000
)

// fits remembers shapes of queries. Its zero value is ready.
type fits struct {
	mu   sync.Mutex
	seed maphash.Seed
	runs map[uint64]int8 // how often a query has fitted since the last that did not, up to trusted
}

// expected says whether a query of that shape will fit.
func (f *fits) expected(shape uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.runs[shape] >= trusted
}

// note learns from one that has run.
func (f *fits) note(shape uint64, fitted bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.runs[shape]
	switch {
	case !fitted:
		n = distrusted
	case n >= trusted:
		return
	default:
		n++
	}
	if f.runs == nil || len(f.runs) >= maxShapes {
		f.runs = map[uint64]int8{}
	}
	f.runs[shape] = n
}

// shapeOf is a number that commands share whose fields of those names differ in nothing but the values that they look for. Two others hardly
// ever share one; if they do, one of them may be carried out the slower way.
func (f *fits) shapeOf(r *request, names ...string) uint64 {
	f.mu.Lock()
	if f.runs == nil {
		f.seed, f.runs = maphash.MakeSeed(), map[uint64]int8{}
	}
	seed := f.seed
	f.mu.Unlock()
	var h maphash.Hash
	h.SetSeed(seed)
	for _, s := range []string{r.command, r.db} {
		_, _ = h.WriteString(s)
		_ = h.WriteByte(0)
	}
	_, _ = h.Write(r.target.Data)
	for _, name := range names {
		addShape(&h, r.field(name), 0)
	}
	return h.Sum64()
}

// addShape adds the names in a value, the paths of fields and, outside of documents, numbers: how much is wanted is part of a shape. Of a list it adds what is not
// a plain value, so that $in has one shape whatever it lists.
func addShape(h *maphash.Hash, v bsoncore.Value, depth int) {
	_ = h.WriteByte(byte(v.Type))
	switch {
	case depth == deepestShape:
	case v.Type == bsoncore.TypeEmbeddedDocument:
		_ = scan(v.Data, func(key []byte, v bsoncore.Value) error {
			_, _ = h.Write(key)
			_ = h.WriteByte(0)
			addShape(h, v, depth+1)
			return nil
		})
	case v.Type == bsoncore.TypeArray:
		_ = scan(v.Data, func(_ []byte, v bsoncore.Value) error {
			if v.Type == bsoncore.TypeEmbeddedDocument || v.Type == bsoncore.TypeArray || isPath(v) {
				addShape(h, v, depth+1)
			}
			return nil
		})
	case depth == 0 && len(v.Data) <= 8, isPath(v):
		_, _ = h.Write(v.Data)
	}
}

// isPath says whether a value names a field, as in {_id: "$kind"}.
func isPath(v bsoncore.Value) bool {
	s, ok := v.StringValueOK()
	return ok && len(s) > 0 && s[0] == '$'
}
