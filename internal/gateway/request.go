package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"tine/internal/gateway/mongoerr"
	"tine/internal/gateway/wire"
)

// adminDatabase is where users are, and where grants on all databases stand.
const adminDatabase = "admin"

// request is a command as it came. Its slices point into the message.
type request struct {
	command    string // as the client spelt it
	target     bsoncore.Value
	db         string
	document   bsoncore.Document
	fields     []field // of the document; nil if invalid holds an error
	sequences  []wire.Sequence
	legacy     bool // came as OP_QUERY
	moreToCome bool // wants no reply
	exhaust    bool // takes more than one reply
	repeated   bool // the client did not send it again: it is the next round of one with exhaust

	sessionID  [16]byte
	hasSession bool // lsid is there
	txnNumber  int64
	hasTxn     bool // txnNumber is there
	inTxn      bool // autocommit is there: part of a multi-document transaction
	autocommit bool // its value
	startTxn   bool // the first command of a transaction

	apiVersion   string
	apiStrict    bool
	maxTime      time.Duration   // what the gateway gives the command; 0 is for ever
	concernError *mongoerr.Error // why the write concern cannot be met

	invalid error // why the command cannot run although the message is well-formed

	// What follows is set while the command runs.
	session     *session     // nil if the client named none, or has not logged in
	txn         *transaction // nil outside of transactions
	writes      bool         // its statements need the rights to write
	numbered    bool         // a write that must leave a record
	blocked     error        // a numbered write that must not be done now, if it has not been
	newNumber   bool         // its session's number is known to have had no write yet
	writeErrors bool         // the reply says that a part of the writes has failed
	remains     remains      // what is to be done when the reply is on its way
}

// parseRequest decodes a message into a command. An error means that the connection cannot go on; what is wrong with
// the command alone is in the request.
func parseRequest(frame wire.Frame) (*request, error) {
	switch frame.OpCode {
	case wiremessage.OpMsg:
		msg, err := wire.ParseMsg(frame)
		if err != nil {
			return nil, err
		}
		req := &request{document: msg.Document, sequences: msg.Sequences, moreToCome: msg.MoreToCome(), exhaust: msg.ExhaustAllowed()}
		req.read()
		return req, nil
	case wiremessage.OpQuery:
		q, err := wire.ParseQuery(frame)
		if err != nil {
			return nil, err
		}
		db, isCommand := strings.CutSuffix(q.Namespace, ".$cmd")
		if !isCommand {
			return nil, fmt.Errorf("%w: OP_QUERY on a collection", wire.ErrMalformed)
		}
		req := &request{document: q.Document, db: db, legacy: true}
		req.read()
		return req, nil
	default:
		return nil, fmt.Errorf("%w: operation %d is not supported", wire.ErrMalformed, frame.OpCode)
	}
}

// read finds in the document what every command has.
func (r *request) read() {
	fs, err := fields(r.document)
	if err != nil {
		r.invalid = err
		return
	}
	if len(fs) == 0 {
		r.invalid = mongoerr.New(mongoerr.CommandNotFound, "no such command: ''")
		return
	}
	r.fields = fs
	r.command, r.target = fs[0].key, fs[0].value
	r.invalid = checkUnique(r.command+".", fs)
	for _, f := range fs[1:] {
		r.readGeneric(f)
	}
	switch {
	case r.invalid != nil:
	case r.db == "":
		r.invalid = mongoerr.New(mongoerr.MissingField, "OP_MSG requests require a $db argument")
	case len(r.document) > wire.MaxDocument+readBuffer*4:
		r.invalid = mongoerr.New(mongoerr.BSONObjectTooLarge, "command of %d bytes is larger than %d", len(r.document), wire.MaxDocument)
	}
}

// readGeneric reads a field that any command may have.
func (r *request) readGeneric(f field) {
	switch f.key {
	case "$db":
		if db, ok := f.value.StringValueOK(); ok && validDatabase(db) && !r.legacy {
			r.db = db
			return
		}
		r.invalid = mongoerr.New(mongoerr.InvalidNamespace, "$db is not the name of a database")
	case "lsid":
		id, err := parseSession(f.value)
		if err != nil {
			r.invalid = err
		}
		r.sessionID, r.hasSession = id, true
	case "txnNumber":
		r.txnNumber, r.hasTxn = asInt64(f.value)
		if !r.hasTxn {
			r.invalid = mongoerr.New(mongoerr.TypeMismatch, "txnNumber must be a number")
		}
	case "apiStrict":
		r.apiStrict = isTrue(f.value)
	case "autocommit":
		r.inTxn, r.autocommit = true, isTrue(f.value)
	case "startTransaction":
		if r.startTxn = isTrue(f.value); !r.startTxn {
			r.invalid = mongoerr.New(mongoerr.InvalidOptions, "'startTransaction' can only be true")
		}
	case "apiVersion":
		r.apiVersion, _ = f.value.StringValueOK()
		if r.apiVersion != "1" {
			r.invalid = mongoerr.New(mongoerr.APIVersionError, "API version must be \"1\"")
		}
	}
}

// validDatabase says no to names that could never be one; the engine has more rules.
func validDatabase(name string) bool {
	return name != "" && len(name) < 64 && !strings.ContainsAny(name, "\x00/\\. \"$") || name == "$external"
}

// genericFields are meant for the gateway, or say something that holds for every command here anyway: with one node
// every write is majority committed and every read is the newest. The engine refuses some of them, and keeps those of a
// find in its cursor.
func genericFields() []string {
	return []string{
		"$db", "lsid", "txnNumber", "$clusterTime", "$readPreference", "readConcern", "writeConcern",
		"apiVersion", "apiStrict", "apiDeprecationErrors", "startTransaction", "autocommit", "stmtId", "stmtIds",
	}
}

// spec is the command as the engine gets it: without the generic fields and without those named in drop.
func (r *request) spec(drop ...string) bsoncore.Document {
	return build(r.fields, append(genericFields(), drop...), nil)
}

// specWith is spec with more at its end.
func (r *request) specWith(more func(dst []byte) []byte, drop ...string) bsoncore.Document {
	return build(r.fields, append(genericFields(), drop...), more)
}

// emptyFields returns those of the named fields that are {}, which MongoDB takes for absent and the engine does not.
func (r *request) emptyFields(names ...string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !isEmptyDocument(r.field(name)) })
}

// sessionKey is the name of the session that the command runs in, the zero value if it runs in none.
func (r *request) sessionKey() sessionKey {
	if r.session == nil {
		return sessionKey{}
	}
	return r.session.key
}

// field returns the value of a top-level field, the zero Value if there is none.
func (r *request) field(key string) bsoncore.Value { return find(r.fields, key) }

// collection is the name of the collection that the command's own field holds.
func (r *request) collection() (string, error) {
	name, ok := r.target.StringValueOK()
	if !ok {
		return "", mongoerr.New(mongoerr.InvalidNamespace, "collection name has invalid type")
	}
	if name == "" || strings.ContainsRune(name, 0) {
		return "", mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace specified '%s.%s'", r.db, name)
	}
	return name, nil
}

// sequence returns the documents of the one sequence that the command may have, nil if it has none.
func (r *request) sequence(name string) ([]byte, error) {
	var data []byte
	for _, s := range r.sequences {
		if s.Identifier != name {
			return nil, mongoerr.New(mongoerr.UnknownField, "BSON field '%s.%s' is an unknown field.", r.command, s.Identifier)
		}
		if s.Largest > wire.MaxDocument+readBuffer*4 {
			return nil, mongoerr.New(mongoerr.BSONObjectTooLarge, "document of %d bytes is larger than %d", s.Largest, wire.MaxDocument)
		}
		data = s.Data
	}
	return slices.Clip(data), nil
}
