package gateway

import (
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
	"tine/internal/gateway/wire"
)

// bulkNamespace is a collection that a bulkWrite writes to.
type bulkNamespace struct{ db, collection string }

// bulkOp is an operation of a bulkWrite.
type bulkOp struct {
	kind string
	ns   bulkNamespace
	body []byte // the operation as the engine's command of that kind has it
}

// bulkOps reads the operations. What is wrong with one of them is an error of the command; nothing is written then.
func bulkOps(r *request) ([]bulkOp, error) {
	spaces, err := bulkNamespaces(r)
	if err != nil {
		return nil, err
	}
	docs, err := r.documents("ops")
	if err != nil {
		return nil, err
	}
	if len(docs) == 0 || len(docs) > maxWriteBatch {
		return nil, mongoerr.New(mongoerr.InvalidLength, "Write batch sizes must be between 1 and %d. Got %d operations.", maxWriteBatch, len(docs))
	}
	ops := make([]bulkOp, len(docs))
	for i, doc := range docs {
		if ops[i], err = readBulkOp(r, doc, i, spaces); err != nil {
			return nil, err
		}
	}
	return ops, nil
}

// bulkNamespaces reads nsInfo.
func bulkNamespaces(r *request) ([]bulkNamespace, error) {
	docs, err := r.documents("nsInfo")
	if err != nil {
		return nil, err
	}
	spaces := make([]bulkNamespace, 0, len(docs))
	for _, doc := range docs {
		info, err := uniqueFields(doc)
		if err != nil {
			return nil, err
		}
		for _, f := range info {
			switch f.key {
			case "ns":
			case "collectionUUID", "encryptionInformation":
				return nil, mongoerr.New(mongoerr.CommandNotSupported, "BSON field 'bulkWrite.nsInfo.%s' is not supported", f.key)
			default:
				return nil, unknownField("bulkWrite.nsInfo", f.key)
			}
		}
		n, err := namespaceNeed(write, find(info, "ns"))
		if err != nil {
			return nil, err
		}
		spaces = append(spaces, bulkNamespace{db: n.db, collection: n.collection})
	}
	return spaces, nil
}

func readBulkOp(r *request, doc []byte, place int, spaces []bulkNamespace) (bulkOp, error) {
	fs, err := uniqueFields(doc)
	if err != nil {
		return bulkOp{}, err
	}
	if len(fs) == 0 {
		return bulkOp{}, mongoerr.New(mongoerr.FailedToParse, "BulkWrite ops entry %d is empty", place)
	}
	kind := fs[0].key
	f, known := bulkForms()[kind]
	if !known {
		return bulkOp{}, mongoerr.New(mongoerr.FailedToParse, "Unrecognized bulkWrite op: %s. It should be insert, update or delete.", kind)
	}
	index, ok := asInt64(fs[0].value)
	if !ok || index < 0 || index >= int64(len(spaces)) {
		return bulkOp{}, mongoerr.New(mongoerr.BadValue, "BulkWrite ops entry %d has an invalid nsInfo index.", place)
	}
	body, err := f.body(r, fs[1:])
	if err != nil {
		return bulkOp{}, err
	}
	if len(body) > wire.MaxDocument+readBuffer*4 {
		return bulkOp{}, mongoerr.New(mongoerr.BSONObjectTooLarge, "document of %d bytes is larger than %d", len(body), wire.MaxDocument)
	}
	return bulkOp{kind: kind, ns: spaces[index], body: body}, nil
}

// bulkForm is what operations of a kind look like.
type bulkForm struct {
	name     string // of the operation in MongoDB's errors
	required []string
	fields   map[string]bulkField
}

// bulkField is a field of an operation.
type bulkField struct {
	types typeSet
	name  string // in the engine's operation, "" if it is not there
}

func bulkForms() map[string]bulkForm {
	return map[string]bulkForm{
		"insert": {"BulkWriteInsertOp", []string{"document"}, map[string]bulkField{"document": {anObject, ""}}},
		"update": {"BulkWriteUpdateOp", []string{"filter", "updateMods"}, map[string]bulkField{
			"filter": {anObject, "q"}, "updateMods": {anObject | anArray, "u"}, "multi": {aBool, "multi"}, "upsert": {aBool, "upsert"},
			"arrayFilters": {anArray, "arrayFilters"}, "hint": {anything, "hint"}, "constants": {anObject, "c"}, "sort": {anObject, "sort"},
			"collation": {anObject, ""},
		}},
		"delete": {"BulkWriteDeleteOp", []string{"filter"}, map[string]bulkField{
			"filter": {anObject, "q"}, "multi": {aBool, ""}, "hint": {anything, "hint"}, "collation": {anObject, ""},
		}},
	}
}

// body is the operation in the engine's words.
func (f bulkForm) body(r *request, fs []field) ([]byte, error) {
	for _, name := range f.required {
		if !has(find(fs, name)) {
			return nil, mongoerr.New(mongoerr.MissingField, "BSON field '%s.%s' is missing but a required field", f.name, name)
		}
	}
	b := bsoncore.NewDocumentBuilder()
	for _, given := range fs {
		known, ok := f.fields[given.key]
		switch {
		case !ok:
			return nil, unknownField(f.name, given.key)
		case !known.types.has(given.value.Type):
			return nil, mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.%s' is the wrong type '%s', expected %s",
				f.name, given.key, typeName(given.value.Type), known.types)
		case given.key == "collation":
			if err := checkCollation(r, given.value); err != nil {
				return nil, err
			}
		case known.name != "":
			b.AppendValue(known.name, given.value)
		}
	}
	switch f.name {
	case "BulkWriteInsertOp":
		return find(fs, "document").Data, nil
	case "BulkWriteDeleteOp":
		limit := int32(1)
		if isTrue(find(fs, "multi")) {
			limit = 0
		}
		b.AppendInt32("limit", limit)
	}
	return b.Build(), nil
}
