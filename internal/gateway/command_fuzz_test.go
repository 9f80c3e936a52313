package gateway

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"tine/internal/gateway/wire"
	"tine/internal/users"
)

// message is an OP_MSG with a body of the fields inside and one document sequence. Their own lengths are right, else nothing gets
// further than that.
func message(inside []byte, name string, sequence []byte) []byte {
	doc := append(binary.LittleEndian.AppendUint32([]byte{0}, uint32(len(inside)+5)), append(slices.Clone(inside), 0)...)
	sections := append(make([]byte, 4), doc...)
	if name != "" {
		sections = binary.LittleEndian.AppendUint32(append(sections, 1), uint32(4+len(name)+1+len(sequence)))
		sections = append(append(append(sections, name...), 0), sequence...)
	}
	return append(wiremessage.AppendHeader(nil, int32(16+len(sections)), 1, 0, wiremessage.OpMsg), sections...)
}

// FuzzCommands takes messages as far as they get without a node: through the decoder, the syntax, the rights, and to the arguments of
// the SQL functions.
func FuzzCommands(f *testing.F) {
	for _, seed := range commandSeeds() {
		body, err := bson.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body[4:len(body)-1], "", []byte(nil))
	}
	insert, err := bson.Marshal(bson.D{{Key: "insert", Value: 0}, {Key: "document", Value: bson.D{{Key: "a", Value: 1}}}})
	if err != nil {
		f.Fatal(err)
	}
	bulk, err := bson.Marshal(bson.D{{Key: "bulkWrite", Value: 1}, {Key: "nsInfo", Value: bson.A{bson.D{{Key: "ns", Value: "d.c"}}}}, {Key: "$db", Value: "admin"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bulk[4:len(bulk)-1], "ops", insert)
	v, err := parseVersion("8")
	if err != nil {
		f.Fatal(err)
	}
	cl := &cluster{version: v, commands: knownCommands(v)}
	f.Fuzz(func(t *testing.T, inside []byte, name string, sequence []byte) {
		frame, err := wire.ReadFrame(bytes.NewReader(message(inside, name, sequence)), wire.MaxMessage)
		if err != nil {
			return
		}
		r, err := parseRequest(frame)
		if err != nil {
			return
		}
		_ = namespaceOf(r)
		_ = shown(r)
		c := &conn{cluster: cl, user: "u", grants: grants{adminDatabase: {users.Root}}}
		cmd, known := cl.commands[r.command]
		if !known || r.invalid != nil || c.authorize(cmd, r) != nil || cmd.syntax.check(r) != nil {
			return
		}
		prepare(t, r)
	})
}

// prepare makes the arguments of what runs a command that has been admitted.
func prepare(tb testing.TB, r *request) {
	tb.Helper()
	if _, err := fields(r.spec()); err != nil {
		tb.Errorf("the spec of %s is not readable: %v", r.command, err)
	}
	_, _ = r.sequence("documents")
	_, _ = indexSpec(r)
	_ = countSpec(r)
	_, _, _ = heldBatch(r)
	if stages, err := subFields(r.field("pipeline")); err == nil && len(stages) > 0 {
		_ = stageName(stages[0])
	}
	if inner, err := r.explained(); err == nil {
		_, _ = fields(inner.spec())
	}
	if r.command != "bulkWrite" {
		return
	}
	ops, err := bulkOps(r)
	if err != nil {
		return
	}
	for _, errorsOnly := range []bool{true, false} {
		n := 0
		for _, call := range groupBulk(ops, errorsOnly) {
			n += call.count
			if _, err := fields(bulkSpec(r, call, true)); err != nil {
				tb.Errorf("the spec of a call is not readable: %v", err)
			}
		}
		if n != len(ops) {
			tb.Errorf("%d operations became %d", len(ops), n)
		}
	}
}

// commandSeeds is a command of each name, and some that say more.
func commandSeeds() []bson.D {
	v, _ := parseVersion("8")
	var seeds []bson.D
	for _, name := range slices.Sorted(maps.Keys(knownCommands(v))) {
		seeds = append(seeds, bson.D{{Key: name, Value: "c"}, {Key: "$db", Value: "admin"}}, bson.D{{Key: name, Value: 1}, {Key: "$db", Value: "d"}})
	}
	nested := bson.D{{Key: "a", Value: 1}}
	for range 200 {
		nested = bson.D{{Key: "$and", Value: bson.A{nested}}}
	}
	pipeline := bson.A{
		bson.D{{Key: "$lookup", Value: bson.D{{Key: "from", Value: "x"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$unionWith", Value: "y"}}}}, {Key: "as", Value: "z"}}}},
		bson.D{{Key: "$facet", Value: bson.D{{Key: "f", Value: bson.A{bson.D{{Key: "$match", Value: nested}}}}}}},
		bson.D{{Key: "$merge", Value: bson.D{{Key: "into", Value: bson.D{{Key: "db", Value: "e"}, {Key: "coll", Value: "x"}}}}}},
	}
	update := bson.D{{Key: "q", Value: nested}, {Key: "u", Value: pipeline}, {Key: "multi", Value: true}, {Key: "hint", Value: "x"}}
	return append(seeds,
		bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: nested}, {Key: "sort", Value: bson.D{}}, {Key: "limit", Value: 1.5}, {Key: "$db", Value: "d"}},
		bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: pipeline}, {Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 1}}}, {Key: "$db", Value: "d"}},
		bson.D{{Key: "explain", Value: bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{update}}}}, {Key: "verbosity", Value: "queryPlanner"}, {Key: "$db", Value: "d"}},
		bson.D{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "$**", Value: 1}}}, {Key: "name", Value: "n"}}}}, {Key: "$db", Value: "d"}},
		bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{nested}}, {Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}}}, {Key: "txnNumber", Value: int64(1)}, {Key: "$db", Value: "d"}},
		bson.D{{Key: "bulkWrite", Value: 1}, {Key: "nsInfo", Value: bson.A{bson.D{{Key: "ns", Value: "d.c"}}}}, {Key: "$db", Value: "admin"}, {Key: "ops", Value: bson.A{
			bson.D{{Key: "update", Value: 0}, {Key: "filter", Value: nested}, {Key: "updateMods", Value: pipeline}},
			bson.D{{Key: "delete", Value: 0}, {Key: "filter", Value: bson.D{}}, {Key: "multi", Value: true}},
		}}},
	)
}

// FuzzBulkReply reads replies as the engine never makes them.
func FuzzBulkReply(f *testing.F) {
	reply := bsoncore.NewDocumentBuilder().AppendInt32("n", 1).AppendArray("upserted", bsoncore.NewArrayBuilder().
		AppendDocument(bsoncore.NewDocumentBuilder().AppendInt32("index", 0).AppendString("_id", "x").Build()).Build()).Build()
	f.Add(append(slices.Clone([]byte(reply)), reply...), true)
	f.Fuzz(func(_ *testing.T, replies []byte, ordered bool) {
		calls := []bulkCall{{kind: "insert", count: 2}, {kind: "update", first: 2, count: 1}, {kind: "delete", first: 3, count: 1}}
		b := bulkResult{ordered: ordered}
		if err := b.read(calls, replies); err == nil {
			_ = b.document()
		}
	})
}
