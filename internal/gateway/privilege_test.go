package gateway

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/internal/gateway/mongoerr"
	"tine/internal/users"
)

func TestPrivilegesOfRoles(t *testing.T) {
	t.Parallel()
	may := map[users.Role][]privilege{
		users.Root:      {inspect, read, write, define, administer, monitor, manage},
		users.ReadOnly:  {inspect, read},
		users.ReadWrite: {inspect, read, write, define},
		users.DBAdmin:   {inspect, define, administer},
		"unknown":       {},
	}
	for r, allowed := range may {
		set := map[privilege]bool{handshake: true, userless: true}
		for _, p := range allowed {
			set[p] = true
		}
		for p := handshake; p <= manage; p++ {
			if got := (grants{"d": {r}}).allow(p, "d"); got != set[p] {
				t.Errorf("%s on d: privilege %d on d is %v", r, p, got)
			}
			if got := (grants{adminDatabase: {r}}).allow(p, "d"); got != set[p] {
				t.Errorf("%s on admin: privilege %d on d is %v", r, p, got)
			}
			if got := (grants{"d": {r}}).allow(p, "e"); got != (p <= userless) {
				t.Errorf("%s on d: privilege %d on e is %v", r, p, got)
			}
		}
	}
	two := grants{"d": {users.ReadOnly, users.DBAdmin}}
	if !two.allow(read, "d") || !two.allow(administer, "d") || two.allow(write, "d") {
		t.Error("two roles on a database are not their sum")
	}
}

// newRequest is a command as it comes from a client.
func newRequest(tb testing.TB, command bson.D) *request {
	tb.Helper()
	doc, err := bson.Marshal(append(command, bson.E{Key: "$db", Value: "mine"}))
	if err != nil {
		tb.Fatal(err)
	}
	r := &request{document: doc}
	r.read()
	return r
}

// doc makes a document of alternating keys and values.
func doc(kv ...any) bson.D {
	d := bson.D{}
	for i := 0; i < len(kv); i += 2 {
		d = append(d, bson.E{Key: kv[i].(string), Value: kv[i+1]}) //nolint:errcheck,forcetypeassert // a test's own literal
	}
	return d
}

// nestedLookups is a pipeline inside n others.
func nestedLookups(n int) bson.A {
	p := bson.A{doc("$match", doc())}
	for range n {
		p = bson.A{doc("$lookup", doc("from", "c", "pipeline", p, "as", "x"))}
	}
	return p
}

// A user whose only grant is the role on "mine" sends the command; 0 is success.
func TestWhatRolesAllow(t *testing.T) {
	t.Parallel()
	const (
		no      = mongoerr.Unauthorized
		invalid = mongoerr.InvalidNamespace
	)
	agg := func(stages ...any) bson.D {
		return doc("aggregate", "c", "pipeline", bson.A(stages), "cursor", doc())
	}
	for _, c := range []struct {
		name                         string
		command                      bson.D
		readOnly, readWrite, dbAdmin mongoerr.Code
	}{
		{"find", doc("find", "c"), 0, 0, no},
		{"insert", doc("insert", "c", "documents", bson.A{doc()}), no, 0, no},
		{"insert past the validator", doc("insert", "c", "documents", bson.A{doc()}, "bypassDocumentValidation", true), no, no, no},
		{"createIndexes", doc("createIndexes", "c", "indexes", bson.A{}), no, 0, 0},
		{"dropDatabase", doc("dropDatabase", 1), no, no, 0},
		{"listCollections", doc("listCollections", 1), 0, 0, 0},
		{"serverStatus", doc("serverStatus", 1), no, no, no},
		{"getMore", doc("getMore", int64(1), "collection", "c"), 0, 0, no},
		{"duplicate field", doc("aggregate", "c", "pipeline", bson.A{}, "pipeline", bson.A{doc("$out", doc("db", "other", "coll", "x"))}), mongoerr.DuplicateField, mongoerr.DuplicateField, mongoerr.DuplicateField},

		{"system collection", doc("find", "system.users"), no, no, no},
		{"stored javascript", doc("find", "system.js"), 0, 0, no},
		{"stored javascript written", doc("insert", "system.js", "documents", bson.A{doc()}), no, no, no},

		{"empty pipeline", agg(), 0, 0, no},
		{"plain stage", agg(doc("$match", doc())), 0, 0, no},
		{"unknown stage", agg(doc("$inverseMatch", doc())), mongoerr.UnrecognizedStage, mongoerr.UnrecognizedStage, mongoerr.UnrecognizedStage},
		{"two in a stage", agg(doc("$match", doc(), "$out", "x")), mongoerr.StageWithManyFields, mongoerr.StageWithManyFields, mongoerr.StageWithManyFields},
		{"$collStats", agg(doc("$collStats", doc())), 0, 0, 0},
		{"$indexStats", agg(doc("$indexStats", doc())), no, no, 0},
		{"$currentOp", doc("aggregate", 1, "pipeline", bson.A{doc("$currentOp", doc())}), 0, 0, 0},
		{"$currentOp inside", agg(doc("$unionWith", doc("coll", "c", "pipeline", bson.A{doc("$currentOp", doc())}))), no, no, no},
		{"$documents", doc("aggregate", 1, "pipeline", bson.A{doc("$documents", bson.A{})}), 0, 0, 0},
		{"$documents and $lookup", doc("aggregate", 1, "pipeline", bson.A{doc("$documents", bson.A{}), doc("$lookup", doc("from", "c"))}), 0, 0, no},
		{"$collStats and $lookup", agg(doc("$collStats", doc()), doc("$lookup", doc("from", "c"))), 0, 0, no},
		{"$out", agg(doc("$out", "x")), no, 0, no},
		{"$out to system", agg(doc("$out", "system.views")), no, no, no},
		{"$out elsewhere", agg(doc("$out", doc("db", "other", "coll", "x"))), no, no, no},
		{"$out to itself", agg(doc("$out", doc("db", "mine", "coll", "x"))), no, 0, no},
		{"$out with a NUL", agg(doc("$out", doc("db", "mine\x00x", "coll", "x"))), invalid, invalid, invalid},
		{"$out with a number", agg(doc("$out", doc("db", 1, "coll", "x"))), invalid, invalid, invalid},
		{"$out with two databases", agg(doc("$out", doc("db", "mine", "coll", "x", "db", "other"))), mongoerr.DuplicateField, mongoerr.DuplicateField, mongoerr.DuplicateField},
		{"$out past the validator", append(agg(doc("$out", "x")), bson.E{Key: "bypassDocumentValidation", Value: true}), no, no, no},
		{"$merge", agg(doc("$merge", "x")), no, 0, no},
		{"$merge into", agg(doc("$merge", doc("into", "x"))), no, 0, no},
		{"$merge elsewhere", agg(doc("$merge", doc("into", doc("db", "other", "coll", "x")))), no, no, no},
		{"$merge into two", agg(doc("$merge", doc("into", "x", "into", doc("db", "other", "coll", "x")))), mongoerr.DuplicateField, mongoerr.DuplicateField, mongoerr.DuplicateField},
		{"$merge that looks", agg(doc("$merge", doc("into", "x", "whenMatched", bson.A{doc("$lookup", doc("from", doc("db", "other", "coll", "c")))}))), no, no, no},
		{"$lookup", agg(doc("$lookup", doc("from", "d"))), 0, 0, no},
		{"$lookup elsewhere", agg(doc("$lookup", doc("from", doc("db", "other", "coll", "d")))), no, no, no},
		{"$lookup of system", agg(doc("$lookup", doc("from", "system.users"))), no, no, no},
		{"$lookup with a pipeline that writes", agg(doc("$lookup", doc("from", "d", "pipeline", bson.A{doc("$merge", "x")}))), no, 0, no},
		{"$graphLookup elsewhere", agg(doc("$graphLookup", doc("from", doc("db", "other", "coll", "d")))), no, no, no},
		{"$unionWith", agg(doc("$unionWith", "d")), 0, 0, no},
		{"$unionWith elsewhere", agg(doc("$unionWith", doc("db", "other", "coll", "d"))), no, no, no},
		{"$unionWith in coll", agg(doc("$unionWith", doc("coll", doc("db", "other", "coll", "d")))), 0, 0, no}, // the engine refuses it
		{"$unionWith of documents", agg(doc("$unionWith", doc("pipeline", bson.A{doc("$documents", bson.A{})}))), 0, 0, no},
		{"$facet that looks elsewhere", agg(doc("$facet", doc("a", bson.A{doc("$unionWith", doc("db", "other", "coll", "d"))}))), no, no, no},
		{"$facet in $lookup", agg(doc("$lookup", doc("from", "d", "pipeline", bson.A{doc("$facet", doc("a", bson.A{doc("$out", doc("db", "other", "coll", "x"))}))}))), no, no, no},
		{"deep", agg(nestedLookups(20)...), 0, 0, no},
		{"too deep", agg(nestedLookups(21)...), mongoerr.MaxSubPipelineDepthExceeded, mongoerr.MaxSubPipelineDepthExceeded, mongoerr.MaxSubPipelineDepthExceeded},

		{"create", doc("create", "d"), no, 0, 0},
		{"create a view", doc("create", "v", "viewOn", "c", "pipeline", bson.A{}), no, 0, no},
		{"create a view without pipeline", doc("create", "v", "viewOn", "c"), no, 0, no},
		{"create a view of elsewhere", doc("create", "v", "viewOn", "c", "pipeline", bson.A{doc("$unionWith", doc("db", "other", "coll", "d"))}), no, no, no},
		{"create a view of system", doc("create", "v", "viewOn", "system.users", "pipeline", bson.A{}), no, no, no},
	} {
		for r, want := range map[users.Role]mongoerr.Code{users.ReadOnly: c.readOnly, users.ReadWrite: c.readWrite, users.DBAdmin: c.dbAdmin} {
			if got := decide(t, grants{"mine": {r}}, c.command); got != want {
				t.Errorf("%s as %s: code %d, want %d", c.name, r, got, want)
			}
		}
	}
}

// decide is the code with which a command is refused, 0 if it is not.
func decide(tb testing.TB, g grants, command bson.D) mongoerr.Code {
	tb.Helper()
	r, commands := newRequest(tb, command), knownCommands(version{major: 8})
	c := &conn{cluster: &cluster{commands: commands}, grants: g}
	err := r.invalid
	if err == nil {
		err = c.authorize(commands[r.command], r)
	}
	return codeOf(err)
}

func codeOf(err error) mongoerr.Code {
	if me, ok := errors.AsType[*mongoerr.Error](err); ok {
		return me.Code
	}
	return 0
}

func TestRightsInTwoDatabases(t *testing.T) {
	t.Parallel()
	out := doc("aggregate", "c", "pipeline", bson.A{doc("$out", doc("db", "other", "coll", "x"))})
	for _, c := range []struct {
		grants grants
		want   mongoerr.Code
	}{
		{grants{"mine": {users.ReadOnly}, "other": {users.ReadWrite}}, 0},
		{grants{"mine": {users.ReadWrite}, "other": {users.ReadOnly}}, mongoerr.Unauthorized},
		{grants{"mine": {users.ReadWrite}, "other": {users.DBAdmin}}, mongoerr.Unauthorized},
		{grants{"mine": {users.DBAdmin}, "other": {users.ReadWrite}}, mongoerr.Unauthorized},
		{grants{adminDatabase: {users.ReadWrite}}, 0},
		{grants{adminDatabase: {users.ReadOnly}, "other": {users.ReadWrite}}, 0},
	} {
		if got := decide(t, c.grants, out); got != c.want {
			t.Errorf("$out from mine to other with %v: code %d, want %d", c.grants, got, c.want)
		}
	}
	for _, db := range []string{"admin", "local", "config"} {
		command := doc("aggregate", "c", "pipeline", bson.A{doc("$out", doc("db", db, "coll", "x"))})
		if got := decide(t, grants{adminDatabase: {users.Root}}, command); got != mongoerr.Unauthorized {
			t.Errorf("root may write to %s: code %d", db, got)
		}
	}
	if got := decide(t, grants{adminDatabase: {users.Root}}, doc("insert", "system.js", "documents", bson.A{})); got != mongoerr.InvalidNamespace {
		t.Errorf("root may write to a system collection: code %d", got)
	}
}

func TestNeedsOfCommandsThatNameOtherThings(t *testing.T) {
	t.Parallel()
	explained := func(command bson.D) bson.D { return doc("explain", command) }
	for _, c := range []struct {
		name    string
		needs   needsFunc
		command bson.D
		grants  grants
		want    mongoerr.Code
	}{
		{"rename", renameNeeds, doc("renameCollection", "mine.a", "to", "mine.b"), grants{"mine": {users.ReadWrite}}, 0},
		{"rename", renameNeeds, doc("renameCollection", "mine.a", "to", "mine.b"), grants{"mine": {users.ReadOnly}}, mongoerr.Unauthorized},
		{"rename", renameNeeds, doc("renameCollection", "mine.a", "to", "mine.b"), grants{"mine": {users.DBAdmin}}, 0},
		{"rename out", renameNeeds, doc("renameCollection", "mine.a", "to", "other.b"), grants{"mine": {users.ReadWrite}}, mongoerr.Unauthorized},
		{"rename in", renameNeeds, doc("renameCollection", "other.a", "to", "mine.b"), grants{"mine": {users.ReadWrite}}, mongoerr.Unauthorized},
		{"rename over", renameNeeds, doc("renameCollection", "mine.a", "to", "other.b"), grants{"mine": {users.ReadWrite}, "other": {users.ReadWrite}}, 0},
		{"rename unseen", renameNeeds, doc("renameCollection", "mine.a", "to", "other.b"), grants{"mine": {users.DBAdmin}, "other": {users.ReadWrite}}, mongoerr.Unauthorized},
		{"rename to system", renameNeeds, doc("renameCollection", "mine.a", "to", "mine.system.js"), grants{"mine": {users.ReadWrite}}, mongoerr.Unauthorized},
		{"rename to admin", renameNeeds, doc("renameCollection", "mine.a", "to", "admin.a"), grants{adminDatabase: {users.Root}}, mongoerr.Unauthorized},
		{"rename nothing", renameNeeds, doc("renameCollection", "mine.a"), grants{adminDatabase: {users.Root}}, mongoerr.InvalidNamespace},

		{"bulkWrite", bulkWriteNeeds, doc("bulkWrite", 1, "nsInfo", bson.A{doc("ns", "mine.a")}), grants{"mine": {users.ReadWrite}}, 0},
		{"bulkWrite elsewhere", bulkWriteNeeds, doc("bulkWrite", 1, "nsInfo", bson.A{doc("ns", "mine.a"), doc("ns", "other.a")}), grants{"mine": {users.ReadWrite}}, mongoerr.Unauthorized},
		{"bulkWrite twice", bulkWriteNeeds, doc("bulkWrite", 1, "nsInfo", bson.A{doc("ns", "mine.a", "ns", "other.a")}), grants{"mine": {users.ReadWrite}}, mongoerr.DuplicateField},
		{"bulkWrite without a name", bulkWriteNeeds, doc("bulkWrite", 1, "nsInfo", bson.A{doc("ns", 1)}), grants{"mine": {users.ReadWrite}}, mongoerr.InvalidNamespace},
		{"bulkWrite past the validator", bulkWriteNeeds, doc("bulkWrite", 1, "bypassDocumentValidation", true, "nsInfo", bson.A{doc("ns", "mine.a")}), grants{"mine": {users.ReadWrite}}, mongoerr.Unauthorized},
		{"bulkWrite to admin", bulkWriteNeeds, doc("bulkWrite", 1, "nsInfo", bson.A{doc("ns", "admin.a")}), grants{adminDatabase: {users.Root}}, mongoerr.Unauthorized},

		{"collMod", collModNeeds, doc("collMod", "c", "validator", doc()), grants{"mine": {users.ReadWrite}}, mongoerr.Unauthorized},
		{"collMod", collModNeeds, doc("collMod", "c", "validator", doc()), grants{"mine": {users.DBAdmin}}, 0},
		{"collMod of a view", collModNeeds, doc("collMod", "v", "viewOn", "c", "pipeline", bson.A{}), grants{"mine": {users.DBAdmin}}, mongoerr.Unauthorized},
		{"collMod of a view", collModNeeds, doc("collMod", "v", "viewOn", "c", "pipeline", bson.A{}), grants{"mine": {users.DBAdmin, users.ReadOnly}}, 0},

		{"explain find", explainNeeds, explained(doc("find", "c")), grants{"mine": {users.ReadOnly}}, 0},
		{"explain find", explainNeeds, explained(doc("find", "c")), grants{"mine": {users.DBAdmin}}, mongoerr.Unauthorized},
		{"explain delete", explainNeeds, explained(doc("delete", "c", "deletes", bson.A{})), grants{"mine": {users.ReadOnly}}, mongoerr.Unauthorized},
		{"explain $out", explainNeeds, explained(doc("aggregate", "c", "pipeline", bson.A{doc("$out", doc("db", "other", "coll", "x"))})), grants{"mine": {users.ReadWrite}}, mongoerr.Unauthorized},
		{"explain elsewhere", explainNeeds, explained(doc("find", "c", "$db", "other")), grants{"mine": {users.ReadOnly}}, mongoerr.InvalidNamespace},
		{"explain twice", explainNeeds, explained(doc("find", "c", "find", "d")), grants{"mine": {users.ReadOnly}}, mongoerr.DuplicateField},
		{"explain explain", explainNeeds, explained(doc("explain", doc("find", "c"))), grants{"mine": {users.ReadOnly}}, mongoerr.CommandNotFound},
		{"explain nothing", explainNeeds, doc("explain", 1), grants{"mine": {users.ReadOnly}}, mongoerr.TypeMismatch},
	} {
		needs, err := c.needs(commandTable(), newRequest(t, c.command))
		if err == nil {
			err = c.grants.permit(c.name, needs)
		}
		if got := codeOf(err); got != c.want {
			t.Errorf("%s (%v) with %v: code %d, want %d", c.name, c.command, c.grants, got, c.want)
		}
	}
}

// Even if the table of privileges let a write pass, it would not run with the rights to write.
func TestWorkOfWhoMayOnlyReadRunsAsTheReader(t *testing.T) {
	t.Parallel()
	commands := knownCommands(version{major: 8})
	for role, want := range map[users.Role]login{users.ReadOnly: asReader(), users.ReadWrite: asWriter()} {
		r := newRequest(t, doc("insert", "c", "documents", bson.A{doc()}))
		c := &conn{cluster: &cluster{commands: commands}, grants: grants{"mine": {role}}}
		if err := c.authorize(commands[r.command], r); (err == nil) != (role == users.ReadWrite) {
			t.Errorf("an insert as %s: %v", role, err)
		}
		if got := c.login(r); got != want {
			t.Errorf("an insert as %s runs as %+v", role, got)
		}
		want.held = true
		if got := c.transactionLogin(); got != want {
			t.Errorf("a transaction as %s runs as %+v", role, got)
		}
	}
}
