package gateway

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

const (
	// longestShape is how many bytes of a shape are worth a place in a log.
	longestShape = 1000
	// deepestShape is how far a shape goes into a query.
	deepestShape = 12
)

// shape is what a command asks for without any value: names of fields and operators, with a question mark in place of what they are compared
// with. Of an update it has the filters alone, because the rest is documents.
func (r *request) shape() string {
	var b shapeBuilder
	for _, name := range []string{"filter", "query", "pipeline", "sort", "key"} {
		if v := r.field(name); has(v) {
			b.named(name, v)
		}
	}
	for _, f := range r.operations() {
		if q := f.value; has(q) {
			b.named("q", q)
		}
	}
	return b.out.String()
}

// operations are the filters of the first operation of an update or delete: the others are most often like it.
func (r *request) operations() []field {
	var first bsoncore.Value
	for _, name := range []string{"updates", "deletes"} {
		if list, err := subFields(r.field(name)); err == nil && len(list) > 0 {
			first = list[0].value
		}
	}
	for _, s := range r.sequences {
		if n, _, ok := bsoncore.ReadLength(s.Data); ok && s.Identifier != "documents" && int(n) <= len(s.Data) {
			first = bsoncore.Value{Type: bsoncore.TypeEmbeddedDocument, Data: s.Data[:n]}
		}
	}
	fs, err := subFields(first)
	if err != nil {
		return nil
	}
	return []field{{key: "q", value: find(fs, "q")}}
}

// shapeBuilder writes a shape until it is long enough.
type shapeBuilder struct{ out strings.Builder }

func (b *shapeBuilder) named(name string, v bsoncore.Value) {
	if b.out.Len() > 0 {
		b.out.WriteByte(' ')
	}
	b.out.WriteString(name + ": ")
	b.value(v, 0)
}

func (b *shapeBuilder) full() bool { return b.out.Len() >= longestShape }

func (b *shapeBuilder) value(v bsoncore.Value, depth int) {
	switch {
	case b.full():
	case depth < deepestShape && v.Type == bsoncore.TypeEmbeddedDocument:
		b.document(v, depth)
	case depth < deepestShape && v.Type == bsoncore.TypeArray:
		b.array(v, depth)
	default:
		b.out.WriteByte('?')
	}
}

func (b *shapeBuilder) document(v bsoncore.Value, depth int) {
	fs, err := subFields(v)
	if err != nil {
		b.out.WriteByte('?')
		return
	}
	b.out.WriteByte('{')
	for i, f := range fs {
		if b.full() {
			b.out.WriteString("...")
			break
		}
		if i > 0 {
			b.out.WriteString(", ")
		}
		b.out.WriteString(f.key[:min(len(f.key), longestShape)] + ": ")
		b.value(f.value, depth+1)
	}
	b.out.WriteByte('}')
}

// array shows the documents in an array, which are the stages of a pipeline or the parts of an $or, and one mark for everything else.
func (b *shapeBuilder) array(v bsoncore.Value, depth int) {
	list, err := subFields(v)
	if err != nil {
		b.out.WriteByte('?')
		return
	}
	b.out.WriteByte('[')
	for i, f := range list {
		nested := f.value.Type == bsoncore.TypeEmbeddedDocument
		if i > 0 && nested {
			b.out.WriteString(", ")
		}
		if nested {
			b.value(f.value, depth+1)
		} else if i == 0 {
			b.out.WriteByte('?')
		}
	}
	b.out.WriteByte(']')
}
