package gateway

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// keep is a write that succeeds with a reply.
func keep(calls *int, reply string) func() (bsoncore.Document, bool, error) {
	return func() (bsoncore.Document, bool, error) { *calls++; return bsoncore.Document(reply), true, nil }
}

func TestRepeatedWriteGetsTheFirstReply(t *testing.T) {
	t.Parallel()
	r := newReplies(10, 1<<20)
	calls := 0
	for range 3 {
		reply, err := r.once(t.Context(), "u", []byte("s"), 1, keep(&calls, "first"))
		if err != nil || string(reply) != "first" {
			t.Fatalf("reply %q, %v", reply, err)
		}
	}
	if calls != 1 {
		t.Errorf("the write ran %d times", calls)
	}
	for name, again := range map[string]func() (bsoncore.Document, error){
		"another user":    func() (bsoncore.Document, error) { return r.once(t.Context(), "v", []byte("s"), 1, keep(&calls, "")) },
		"another session": func() (bsoncore.Document, error) { return r.once(t.Context(), "u", []byte("t"), 1, keep(&calls, "")) },
		"a later number":  func() (bsoncore.Document, error) { return r.once(t.Context(), "u", []byte("s"), 2, keep(&calls, "")) },
	} {
		before := calls
		if _, err := again(); err != nil || calls != before+1 {
			t.Errorf("%s did not run, %v", name, err)
		}
	}
	if _, err := r.once(t.Context(), "u", []byte("s"), 1, keep(&calls, "")); err == nil {
		t.Error("an earlier number runs")
	}
}

func TestFailedWriteRunsAgain(t *testing.T) {
	t.Parallel()
	r := newReplies(10, 1<<20)
	failure := errors.New("nothing was written")
	_, err := r.once(t.Context(), "u", nil, 1, func() (bsoncore.Document, bool, error) { return nil, false, failure })
	if !errors.Is(err, failure) {
		t.Fatal(err)
	}
	calls := 0
	if _, err := r.once(t.Context(), "u", nil, 1, keep(&calls, "x")); err != nil || calls != 1 {
		t.Errorf("the repetition ran %d times, %v", calls, err)
	}
	unknown := errors.New("may have been written")
	_, _ = r.once(t.Context(), "u", nil, 2, func() (bsoncore.Document, bool, error) { return nil, true, unknown })
	if _, err := r.once(t.Context(), "u", nil, 2, keep(&calls, "x")); !errors.Is(err, unknown) || calls != 1 {
		t.Errorf("a write of unknown outcome ran again: %v", err)
	}
}

func TestRepetitionWaitsForItsOriginal(t *testing.T) {
	t.Parallel()
	r := newReplies(10, 1<<20)
	running, finish := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = r.once(context.WithoutCancel(t.Context()), "u", nil, 1, func() (bsoncore.Document, bool, error) {
			close(running)
			<-finish
			return bsoncore.Document("original"), true, nil
		})
	}()
	<-running
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	calls := 0
	if _, err := r.once(gone, "u", nil, 1, keep(&calls, "")); !errors.Is(err, context.Canceled) {
		t.Errorf("a repetition does not stop waiting: %v", err)
	}
	close(finish)
	reply, err := r.once(t.Context(), "u", nil, 1, keep(&calls, ""))
	if err != nil || string(reply) != "original" || calls != 0 {
		t.Errorf("the repetition got %q, %v and ran %d times", reply, err, calls)
	}
}

func TestRepliesAreBounded(t *testing.T) {
	t.Parallel()
	r := newReplies(100, 1<<20)
	calls := 0
	for i := range 1000 {
		_, _ = r.once(t.Context(), "u", []byte(strconv.Itoa(i)), 1, keep(&calls, "x"))
	}
	if n := len(r.mu.bySession); n != 100 || r.mu.recent.Len() != 100 {
		t.Errorf("%d sessions are kept", n)
	}
	big := string(make([]byte, 1<<19))
	for i := range 10 {
		_, _ = r.once(t.Context(), "v", []byte(strconv.Itoa(i)), 1, keep(&calls, big))
	}
	if r.mu.bytes > 1<<20 {
		t.Errorf("%d bytes are kept", r.mu.bytes)
	}
	r.forget("v", [][]byte{[]byte("9")})
	for e := r.mu.recent.Front(); e != nil; e = e.Next() {
		if w, _ := e.Value.(*written); w.session == "v\x009" {
			t.Error("an ended session is kept")
		}
	}
	sum := 0
	for e := r.mu.recent.Front(); e != nil; e = e.Next() {
		w, _ := e.Value.(*written)
		sum += w.size
	}
	if sum != r.mu.bytes {
		t.Errorf("%d bytes are accounted for, %d are kept", r.mu.bytes, sum)
	}
}
