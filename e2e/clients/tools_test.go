package clients

import (
	"fmt"
	"reflect"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// What MongoDB's tools 100.x send, as captured from them; they are no packages of Debian's, npm's or Go's. Their users see a failure
// as a dump that cannot be restored.

// command sends a command, given as extended JSON, and returns the answer.
func command(t *testing.T, db *mongo.Database, text string) (bson.M, error) {
	t.Helper()
	var doc bson.D
	fatal(t, "read "+text, bson.UnmarshalExtJSON([]byte(text), false, &doc))
	var answer bson.M
	err := db.RunCommand(t.Context(), doc).Decode(&answer)
	return answer, err
}

// mustCommand is command for a command that must succeed.
func mustCommand(t *testing.T, db *mongo.Database, text string) bson.M {
	t.Helper()
	answer, err := command(t, db, text)
	fatal(t, text, err)
	return answer
}

// firstBatch is the first batch of an answer with a cursor.
func firstBatch(t *testing.T, answer bson.M) []bson.D {
	t.Helper()
	cursor, _ := answer["cursor"].(bson.D)
	for _, e := range cursor {
		if list, ok := e.Value.(bson.A); ok && e.Key == "firstBatch" {
			docs := make([]bson.D, len(list))
			for i := range list {
				docs[i], _ = list[i].(bson.D)
			}
			return docs
		}
	}
	t.Fatalf("the answer has no first batch: %v", answer)
	return nil
}

// greet is what each tool begins with.
func greet(t *testing.T, admin *mongo.Database) {
	t.Helper()
	mustCommand(t, admin, `{"ping": 1}`)
	mustCommand(t, admin, `{"ismaster": 1}`)
	_, err := command(t, admin, `{"atlasVersion": 1}`)
	wantCode(t, err, 59)
	mustCommand(t, admin, `{"buildInfo": 1}`)
}

// indexes are of every kind that a dump may hold.
const indexes = `[
	{"key": {"n": 1}, "name": "by_n", "ns": "restored.c", "v": 2},
	{"key": {"s": 1}, "name": "s_1", "unique": true, "ns": "restored.c"},
	{"key": {"d": 1}, "name": "d_1", "expireAfterSeconds": 999999999, "ns": "restored.c"},
	{"key": {"_fts": "text", "_ftsx": 1}, "name": "t_text", "weights": {"t": 1.0}, "textIndexVersion": 2, "default_language": "english", "language_override": "language", "ns": "restored.c"},
	{"key": {"g": "2dsphere"}, "2dsphereIndexVersion": 3, "name": "g_2dsphere", "ns": "restored.c"},
	{"key": {"p": 1}, "name": "p_1", "partialFilterExpression": {"n": {"$gt": 3}}, "ns": "restored.c"},
	{"key": {"x": 1}, "name": "x_1", "sparse": true, "ns": "restored.c"},
	{"key": {"h": "hashed"}, "name": "h_hashed", "ns": "restored.c"}
]`

// restore sends what mongorestore does.
func restore(t *testing.T, db *mongo.Database) {
	t.Helper()
	greet(t, db.Client().Database("admin"))
	for _, c := range firstBatch(t, mustCommand(t, db, `{"listCollections": 1, "filter": {}, "cursor": {}}`)) {
		mustCommand(t, db, fmt.Sprintf(`{"drop": "%s", "writeConcern": {"w": "majority"}}`, c[0].Value))
	}
	mustCommand(t, db, `{"create": "c", "idIndex": {"key": {"_id": 1}, "ns": "restored.c", "name": "_id_"}}`)
	mustCommand(t, db, `{"create": "val", "validator": {"$jsonSchema": {"bsonType": "object", "required": ["a"]}}, "validationLevel": "strict", "validationAction": "error",
		"idIndex": {"key": {"_id": 1}, "ns": "restored.val", "name": "_id_"}}`)
	mustCommand(t, db, `{"create": "v", "viewOn": "c", "pipeline": [{"$match": {"n": 1}}]}`)
	mustCommand(t, db, `{"insert": "c", "ordered": false, "bypassEmptyTsReplacement": true, "writeConcern": {"w": "majority"}, "documents": [
		{"_id": 1, "n": 1, "s": "a", "ts": {"$timestamp": {"t": 1, "i": 1}}}, {"_id": 2, "n": 2, "s": "b"}]}`)
	mustCommand(t, db, `{"createIndexes": "c", "indexes": `+indexes+`}`)
}

// dump sends what mongodump does, and returns the collections and the indexes of c, by name.
func dump(t *testing.T, db *mongo.Database) (collections, indexes map[string]bson.D) {
	t.Helper()
	greet(t, db.Client().Database("admin"))
	byName := func(docs []bson.D) map[string]bson.D {
		found := map[string]bson.D{}
		for _, d := range docs {
			for _, e := range d {
				if name, ok := e.Value.(string); ok && e.Key == "name" {
					found[name] = d
				}
			}
		}
		return found
	}
	mustCommand(t, db.Client().Database("admin"), `{"listDatabases": 1, "nameOnly": true}`)
	collections = byName(firstBatch(t, mustCommand(t, db, `{"listCollections": 1, "filter": {}, "cursor": {}}`)))
	mustCommand(t, db, `{"listCollections": 1, "filter": {"name": "c"}, "cursor": {}}`)
	if n := mustCommand(t, db, `{"count": "c"}`)["n"]; fmt.Sprint(n) != "2" {
		t.Errorf("count says %v, want 2", n)
	}
	indexes = byName(firstBatch(t, mustCommand(t, db, `{"listIndexes": "c", "cursor": {}}`)))
	if docs := firstBatch(t, mustCommand(t, db, `{"find": "c", "filter": {}, "hint": {"$natural": 1}}`)); len(docs) != 2 {
		t.Errorf("the dump has %v", docs)
	}
	return collections, indexes
}

// What was dumped is restored, and dumped again the same.
func TestDumpAndRestore(t *testing.T) {
	t.Parallel()
	db := connect(t, newCluster(t, shared)).Database("restored")
	restore(t, db)
	firstCollections, firstIndexes := dump(t, db)
	if len(firstCollections) != 3 || len(firstIndexes) != 9 {
		t.Errorf("the dump has the collections %v and the indexes %v", firstCollections, firstIndexes)
	}
	restore(t, db)
	collections, indexes := dump(t, db)
	if !reflect.DeepEqual(firstIndexes, indexes) || len(collections) != len(firstCollections) {
		t.Errorf("after the second restore there are\n%v\n%v\nafter the first there were\n%v\n%v", collections, indexes, firstCollections, firstIndexes)
	}
	_, err := command(t, db, `{"insert": "val", "documents": [{"b": 1}]}`)
	wantCode(t, err, 121)
}

func TestTextIndexesOfVersion3AreRefused(t *testing.T) {
	t.Parallel()
	db := connect(t, newCluster(t, shared)).Database("restored")
	known(t, "text indexes of version 3", func() error {
		_, err := command(t, db, `{"createIndexes": "c", "indexes": [
			{"v": 2, "key": {"_fts": "text", "_ftsx": 1}, "name": "t_text", "weights": {"t": 1}, "default_language": "english", "language_override": "language", "textIndexVersion": 3}]}`)
		return err
	})
}

// mongodump --oplog needs an oplog, and says so.
func TestDumpWithOplogIsRefused(t *testing.T) {
	t.Parallel()
	local := connect(t, newCluster(t, shared)).Database("local")
	known(t, "mongodump --oplog", func() error {
		return local.Collection("oplog.rs").FindOne(t.Context(), bson.D{}).Err()
	})
}

// mongoexport with a query, a sort and a limit; mongoimport in each of its modes.
func TestImportAndExport(t *testing.T) {
	t.Parallel()
	db := connect(t, newCluster(t, shared)).Database("imp")
	greet(t, db.Client().Database("admin"))
	mustCommand(t, db, `{"insert": "c", "ordered": true, "bypassEmptyTsReplacement": true, "writeConcern": {"w": "majority"}, "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 1}]}`)
	// --mode upsert, merge, delete
	mustCommand(t, db, `{"update": "c", "ordered": true, "bypassEmptyTsReplacement": true, "writeConcern": {"w": "majority"}, "updates": [
		{"q": {"_id": 2}, "u": {"_id": 2, "b": 2}, "upsert": true}, {"q": {"_id": 3}, "u": {"_id": 3, "b": 3}, "upsert": true}]}`)
	mustCommand(t, db, `{"update": "c", "ordered": true, "bypassEmptyTsReplacement": true, "writeConcern": {"w": "majority"}, "updates": [
		{"q": {"_id": 2}, "u": {"$set": {"c": 2}}, "upsert": true}]}`)
	mustCommand(t, db, `{"delete": "c", "ordered": true, "writeConcern": {"w": "majority"}, "deletes": [{"q": {"_id": 1}, "limit": 1}]}`)

	firstBatch(t, mustCommand(t, db, `{"listCollections": 1, "filter": {"name": "c"}, "cursor": {}}`))
	mustCommand(t, db, `{"count": "c", "query": {"_id": {"$gt": 0}}, "limit": 10}`)
	got := firstBatch(t, mustCommand(t, db, `{"find": "c", "filter": {"_id": {"$gt": 0}}, "sort": {"_id": -1}, "limit": 10, "projection": {"_id": 1, "b": 1, "c": 1}}`))
	want := []bson.D{
		{{Key: "_id", Value: int32(3)}, {Key: "b", Value: int32(3)}},
		{{Key: "_id", Value: int32(2)}, {Key: "b", Value: int32(2)}, {Key: "c", Value: int32(2)}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("exported %v, want %v", got, want)
	}
}
