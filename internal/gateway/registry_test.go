package gateway

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/internal/gateway/mongoerr"
)

func wantError(tb testing.TB, err error, code mongoerr.Code) {
	tb.Helper()
	var me *mongoerr.Error
	if !errors.As(err, &me) || me.Code != code {
		tb.Errorf("error is %v, want %v", err, code)
	}
}

func TestCursorExpiresWhenIdle(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	c := newCursors(func() time.Time { return now }, 10)
	for id := int64(1); id <= 2; id++ {
		if err := c.add(&cursor{id: id, user: "u", namespace: "d.c"}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(cursorIdle - time.Second)
	cur, err := c.take(1, "u", "d.c", sessionKey{})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * cursorIdle)
	c.expire()
	if c.count() != 1 {
		t.Errorf("%d cursors are open, want the busy one", c.count())
	}
	c.give(cur, []byte{1})
	if _, err := c.take(1, "u", "d.c", sessionKey{}); err != nil {
		t.Errorf("a cursor in use has expired: %v", err)
	}
	_, err = c.take(2, "u", "d.c", sessionKey{})
	wantError(t, err, mongoerr.CursorNotFound)
}

func TestCursorIsItsOwners(t *testing.T) {
	t.Parallel()
	c := newCursors(time.Now, 10)
	if err := c.add(&cursor{id: 1, user: "u", namespace: "d.c"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.take(1, "v", "d.c", sessionKey{})
	wantError(t, err, mongoerr.Unauthorized)
	_, err = c.take(1, "u", "d.e", sessionKey{})
	wantError(t, err, mongoerr.Unauthorized)
	if c.kill(1, "v", "d.c") || c.kill(1, "u", "d.e") {
		t.Error("somebody else killed the cursor")
	}
	if _, err := c.take(1, "u", "d.c", sessionKey{}); err != nil {
		t.Fatal(err)
	}
	_, err = c.take(1, "u", "d.c", sessionKey{})
	wantError(t, err, mongoerr.CursorInUse)
}

func TestCursorsAreLimited(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	c := newCursors(func() time.Time { return now }, 2)
	for id := int64(1); id <= 2; id++ {
		if err := c.add(&cursor{id: id}); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, c.add(&cursor{id: 3}), mongoerr.ExceededMemoryLimit)
	now = now.Add(cursorIdle)
	if expired := c.expire(); len(expired) != 2 {
		t.Errorf("%d cursors expired, want 2", len(expired))
	}
	if err := c.add(&cursor{id: 3}); err != nil {
		t.Errorf("idle cursors take the place of new ones: %v", err)
	}
}

func TestCursorKilledWhileItRunsStaysDead(t *testing.T) {
	t.Parallel()
	c := newCursors(time.Now, 2)
	if err := c.add(&cursor{id: 1, user: "u"}); err != nil {
		t.Fatal(err)
	}
	cur, err := c.take(1, "u", "", sessionKey{})
	if err != nil {
		t.Fatal(err)
	}
	if !c.kill(1, "u", "") {
		t.Error("a running cursor cannot be killed")
	}
	c.give(cur, []byte{1})
	if c.count() != 0 {
		t.Error("the cursor is back")
	}
}

func FuzzFields(f *testing.F) {
	f.Add([]byte{2, 'p', 0, 99, 0, 0, 0, 0})
	f.Add([]byte{3, 'a', 0, 5, 0, 0, 0, 0})
	f.Add([]byte{5, 'b', 0, 1, 0, 0, 0, 2, 0, 0, 0, 0})
	for _, command := range []bson.D{
		{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "a", Value: 1}}}}, {Key: "lsid", Value: bson.D{}}, {Key: "txnNumber", Value: int64(1)}, {Key: "$db", Value: "d"}},
		{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "$**", Value: 1}}}}}}, {Key: "$db", Value: "d"}},
		{{Key: "aggregate", Value: 1}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$merge", Value: bson.D{{Key: "into", Value: bson.D{{Key: "db", Value: "x"}}}}}}}}, {Key: "$db", Value: "d"}},
		{{Key: "n", Value: 1}, {Key: "$db", Value: "d"}, {Key: "writeErrors", Value: bson.A{bson.D{{Key: "code", Value: 319029277}, {Key: "errmsg", Value: "x"}}}}},
		{{Key: "raw", Value: bson.D{{Key: "defaultShard", Value: bson.D{{Key: "ok", Value: 1}}}}}, {Key: "$db", Value: "d"}},
		{{Key: "cursor", Value: bson.D{{Key: "firstBatch", Value: bson.A{bson.D{{Key: "storageEngine", Value: 1}}}}}}, {Key: "$db", Value: "d"}},
		{{Key: "saslStart", Value: 1}, {Key: "payload", Value: "bjs="}, {Key: "$db", Value: "d"}},
	} {
		doc, err := bson.Marshal(command)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc[4 : len(doc)-1])
	}
	f.Fuzz(func(t *testing.T, inside []byte) { // of a document, whose own length is right: else nothing gets further than that
		doc := append(binary.LittleEndian.AppendUint32(nil, uint32(len(inside)+5)), append(inside, 0)...)
		r := &request{document: doc}
		r.read()
		if r.invalid != nil {
			return
		}
		if _, err := fields(r.spec()); err != nil {
			t.Errorf("the spec of a readable command is not readable: %v", err)
		}
		_, _ = r.collection()
		_, _ = indexSpec(r)
		_, _ = payloadOf(r.fields)
		_, _ = needsOf(commandTable(), commandTable()[r.command], r)
		_, _ = decodeWriteErrors(doc)
		_, _ = flatten(doc)
		_, _ = withoutStorageEngine(doc)
	})
}

func TestSessionExpiresWhenIdle(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	s := newSessions(func() time.Time { return now }, 2)
	idle, err := s.use(sessionKey{user: "idle"})
	if err != nil {
		t.Fatal(err)
	}
	s.done(idle)
	if _, err := s.use(sessionKey{user: "busy"}); err != nil {
		t.Fatal(err)
	}
	_, err = s.use(sessionKey{user: "third"})
	wantError(t, err, mongoerr.TooManyLogicalSessions)
	now = now.Add(sessionMinutes * time.Minute)
	if ended := s.expire(); len(ended) != 0 {
		t.Errorf("%d sessions ended before their time", len(ended))
	}
	now = now.Add(2 * time.Minute)
	if ended := s.expire(); len(ended) != 1 || ended[0] != idle {
		t.Errorf("%d sessions ended, want the idle one", len(ended))
	}
	if _, err := s.use(sessionKey{user: "third"}); err != nil {
		t.Errorf("an ended session leaves no room: %v", err)
	}
}

func TestCursorWithoutTimeoutIsKept(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	c := newCursors(func() time.Time { return now }, 2)
	if err := c.add(&cursor{id: 1, noTimeout: true}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(3 * cursorIdle)
	if expired := c.expire(); len(expired) != 0 {
		t.Error("a cursor without a time-out has timed out")
	}
	if idle := c.longestIdle(); idle != 3*cursorIdle {
		t.Errorf("the cursor has been idle for %v", idle)
	}
}
