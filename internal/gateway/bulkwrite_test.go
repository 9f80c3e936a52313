package gateway_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway"
)

// bulkOf are operations on a, b and c of a database, one of each kind.
func bulkOf(db string) []mongo.ClientBulkWrite {
	set := func(k string, v any) bson.D { return bson.D{{Key: "$set", Value: bson.D{{Key: k, Value: v}}}} }
	id := func(v any) bson.D { return bson.D{{Key: "_id", Value: v}} }
	return []mongo.ClientBulkWrite{
		{Database: db, Collection: "a", Model: mongo.NewClientInsertOneModel().SetDocument(id(1))},
		{Database: db, Collection: "a", Model: mongo.NewClientInsertOneModel().SetDocument(id(2))},
		{Database: db, Collection: "b", Model: mongo.NewClientInsertOneModel().SetDocument(id(1))},
		{Database: db, Collection: "a", Model: mongo.NewClientUpdateOneModel().SetFilter(id(1)).SetUpdate(set("x", 1))},
		{Database: db, Collection: "a", Model: mongo.NewClientUpdateManyModel().SetFilter(bson.D{}).SetUpdate(set("y", 1))},
		{Database: db, Collection: "c", Model: mongo.NewClientUpdateOneModel().SetFilter(id("u")).SetUpdate(set("z", 1)).SetUpsert(true)},
		{Database: db, Collection: "b", Model: mongo.NewClientReplaceOneModel().SetFilter(id(1)).SetReplacement(bson.D{{Key: "r", Value: 1}})},
		{Database: db, Collection: "a", Model: mongo.NewClientDeleteOneModel().SetFilter(id(1))},
		{Database: db, Collection: "a", Model: mongo.NewClientDeleteManyModel().SetFilter(bson.D{})},
	}
}

func TestBulkWriteInSeveralCollections(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	for _, verbose := range []bool{true, false} {
		if err := db.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
		res := must(db.Client().BulkWrite(t.Context(), bulkOf(db.Name()), options.ClientBulkWrite().SetVerboseResults(verbose)))(t)
		got := []int64{res.InsertedCount, res.MatchedCount, res.ModifiedCount, res.UpsertedCount, res.DeletedCount}
		if want := []int64{3, 4, 4, 1, 2}; !slices.Equal(got, want) {
			t.Errorf("verbose %v: counts are %v, want %v", verbose, got, want)
		}
		if !verbose {
			continue
		}
		if len(res.InsertResults) != 3 || len(res.UpdateResults) != 4 || len(res.DeleteResults) != 2 {
			t.Errorf("results are %+v", res)
		}
		// As in MongoDB, the result of an upsert counts a match.
		if u := res.UpdateResults[5]; fmt.Sprint(u.UpsertedID) != "u" || u.MatchedCount != 1 {
			t.Errorf("the upsert is %+v", u)
		}
		if res.UpdateResults[4].ModifiedCount != 2 || res.DeleteResults[8].DeletedCount != 1 {
			t.Errorf("the results of multi are %+v, %+v", res.UpdateResults[4], res.DeleteResults[8])
		}
	}
}

func TestBulkWriteStopsAtAnErrorOrGoesOn(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	insert := func(coll string, id int) mongo.ClientBulkWrite {
		return mongo.ClientBulkWrite{Database: db.Name(), Collection: coll, Model: mongo.NewClientInsertOneModel().SetDocument(bson.D{{Key: "_id", Value: id}})}
	}
	writes := []mongo.ClientBulkWrite{insert("a", 1), insert("a", 1), insert("a", 2), insert("b", 1), insert("b", 1)}
	for ordered, want := range map[bool][]int{true: {1, 1, 0}, false: {2, 2, 1}} {
		if err := db.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := db.Client().BulkWrite(t.Context(), writes, options.ClientBulkWrite().SetOrdered(ordered))
		var be mongo.ClientBulkWriteException
		if !errors.As(err, &be) || len(be.WriteErrors) != want[0] || be.WriteErrors[1].Code != 11000 {
			t.Fatalf("ordered %v: error is %v", ordered, err)
		}
		a := must(db.Collection("a").CountDocuments(t.Context(), bson.D{}))(t)
		b := must(db.Collection("b").CountDocuments(t.Context(), bson.D{}))(t)
		if int(a) != want[1] || int(b) != want[2] {
			t.Errorf("ordered %v: %d and %d documents, want %v", ordered, a, b, want[1:])
		}
	}
}

func TestBulkWriteInATransaction(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	s := must(db.Client().StartSession())(t)
	defer s.EndSession(t.Context())
	for _, commit := range []bool{false, true} {
		if err := s.StartTransaction(); err != nil {
			t.Fatal(err)
		}
		ctx := mongo.NewSessionContext(t.Context(), s)
		must(db.Client().BulkWrite(ctx, bulkOf(db.Name())))(t)
		end := s.AbortTransaction
		if commit {
			end = s.CommitTransaction
		}
		if err := end(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := must(db.Collection("c").CountDocuments(t.Context(), bson.D{}))(t); (n == 1) != commit {
			t.Errorf("commit %v: %d documents", commit, n)
		}
	}
	if err := s.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	ctx := mongo.NewSessionContext(t.Context(), s)
	twice := slices.Repeat([]mongo.ClientBulkWrite{{Database: db.Name(), Collection: "d", Model: mongo.NewClientInsertOneModel().SetDocument(bson.D{{Key: "_id", Value: 1}})}}, 2)
	if _, err := db.Client().BulkWrite(ctx, twice); err == nil {
		t.Error("a duplicate key is no error")
	}
	_, err := db.Collection("d").InsertOne(ctx, bson.D{})
	wantCode(t, err, 251)
	_ = s.AbortTransaction(t.Context())
}

// bulk is a bulkWrite as a raw command.
func bulk(ns bson.A, ops bson.A, more ...bson.E) bson.D {
	infos := bson.A{}
	for _, n := range ns {
		infos = append(infos, bson.D{{Key: "ns", Value: n}})
	}
	command := bson.D{{Key: "bulkWrite", Value: 1}, {Key: "ops", Value: ops}, {Key: "nsInfo", Value: infos}, {Key: "$db", Value: "admin"}}
	return append(command, more...)
}

func TestRepeatedBulkWriteIsAnsweredFromItsRecord(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	c := g.dial(t).logIn(t)
	inc := bson.D{
		{Key: "update", Value: 0},
		{Key: "filter", Value: bson.D{{Key: "_id", Value: 1}}},
		{Key: "upsert", Value: true},
		{Key: "updateMods", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}},
	}
	insert := bson.D{{Key: "insert", Value: 1}, {Key: "document", Value: bson.D{{Key: "_id", Value: 1}}}}
	command := bulk(bson.A{db.Name() + ".a", db.Name() + ".b"}, bson.A{inc, inc, insert, insert},
		bson.E{Key: "ordered", Value: false}, bson.E{Key: "txnNumber", Value: int64(1)}, bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}}},
		bson.E{Key: "stmtIds", Value: bson.A{0, 1, 2, 3}})
	first := c.command(t, command)
	for range 3 {
		if again := g.dial(t).logIn(t).command(t, command); !slices.Equal(again, first) {
			t.Errorf("the repetition is answered with %v, want %v", again, first)
		}
	}
	for name, want := range map[string]int32{"nErrors": 1, "nInserted": 1, "nMatched": 1, "nModified": 1, "nUpserted": 1, "nDeleted": 0} {
		if got := first.Lookup(name).Int32(); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	var doc struct{ N int }
	if err := db.Collection("a").FindOne(t.Context(), bson.D{}).Decode(&doc); err != nil || doc.N != 2 {
		t.Errorf("n is %d, %v; want 2", doc.N, err)
	}
}

func TestBulkWriteRefusesWhatItDoesNotDo(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	c := g.dial(t).logIn(t)
	ns := bson.A{db.Name() + ".a"}
	insert := bson.D{{Key: "insert", Value: 0}, {Key: "document", Value: bson.D{}}}
	remove := func(more ...bson.E) bson.D {
		return append(bson.D{{Key: "delete", Value: 0}, {Key: "filter", Value: bson.D{}}}, more...)
	}
	for name, tc := range map[string]struct {
		command bson.D
		code    int32
	}{
		"no operations":       {bulk(ns, bson.A{}), 16},
		"another kind":        {bulk(ns, bson.A{bson.D{{Key: "replace", Value: 0}}}), 9},
		"an empty operation":  {bulk(ns, bson.A{insert, bson.D{}}), 9},
		"no document":         {bulk(ns, bson.A{bson.D{{Key: "insert", Value: 0}}}), 40414},
		"an index too large":  {bulk(ns, bson.A{bson.D{{Key: "insert", Value: 1}, {Key: "document", Value: bson.D{}}}}), 2},
		"a negative index":    {bulk(ns, bson.A{bson.D{{Key: "insert", Value: -1}, {Key: "document", Value: bson.D{}}}}), 2},
		"an unknown field":    {bulk(ns, bson.A{insert, remove(bson.E{Key: "x", Value: 1})}), 40415},
		"a field twice":       {bulk(ns, bson.A{remove(bson.E{Key: "filter", Value: bson.D{}})}), 40413},
		"a wrong type":        {bulk(ns, bson.A{remove(bson.E{Key: "multi", Value: "x"})}), 14},
		"a collation":         {bulk(ns, bson.A{remove(bson.E{Key: "collation", Value: bson.D{{Key: "locale", Value: "de"}}})}), 115},
		"a small batch":       {bulk(ns, bson.A{insert, insert}, bson.E{Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 1}}}), 115},
		"an unknown option":   {bulk(ns, bson.A{insert}, bson.E{Key: "x", Value: 1}), 40415},
		"a system collection": {bulk(bson.A{db.Name() + ".system.x"}, bson.A{insert}), 73},
		"the database local":  {bulk(bson.A{"local.x"}, bson.A{insert}), 13},
		"no namespace":        {bulk(bson.A{"x"}, bson.A{insert}), 73},
	} {
		reply := c.command(t, tc.command)
		if got, _ := reply.Lookup("code").Int32OK(); got != tc.code {
			t.Errorf("%s: the reply is %v, want code %d", name, reply, tc.code)
		}
	}
	if n := must(db.Collection("a").CountDocuments(t.Context(), bson.D{}))(t); n != 0 {
		t.Errorf("%d documents were written by commands that were refused", n)
	}
	old := open(t, func(c *gateway.Cluster) { c.Version = "7" }).dial(t).logIn(t)
	if reply := old.command(t, bulk(ns, bson.A{insert})); reply.Lookup("code").Int32() != 59 {
		t.Errorf("MongoDB 7 has no bulkWrite: %v", reply)
	}
}

func TestBulkWriteTakesSequencesVariablesAndValidators(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	if err := db.CreateCollection(t.Context(), "v", options.CreateCollection().SetValidator(bson.D{{Key: "a", Value: 1}})); err != nil {
		t.Fatal(err)
	}
	var sequence []byte
	for i := range 3 {
		sequence = append(sequence, must(bson.Marshal(bson.D{{Key: "insert", Value: 0}, {Key: "document", Value: bson.D{{Key: "_id", Value: i}, {Key: "a", Value: i}}}}))(t)...)
	}
	command := bulk(bson.A{db.Name() + ".v"}, nil, bson.E{Key: "ordered", Value: false})
	c := g.dial(t).logIn(t)
	if _, err := c.Write(opMsg(0, body(t, slices.Delete(command, 1, 2)), sequenceOf("ops", sequence))); err != nil {
		t.Fatal(err)
	}
	reply := c.reply(t)
	if reply.Lookup("nInserted").Int32() != 1 || reply.Lookup("nErrors").Int32() != 2 || reply.Lookup("cursor", "firstBatch", "0", "code").Int32() != 121 {
		t.Errorf("the reply is %v", reply)
	}
	update := bson.D{
		{Key: "update", Value: 0},
		{Key: "updateMods", Value: bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: "b", Value: "$$five"}}}}}},
		{Key: "filter", Value: bson.D{{Key: "$expr", Value: bson.D{{Key: "$eq", Value: bson.A{"$a", "$$one"}}}}}},
	}
	reply = c.command(t, bulk(bson.A{db.Name() + ".v"}, bson.A{update}, bson.E{Key: "let", Value: bson.D{{Key: "one", Value: 1}, {Key: "five", Value: 5}}}))
	if reply.Lookup("nModified").Int32() != 1 {
		t.Errorf("the reply is %v", reply)
	}
	insert := bson.D{{Key: "insert", Value: 0}, {Key: "document", Value: bson.D{{Key: "a", Value: 9}}}}
	reply = c.command(t, bulk(bson.A{db.Name() + ".v"}, bson.A{insert}, bson.E{Key: "bypassDocumentValidation", Value: true}))
	if reply.Lookup("nInserted").Int32() != 1 {
		t.Errorf("the reply is %v", reply)
	}
}

// sequenceOf is a section of a message with a document sequence.
func sequenceOf(name string, docs []byte) []byte {
	size := int32(4 + len(name) + 1 + len(docs))
	section := append([]byte{1}, bsoncore.AppendInt32Element(nil, "", size)[2:]...)
	return append(append(append(section, name...), 0), docs...)
}
