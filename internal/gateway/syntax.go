package gateway

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

// syntax is what a command may look like. Nothing that a client asks for is ignored: a field that is not in the syntax of
// its command is refused.
type syntax struct {
	stable    bool     // in version 1 of the Stable API
	adminOnly bool     // runs on the admin database alone
	lenient   bool     // takes fields of any name
	options   []option // in the order in which missing ones are named

	index    map[string]*option
	required uint64
}

// option is a field that a command may have besides its name.
type option struct {
	name     string
	types    typeSet
	required bool
	sequence bool // may come as a document sequence
	unstable bool // not in the Stable API although its command is
	drop     bool // says what holds anyway, or has been taken care of when its handler runs: nobody else sees it

	check  func(r *request, v bsoncore.Value) error // nil: any value of the types
	refuse *refusal                                 // nil: the command takes it

	bit uint64
}

// refusal is the answer to an option that MongoDB has and the engine has not. It is not for values that ask for nothing.
type refusal struct {
	code  mongoerr.Code
	words string
}

// typeSet has a bit for each BSON type; 0 is every type.
type typeSet uint32

const (
	aString  typeSet = 1 << bsoncore.TypeString
	anObject typeSet = 1 << bsoncore.TypeEmbeddedDocument
	anArray  typeSet = 1 << bsoncore.TypeArray
	aNumber  typeSet = 1<<bsoncore.TypeInt32 | 1<<bsoncore.TypeInt64 | 1<<bsoncore.TypeDouble | 1<<bsoncore.TypeDecimal128
	aBool    typeSet = 1<<bsoncore.TypeBoolean | aNumber
	anything typeSet = 0
)

func (t typeSet) has(of bsoncore.Type) bool { return t == 0 || of < 32 && t&(1<<of) != 0 }

// String is how MongoDB lists types.
func (t typeSet) String() string {
	order := []bsoncore.Type{
		bsoncore.TypeBoolean, bsoncore.TypeInt64, bsoncore.TypeInt32, bsoncore.TypeDecimal128, bsoncore.TypeDouble,
		bsoncore.TypeString, bsoncore.TypeEmbeddedDocument, bsoncore.TypeArray,
	}
	var names []string
	for _, of := range order {
		if t.has(of) {
			names = append(names, typeName(of))
		}
	}
	if len(names) == 1 {
		return "type '" + names[0] + "'"
	}
	return "types '[" + strings.Join(names, ", ") + "]'"
}

// typeName is what MongoDB calls a type.
func typeName(t bsoncore.Type) string {
	switch t {
	case bsoncore.TypeEmbeddedDocument:
		return "object"
	case bsoncore.TypeBinary:
		return "binData"
	case bsoncore.TypeObjectID:
		return "objectId"
	case bsoncore.TypeBoolean:
		return "bool"
	case bsoncore.TypeDateTime:
		return "date"
	case bsoncore.TypeInt32:
		return "int"
	case bsoncore.TypeInt64:
		return "long"
	case bsoncore.TypeDecimal128:
		return "decimal"
	case bsoncore.TypeMinKey:
		return "minKey"
	case bsoncore.TypeMaxKey:
		return "maxKey"
	default:
		return strings.ReplaceAll(t.String(), " ", "")
	}
}

// compile makes the syntax ready for check: with the options that every command has.
func (s *syntax) compile() *syntax {
	all := append(slices.Clone(s.options), genericOptions()...)
	s.index = make(map[string]*option, len(all))
	for i := range all {
		o := &all[i]
		if s.index[o.name] != nil {
			continue // the command has its own idea of a generic option
		}
		o.bit = 1 << len(s.index)
		if o.required {
			s.required |= o.bit
		}
		s.index[o.name] = o
	}
	return s
}

// check refuses what the command does not take and leaves in the request what its handler and the engine are to see. It
// is run for every command and does not allocate unless it refuses.
func (s *syntax) check(r *request) error {
	if err := s.checkContext(r); err != nil {
		return err
	}
	var seen uint64
	var dropped bool
	for i := 1; i < len(r.fields); i++ {
		f := &r.fields[i]
		o := s.index[f.key]
		if o == nil {
			if s.lenient {
				continue
			}
			return unknownField(r.command, f.key)
		}
		if seen&o.bit != 0 {
			return mongoerr.New(mongoerr.DuplicateField, "BSON field '%s.%s' is a duplicate field", r.command, o.name)
		}
		asks, err := o.read(r, f.value)
		if err != nil {
			return err
		}
		if asks || o.drop {
			seen |= o.bit
		}
		if !asks {
			f.key, dropped = "", true
		}
	}
	if dropped {
		r.fields = slices.DeleteFunc(r.fields, isDropped)
	}
	return s.checkComplete(r, seen)
}

func isDropped(f field) bool { return f.key == "" }

// checkContext checks what does not depend on single options.
func (s *syntax) checkContext(r *request) error {
	switch {
	case s.adminOnly && r.db != adminDatabase:
		return mongoerr.New(mongoerr.Unauthorized, "%s may only be run against the admin database.", r.command)
	case !r.apiStrict:
		return nil
	case r.apiVersion == "":
		return mongoerr.New(mongoerr.InvalidOptions, "Provided apiStrict without passing apiVersion")
	case !s.stable:
		return mongoerr.New(mongoerr.APIStrictError, "Provided apiStrict:true, but the command %s is not in API Version 1", r.command)
	default:
		return nil
	}
}

// checkComplete looks at the document sequences and for options that are missing.
func (s *syntax) checkComplete(r *request, seen uint64) error {
	for i := range r.sequences {
		o := s.index[r.sequences[i].Identifier]
		if o == nil || !o.sequence {
			return unknownField(r.command, r.sequences[i].Identifier)
		}
		if seen&o.bit != 0 {
			return mongoerr.New(mongoerr.DuplicateField, "BSON field '%s.%s' is a duplicate field", r.command, o.name)
		}
		seen |= o.bit
	}
	missing := s.required &^ seen
	if missing == 0 {
		return nil
	}
	for _, o := range s.options { // in the order of the table
		if p := s.index[o.name]; p.bit&missing != 0 {
			return mongoerr.New(mongoerr.MissingField, "BSON field '%s.%s' is missing but a required field", r.command, o.name)
		}
	}
	return nil
}

// read checks an option's value and reports whether anyone has to see it. Null is absent, as in MongoDB.
func (o *option) read(r *request, v bsoncore.Value) (bool, error) {
	switch {
	case (v.Type == bsoncore.TypeNull || v.Type == bsoncore.TypeUndefined) && o.types != 0:
		return false, nil
	case !o.types.has(v.Type):
		return false, mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.%s' is the wrong type '%s', expected %s",
			r.command, o.name, typeName(v.Type), o.types)
	case r.apiStrict && o.unstable:
		return false, mongoerr.New(mongoerr.APIStrictError, "BSON field '%s.%s' is not allowed with apiStrict:true.", r.command, o.name)
	}
	if o.refuse != nil {
		if asksForNothing(v) {
			return false, nil
		}
		return false, mongoerr.New(o.refuse.code, "BSON field '%s.%s' is not supported: %s", r.command, o.name, o.refuse.words)
	}
	if o.check != nil {
		if err := o.check(r, v); err != nil {
			return false, err
		}
	}
	return !o.drop, nil
}

// asksForNothing reports whether a value is what an option has when it is not given.
func asksForNothing(v bsoncore.Value) bool {
	switch v.Type {
	case bsoncore.TypeNull, bsoncore.TypeUndefined:
		return true
	case bsoncore.TypeBoolean, bsoncore.TypeInt32, bsoncore.TypeInt64, bsoncore.TypeDouble:
		return !isTrue(v)
	case bsoncore.TypeEmbeddedDocument, bsoncore.TypeArray:
		return len(v.Data) == emptyDocument
	default:
		return false
	}
}

func unknownField(command, name string) error {
	return mongoerr.New(mongoerr.UnknownField, "BSON field '%s.%s' is an unknown field.", command, name)
}
