package gateway_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// lsid names a session.
func lsid(id byte) bson.E { return inSession(id, 0)[0] }

// openCursor leaves a sorted cursor open and returns its number. Its result is a file of the engine's.
func (c *rawConn) openCursor(tb testing.TB, coll *mongo.Collection, more ...bson.E) int64 {
	tb.Helper()
	command := bson.D{
		{Key: "find", Value: coll.Name()},
		{Key: "sort", Value: bson.D{{Key: "x", Value: 1}}},
		{Key: "batchSize", Value: 2},
		{Key: "$db", Value: coll.Database().Name()},
	}
	id, ok := c.command(tb, append(command, more...)).Lookup("cursor", "id").Int64OK()
	if !ok || id == 0 {
		tb.Fatal("no cursor was opened")
	}
	return id
}

func (c *rawConn) getMore(tb testing.TB, coll *mongo.Collection, id int64, more ...bson.E) bsoncore.Document {
	tb.Helper()
	command := bson.D{
		{Key: "getMore", Value: id},
		{Key: "collection", Value: coll.Name()},
		{Key: "batchSize", Value: 1},
		{Key: "$db", Value: coll.Database().Name()},
	}
	return c.command(tb, append(command, more...))
}

func wantReply(tb testing.TB, reply bsoncore.Document, code int32) {
	tb.Helper()
	if got, _ := reply.Lookup("code").Int32OK(); got != code {
		tb.Errorf("the reply is %s, want code %d", reply, code)
	}
}

// twenty is a collection with some documents.
func twenty(tb testing.TB, g *gw) *mongo.Collection {
	tb.Helper()
	coll := g.database(tb).Collection("c")
	docs := make([]any, 20)
	for i := range docs {
		docs[i] = byID(i)
	}
	must(coll.InsertMany(tb.Context(), docs))(tb)
	return coll
}

// cursorFiles is how many results the engine keeps in files.
func cursorFiles(tb testing.TB) (count int) {
	tb.Helper()
	row := superuser(tb).QueryRow(tb.Context(), "SELECT count(*) FROM pg_ls_dir('pg_documentdb_cursor_files')")
	if err := row.Scan(&count); err != nil {
		tb.Fatal(err)
	}
	return count
}

func TestCursorBelongsToItsSession(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	coll := twenty(t, g)
	c, d := g.login(t, "doadmin", password), g.login(t, "doadmin", password)
	id := c.openCursor(t, coll, lsid(1))
	wantReply(t, d.getMore(t, coll, id, lsid(2)), 50738)
	wantReply(t, d.getMore(t, coll, id), 50738)
	wantReply(t, d.getMore(t, coll, id, lsid(1)), 0)

	transaction := inSession(1, 1, bson.E{Key: "autocommit", Value: false}, bson.E{Key: "startTransaction", Value: true})
	wantReply(t, d.getMore(t, coll, id, transaction...), 43)
}

func TestEndOfASessionEndsWhatBelongsToIt(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	coll := twenty(t, g)
	c, d := g.login(t, "doadmin", password), g.login(t, "doadmin", password)
	for _, end := range []bson.D{
		{{Key: "endSessions", Value: bson.A{lsid(1).Value}}},
		{{Key: "killSessions", Value: bson.A{lsid(1).Value}}},
		{{Key: "killAllSessions", Value: bson.A{}}},
		{{Key: "killAllSessions", Value: bson.A{bson.D{{Key: "user", Value: "doadmin"}, {Key: "db", Value: "admin"}}}}},
		{{Key: "killAllSessionsByPattern", Value: bson.A{bson.D{{Key: "users", Value: bson.A{bson.D{{Key: "user", Value: "doadmin"}, {Key: "db", Value: "admin"}}}}}}}},
	} {
		cursor := c.openCursor(t, coll, lsid(1))
		fields := inSession(1, 1, bson.E{Key: "autocommit", Value: false}, bson.E{Key: "startTransaction", Value: true})
		update := bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{}}, {Key: "u", Value: inc(1)}}}}, {Key: "$db", Value: coll.Database().Name()}}
		wantReply(t, c.command(t, append(update, fields...)), 0)
		wantReply(t, d.command(t, append(end, bson.E{Key: "$db", Value: "admin"})), 0)
		wantReply(t, c.getMore(t, coll, cursor, lsid(1)), 43)
		must(coll.UpdateMany(t.Context(), bson.D{}, inc(10)))(t) // it would wait for the transaction
		if n := must(coll.CountDocuments(t.Context(), bson.D{{Key: "n", Value: bson.D{{Key: "$mod", Value: bson.A{10, 0}}}}}))(t); n != 20 {
			t.Errorf("after %s: %d documents are without the transaction's write, want all", end[0].Key, n)
		}
		if n := cursorFiles(t); n != 0 {
			t.Errorf("after %s: %d files are left", end[0].Key, n)
		}
	}
	other := bson.D{{Key: "killAllSessions", Value: bson.A{bson.D{{Key: "user", Value: "somebody"}, {Key: "db", Value: "admin"}}}}, {Key: "$db", Value: "admin"}}
	cursor := c.openCursor(t, coll, lsid(3))
	wantReply(t, d.command(t, other), 0)
	wantReply(t, c.getMore(t, coll, cursor, lsid(3)), 0)
}

// A driver reads a cursor over whichever of its connections is free.
func TestCursorEndsWithTheLastConnectionOfItsClient(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	coll := twenty(t, g)
	ok(t, coll.Database().Client().Disconnect(t.Context())) // its connections are those of the same client
	c, d := g.login(t, "doadmin", password), g.login(t, "doadmin", password)
	id := c.openCursor(t, coll, bson.E{Key: "noCursorTimeout", Value: true})
	ok(t, c.Close())
	wantReply(t, d.getMore(t, coll, id), 0)
	if n := cursorFiles(t); n != 1 {
		t.Errorf("the cursor has %d files", n)
	}
	ok(t, d.Close())
	for cursorFiles(t) != 0 {
		if t.Context().Err() != nil {
			t.Fatal("the file stays")
		}
	}
	e := g.login(t, "doadmin", password)
	wantReply(t, e.getMore(t, coll, id), 43)
}

func TestSessionsAreNamedByUUIDs(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	c := g.login(t, "doadmin", password)
	ping := func(lsid any) bsoncore.Document {
		return c.command(t, bson.D{{Key: "listDatabases", Value: 1}, {Key: "lsid", Value: lsid}, {Key: "$db", Value: "admin"}})
	}
	wantReply(t, ping(1), 14)
	wantReply(t, ping(bson.D{}), 72)
	wantReply(t, ping(bson.D{{Key: "id", Value: "x"}}), 72)
	wantReply(t, ping(bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte("short")}}}), 72)
	reply := c.command(t, bson.D{{Key: "startSession", Value: 1}, {Key: "$db", Value: "admin"}})
	id := reply.Lookup("id")
	made := bson.RawValue{Type: bson.Type(id.Type), Value: id.Data}
	wantReply(t, ping(made), 0)
	wantReply(t, c.command(t, bson.D{{Key: "refreshSessions", Value: bson.A{made}}, {Key: "$db", Value: "admin"}}), 0)
	wantReply(t, c.command(t, bson.D{{Key: "refreshSessions", Value: 1}, {Key: "$db", Value: "admin"}}), 14)
}
