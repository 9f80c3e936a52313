package gateway_test

import (
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// roleNames are the users of the matrix, each with its role on "mine" and no other right.
func roleNames() []string { return []string{"nothing", "readOnly", "readWrite", "dbAdmin", "root"} }

// roleUsers makes the users of the matrix, and collections in two databases.
func (g *gw) roleUsers(tb testing.TB) *cast {
	tb.Helper()
	for _, db := range []string{"mine", "other"} {
		must(g.client(tb).Database(db).Collection("c").InsertOne(tb.Context(), kv("a", 1)))(tb)
	}
	g.user(tb, "somebody")
	g.user(tb, "nothing")
	g.user(tb, "readOnly", on("read", "mine"))
	g.user(tb, "readWrite", on("readWrite", "mine"))
	g.user(tb, "dbAdmin", on("dbAdmin", "mine"))
	g.user(tb, "root", "root")
	return g.cast()
}

// cast is a connection for each user who has been on.
type cast struct {
	g     *gw
	conns map[string]*rawConn
}

func (g *gw) cast() *cast { return &cast{g: g, conns: map[string]*rawConn{}} }

// run runs a command as a user.
func (p *cast) run(tb testing.TB, user, db string, command bson.D) bsoncore.Document {
	tb.Helper()
	c := p.conns[user]
	if c == nil {
		c = p.g.login(tb, user, userPassword)
		p.conns[user] = c
	}
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		tb.Fatal(err)
	}
	if command[0].Key == "logout" {
		delete(p.conns, user)
	}
	return c.command(tb, append(slices.Clone(command), bson.E{Key: "$db", Value: db}))
}

// permitted reports whether a reply is anything else than MongoDB's "not authorized".
func permitted(reply bsoncore.Document) bool {
	code, _ := reply.Lookup("code").Int32OK()
	return code != 13
}

// crossing are pipelines on "mine" that reach into another database.
func crossing(db string) map[string]bson.A {
	there := kv("db", db, "coll", "c")
	lookup := kv("$lookup", kv("from", there, "pipeline", bson.A{}, "as", "x"))
	union := kv("$unionWith", kv("db", db, "coll", "c"))
	deep := bson.A{union}
	for range 5 {
		deep = bson.A{kv("$lookup", kv("from", "c", "pipeline", deep, "as", "x"))}
	}
	return map[string]bson.A{
		"$out":                       {kv("$out", there)},
		"$merge":                     {kv("$merge", kv("into", there))},
		"$lookup":                    {lookup},
		"$graphLookup":               {kv("$graphLookup", kv("from", there, "startWith", "$a", "connectFromField", "a", "connectToField", "a", "as", "x"))},
		"$unionWith":                 {union},
		"$facet and $lookup":         {kv("$facet", kv("f", bson.A{lookup}))},
		"$facet and $unionWith":      {kv("$facet", kv("f", bson.A{union}))},
		"$unionWith and $lookup":     {kv("$unionWith", kv("coll", "c", "pipeline", bson.A{lookup}))},
		"$lookup, $facet, $lookup":   {kv("$lookup", kv("from", "c", "pipeline", bson.A{kv("$facet", kv("f", bson.A{lookup}))}, "as", "x"))},
		"$merge that looks":          {kv("$merge", kv("into", "made", "whenMatched", bson.A{lookup}))},
		"$lookup five deep":          deep,
		"$documents, then elsewhere": {kv("$match", kv()), union},
	}
}

// Pipelines on "mine" that name another database, in all commands that carry pipelines: nobody but root may run them.
func TestRoleMatrixOfPipelinesThatReachElsewhere(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	as := g.roleUsers(t)
	for _, db := range []string{"other", "admin", "config", "local"} {
		stages := crossing(db)
		for _, name := range slices.Sorted(maps.Keys(stages)) {
			pipeline := stages[name]
			for carrier, command := range map[string]bson.D{
				"aggregate": pipelineOn("c", pipeline...),
				"explain":   kv("explain", pipelineOn("c", pipeline...)),
				"a view":    kv("create", "v", "viewOn", "c", "pipeline", pipeline),
				"collMod":   kv("collMod", "c", "viewOn", "c", "pipeline", pipeline),
			} {
				for _, role := range []string{"nothing", "readOnly", "readWrite", "dbAdmin"} {
					if reply := as.run(t, role, "mine", command); permitted(reply) {
						t.Errorf("%s to %s in %s as %s: %v", name, db, carrier, role, reply)
					}
				}
			}
		}
	}
}

// What a stage needs of a database on which the user has another role.
func TestRoleMatrixOfPipelinesAcrossTwoDatabases(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	as := g.roleUsers(t)
	g.user(t, "readsBoth", on("read", "mine"), on("read", "other"))
	g.user(t, "copies", on("read", "mine"), on("readWrite", "other"))
	g.user(t, "stuffs", on("readWrite", "mine"), on("read", "other"))
	g.user(t, "admins", on("readWrite", "mine"), on("dbAdmin", "other"))
	stages := crossing("other")
	for _, name := range slices.Sorted(maps.Keys(stages)) {
		writesThere, writesHere := name == "$out" || name == "$merge", name == "$merge that looks"
		for user, may := range map[string]bool{
			"readsBoth": !writesThere && !writesHere, "copies": !writesHere, "stuffs": !writesThere, "admins": false,
		} {
			reply := as.run(t, user, "mine", pipelineOn("c", stages[name]...))
			if permitted(reply) != may {
				t.Errorf("%s as %s: permitted is %v, want %v: %v", name, user, !may, may, reply)
			}
		}
	}
}

// The engine has no join with another database, which even root finds out at the latest when the view is read.
func TestViewsDoNotShowAnotherDatabase(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	as := g.roleUsers(t)
	for i, stage := range []bson.D{
		kv("$unionWith", kv("db", "other", "coll", "c")),
		kv("$lookup", kv("from", kv("db", "other", "coll", "c"), "pipeline", bson.A{}, "as", "x")),
	} {
		view := "v" + strconv.Itoa(i)
		as.run(t, "root", "mine", kv("create", view, "viewOn", "c", "pipeline", bson.A{stage}))
		if reply := as.run(t, "root", "mine", kv("listCollections", 1, "filter", kv("name", view))); len(reply.Lookup("cursor", "firstBatch").Array()) <= 5 {
			continue // there is no such view
		}
		if reply := as.run(t, "readOnly", "mine", kv("find", view)); reply.Lookup("ok").Double() == 1 {
			t.Errorf("a view of another database with %v answers %v", stage, reply)
		}
	}
}

func wantRefused(tb testing.TB, reply bsoncore.Document) {
	tb.Helper()
	if permitted(reply) {
		tb.Errorf("the answer is not that the user is not authorized: %v", reply)
	}
}
