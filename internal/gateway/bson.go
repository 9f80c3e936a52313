package gateway

import (
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// field is a top-level field of a document. Its slices point into the document.
type field struct {
	raw   bsoncore.Element
	key   string
	value bsoncore.Value
}

// fields splits a document into its top-level fields; what is inside them is not looked at. It is how untrusted
// documents are read: the methods of bsoncore.Document stop silently or panic where something is malformed.
func fields(doc []byte) ([]field, error) {
	rest, ok := documentBody(doc)
	if !ok {
		return nil, errBadBSON()
	}
	out := make([]field, 0, 8)
	for len(rest) > 0 {
		elem, after, ok := bsoncore.ReadElement(rest)
		if !ok {
			return nil, errBadBSON()
		}
		key, err := elem.KeyErr()
		if err != nil {
			return nil, errBadBSON()
		}
		value, err := elem.ValueErr()
		if err != nil {
			return nil, errBadBSON()
		}
		out = append(out, field{raw: elem, key: key, value: value})
		rest = after
	}
	return out, nil
}

// uniqueFields is fields for a document on which a decision depends: no field may stand in it twice, because another
// reader might take the other one.
func uniqueFields(doc []byte) ([]field, error) {
	fs, err := fields(doc)
	if err != nil {
		return nil, err
	}
	return fs, checkUnique("", fs)
}

func checkUnique(prefix string, fs []field) error {
	const few = 24 // as many as a command has, for which comparing all is quicker than a map
	var seen map[string]struct{}
	if len(fs) > few {
		seen = make(map[string]struct{}, len(fs))
	}
	for i := range fs {
		_, twice := seen[fs[i].key]
		if seen != nil {
			seen[fs[i].key] = struct{}{}
		} else {
			twice = has(find(fs[:i], fs[i].key))
		}
		if twice {
			return mongoerr.New(mongoerr.DuplicateField, "BSON field '%s%s' is a duplicate field", prefix, fs[i].key)
		}
	}
	return nil
}

// lookup returns the value of a top-level field of a document, the zero Value if there is none, without splitting all of it.
func lookup(doc []byte, key string) (bsoncore.Value, error) {
	rest, ok := documentBody(doc)
	if !ok {
		return bsoncore.Value{}, errBadBSON()
	}
	for len(rest) > 0 {
		elem, after, ok := bsoncore.ReadElement(rest)
		if !ok {
			return bsoncore.Value{}, errBadBSON()
		}
		name, err := elem.KeyBytesErr()
		if err != nil {
			return bsoncore.Value{}, errBadBSON()
		}
		if string(name) == key {
			value, err := elem.ValueErr()
			if err != nil {
				return bsoncore.Value{}, errBadBSON()
			}
			return value, nil
		}
		rest = after
	}
	return bsoncore.Value{}, nil
}

// documentBody is what stands between a document's length and its final zero.
func documentBody(doc []byte) ([]byte, bool) {
	length, rest, ok := bsoncore.ReadLength(doc)
	if !ok || int(length) != len(doc) || len(rest) < 1 || rest[len(rest)-1] != 0 {
		return nil, false
	}
	return rest[:len(rest)-1], true
}

func errBadBSON() error { return mongoerr.New(mongoerr.FailedToParse, "a document is not valid BSON") }

// find returns the value of the field key, the zero Value if there is none.
func find(fs []field, key string) bsoncore.Value {
	for i := range fs {
		if fs[i].key == key {
			return fs[i].value
		}
	}
	return bsoncore.Value{}
}

// has reports whether there is a value, null included.
func has(v bsoncore.Value) bool { return v.Type != 0 }

// subFields is fields of a value, which must be a document or an array.
func subFields(v bsoncore.Value) ([]field, error) {
	if v.Type != bsoncore.TypeEmbeddedDocument && v.Type != bsoncore.TypeArray {
		return nil, errBadBSON()
	}
	return fields(v.Data)
}

// isTrue reads a flag as MongoDB does: true or a number other than zero.
func isTrue(v bsoncore.Value) bool {
	if b, ok := v.BooleanOK(); ok {
		return b
	}
	n, ok := asInt64(v)
	return ok && n != 0
}

// asInt64 reads any whole number. Doubles outside the range do not count.
func asInt64(v bsoncore.Value) (int64, bool) {
	switch v.Type {
	case bsoncore.TypeInt32:
		n, ok := v.Int32OK()
		return int64(n), ok
	case bsoncore.TypeInt64:
		return v.Int64OK()
	case bsoncore.TypeDouble:
		f, ok := v.DoubleOK()
		if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return 0, false
		}
		return int64(f), true
	default:
		return 0, false
	}
}

// emptyDocument is the size of {} and of [].
const emptyDocument = 5

// isEmptyDocument reports whether v is {}.
func isEmptyDocument(v bsoncore.Value) bool {
	return v.Type == bsoncore.TypeEmbeddedDocument && len(v.Data) == emptyDocument
}

// build makes a document of fields as they are, but for those named in drop, and of what more appends.
func build(fs []field, drop []string, more func(dst []byte) []byte) bsoncore.Document {
	size := 64
	for i := range fs {
		size += len(fs[i].raw)
	}
	idx, dst := bsoncore.AppendDocumentStart(make([]byte, 0, size))
	for i := range fs {
		if !slices.Contains(drop, fs[i].key) {
			dst = append(dst, fs[i].raw...)
		}
	}
	if more != nil {
		dst = more(dst)
	}
	dst, _ = bsoncore.AppendDocumentEnd(dst, idx) // fails for a wrong idx only
	return dst
}

// marshal encodes a reply that the gateway makes itself.
func marshal(doc bson.D) (bsoncore.Document, error) {
	b, err := bson.Marshal(doc)
	if err != nil {
		return nil, mongoerr.Wrap(err, mongoerr.InternalError, "internal error")
	}
	return b, nil
}

// okReply is {ok: 1}.
func okReply() (bsoncore.Document, error) { return marshal(bson.D{{Key: "ok", Value: 1.0}}) }
