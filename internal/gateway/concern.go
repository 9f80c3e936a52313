package gateway

import (
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

const (
	// members is how many nodes of a cluster hold data and can acknowledge a write.
	members = 1
	// maxWriteConcern is the largest w that MongoDB understands as a number of members.
	maxWriteConcern = 50
)

// scan calls do for each field of a document that came from a client. It does not allocate.
func scan(doc []byte, do func(key []byte, v bsoncore.Value) error) error {
	rest, ok := documentBody(doc)
	if !ok {
		return errBadBSON()
	}
	for len(rest) > 0 {
		elem, after, ok := bsoncore.ReadElement(rest)
		if !ok {
			return errBadBSON()
		}
		key, err := elem.KeyBytesErr()
		if err != nil {
			return errBadBSON()
		}
		value, err := elem.ValueErr()
		if err != nil {
			return errBadBSON()
		}
		if err := do(key, value); err != nil {
			return err
		}
		rest = after
	}
	return nil
}

// readConcern is what a command says about what it wants to read.
type readConcern struct {
	level string
}

func parseReadConcern(r *request, v bsoncore.Value) (readConcern, error) {
	var rc readConcern
	err := scan(v.Data, func(key []byte, v bsoncore.Value) error {
		switch string(key) {
		case "level":
			level, ok := v.StringValueOK()
			if !ok {
				return mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.readConcern.level' is the wrong type '%s', expected type 'string'",
					r.command, typeName(v.Type))
			}
			rc.level = level
			return nil
		case "afterClusterTime", "provenance": // every read sees what was written before it
			return nil
		case "atClusterTime":
			return mongoerr.New(mongoerr.InvalidOptions,
				"readConcern.atClusterTime is not supported: the past is not kept for reads; fork the cluster at that time")
		default:
			return unknownField(r.command+".readConcern", string(key))
		}
	})
	return rc, err
}

// checkReadConcern lets every level through that holds: with one node all reads see what is majority committed, and the newest.
// A snapshot over several pages of a cursor exists in transactions only.
func checkReadConcern(r *request, v bsoncore.Value) error {
	rc, err := parseReadConcern(r, v)
	if err != nil {
		return err
	}
	switch rc.level {
	case "", "local", "available", "majority", "linearizable":
		return nil
	case "snapshot":
		if r.inTxn {
			return nil
		}
		return mongoerr.New(mongoerr.InvalidOptions, "readConcern level 'snapshot' is supported in transactions only")
	default:
		return mongoerr.New(mongoerr.BadValue,
			"Enumeration value '%s' for field '%s.readConcern.level' is not a valid value.", rc.level, r.command)
	}
}

// checkLocalReadConcern is checkReadConcern for commands that have no other level than local outside of a transaction.
func checkLocalReadConcern(r *request, v bsoncore.Value) error {
	if err := checkReadConcern(r, v); err != nil || r.inTxn {
		return err
	}
	if rc, _ := parseReadConcern(r, v); rc.level != "" && rc.level != "local" {
		return mongoerr.New(mongoerr.InvalidOptions, "Command %s does not support { readConcern: { level: \"%s\" } }", r.command, rc.level)
	}
	return nil
}

// checkWriteConcern finds out whether a write concern can be met. One that cannot, because there are too few members, is
// reported beside the result of the write, as in MongoDB. All others are always met: a write is durable when it is answered.
func checkWriteConcern(r *request, v bsoncore.Value) error {
	return scan(v.Data, func(key []byte, v bsoncore.Value) error {
		switch string(key) {
		case "w":
			return checkAcknowledgers(r, v)
		case "j", "fsync":
			return wantType(r, "writeConcern", key, v, aBool)
		case "wtimeout", "wtimeoutMS":
			return wantType(r, "writeConcern", key, v, aNumber)
		case "provenance":
			return nil
		default:
			return mongoerr.New(mongoerr.FailedToParse, "unrecognized write concern field: %s", key)
		}
	})
}

func wantType(r *request, option string, key []byte, v bsoncore.Value, types typeSet) error {
	if types.has(v.Type) || v.Type == bsoncore.TypeNull {
		return nil
	}
	return mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.%s.%s' is the wrong type '%s', expected %s",
		r.command, option, key, typeName(v.Type), types)
}

// checkAcknowledgers reads w.
func checkAcknowledgers(r *request, v bsoncore.Value) error {
	if mode, ok := v.StringValueOK(); ok {
		if mode != "majority" {
			r.concernError = mongoerr.New(mongoerr.UnknownReplWriteConcern,
				"No write concern mode named '%s' found in replica set configuration", mode)
		}
		return nil
	}
	n, ok := asInt64(v)
	switch {
	case v.Type == bsoncore.TypeEmbeddedDocument:
		r.concernError = mongoerr.New(mongoerr.UnknownReplWriteConcern, "the members of the cluster have no tags")
	case !ok:
		return mongoerr.New(mongoerr.FailedToParse, "w has to be a number or a string")
	case n < 0 || n > maxWriteConcern:
		return mongoerr.New(mongoerr.FailedToParse, "w has to be a non-negative number and not greater than %d; found: %d", maxWriteConcern, n)
	case n > members:
		r.concernError = mongoerr.New(mongoerr.UnsatisfiableWriteConcern, "Not enough data-bearing nodes")
	}
	return nil
}

// withConcernError puts into a reply that the write's concern cannot be met.
func withConcernError(reply bsoncore.Document, r *request) (bsoncore.Document, error) {
	fs, err := fields(reply)
	if err != nil {
		return nil, err
	}
	if has(find(fs, "writeConcernError")) {
		return reply, nil
	}
	return build(fs, nil, func(dst []byte) []byte {
		idx, dst := bsoncore.AppendDocumentElementStart(dst, "writeConcernError")
		dst = bsoncore.AppendInt32Element(dst, "code", int32(r.concernError.Code))
		dst = bsoncore.AppendStringElement(dst, "codeName", r.concernError.Code.String())
		dst = bsoncore.AppendStringElement(dst, "errmsg", r.concernError.Message)
		dst, _ = bsoncore.AppendDocumentEnd(dst, idx) // fails for a wrong idx only
		return dst
	}), nil
}

func refuseWriteConcern(r *request, _ bsoncore.Value) error {
	return mongoerr.New(mongoerr.InvalidOptions, "Command %s does not support writeConcern", r.command)
}

// checkMaxTime refuses what cannot be a time limit.
func checkMaxTime(_ *request, v bsoncore.Value) error {
	n, ok := asInt64(v)
	if !ok {
		return mongoerr.New(mongoerr.BadValue, "maxTimeMS must be a whole number")
	}
	if n < 0 || n > math.MaxInt32 {
		return mongoerr.New(mongoerr.BadValue, "%d value for maxTimeMS is out of range [0, 2147483647]", n)
	}
	return nil
}

// readMaxTime takes the time limit of a command that the engine does not watch over.
func readMaxTime(r *request, v bsoncore.Value) error {
	if err := checkMaxTime(r, v); err != nil {
		return err
	}
	n, _ := asInt64(v)
	r.maxTime = time.Duration(n) * time.Millisecond
	return nil
}

func refuseMaxTime(*request, bsoncore.Value) error {
	return mongoerr.New(mongoerr.BadValue, "cannot set maxTimeMS on getMore command for a non-awaitData cursor")
}

// checkCollation lets the one collation through that compares bytes, as everything here does.
func checkCollation(r *request, v bsoncore.Value) error {
	return scan(v.Data, func(key []byte, v bsoncore.Value) error {
		if locale, _ := v.StringValueOK(); string(key) == "locale" && locale == "simple" {
			return nil
		}
		return mongoerr.New(mongoerr.CommandNotSupported,
			"BSON field '%s.collation' is not supported: strings are compared byte by byte, as with {locale: \"simple\"}", r.command)
	})
}

// checkIDIndex lets a specification of the _id index through that says what it is anyway.
func checkIDIndex(_ *request, v bsoncore.Value) error {
	return scan(v.Data, func(key []byte, _ bsoncore.Value) error {
		switch string(key) {
		case "v", "key", "name", "ns", "unique":
			return nil
		default:
			return mongoerr.New(mongoerr.InvalidIndexSpecificationOption,
				"The field '%s' is not valid for an _id index specification.", key)
		}
	})
}

func checkAutoIndexID(_ *request, v bsoncore.Value) error {
	if isTrue(v) {
		return nil
	}
	return mongoerr.New(mongoerr.CommandNotSupported, "every collection has an index on _id: autoIndexId cannot be false")
}
