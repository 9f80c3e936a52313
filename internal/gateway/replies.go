package gateway

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

const (
	// maxSessions is how many sessions' replies a cluster remembers.
	maxSessions = 20_000
	// maxReplyBytes is how much memory they may take; findAndModify returns documents.
	maxReplyBytes = 32 << 20
	// replyOverhead is what an entry costs besides its reply.
	replyOverhead = 256
)

// replies remembers, for each session, the reply to its latest numbered write, so that a driver that repeats a write because
// the connection broke gets the reply and not a second write. Sessions that wrote longest ago are forgotten first.
type replies struct {
	maxSessions int
	maxBytes    int

	replayed atomic.Int64 // writes that were answered from here

	mu struct {
		sync.Mutex
		bySession map[string]*list.Element // of *written
		recent    *list.List               // latest first
		bytes     int
	}
}

// written is a session's latest numbered write. reply and err are set when done is closed.
type written struct {
	session string
	number  int64
	done    chan struct{}
	size    int

	reply bsoncore.Document
	err   error
	kept  bool
}

func newReplies(maxSessions, maxBytes int) *replies {
	r := &replies{maxSessions: maxSessions, maxBytes: maxBytes}
	r.mu.bySession = map[string]*list.Element{}
	r.mu.recent = list.New()
	return r
}

// once runs a write, unless the session's write of that number has run: then it returns that one's reply, waiting for it
// if need be. run returns its reply or error and whether a repetition must get the same; it must if something was, or may have
// been, written.
func (r *replies) once(
	ctx context.Context, user string, session []byte, number int64, run func() (bsoncore.Document, bool, error),
) (bsoncore.Document, error) {
	key := user + "\x00" + string(session)
	for {
		w, mine, err := r.claim(key, number)
		if err != nil {
			return nil, err
		}
		if mine {
			return r.fill(w, run)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-w.done:
		}
		if w.kept {
			r.replayed.Add(1)
			return w.reply, w.err
		}
	}
}

// claim returns the entry for a write, and whether the caller is the one to run it.
func (r *replies) claim(key string, number int64) (*written, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.mu.bySession[key]; e != nil {
		w := e.Value.(*written) //nolint:errcheck // the list holds nothing else
		if w.number == number {
			r.mu.recent.MoveToFront(e)
			return w, false, nil
		}
		if w.number > number {
			return nil, false, mongoerr.New(mongoerr.TransactionTooOld,
				"txnNumber %d is less than the latest txnNumber %d of this session", number, w.number)
		}
		r.dropLocked(e)
	}
	w := &written{session: key, number: number, done: make(chan struct{}), size: len(key) + replyOverhead}
	r.mu.bySession[key] = r.mu.recent.PushFront(w)
	r.mu.bytes += w.size
	r.shrinkLocked()
	return w, true, nil
}

// fill runs the write and wakes those who wait for its reply. It does so also when run panics.
func (r *replies) fill(w *written, run func() (bsoncore.Document, bool, error)) (bsoncore.Document, error) {
	defer func() {
		r.settle(w)
		close(w.done)
	}()
	w.reply, w.kept, w.err = run()
	return w.reply, w.err
}

// settle accounts for the reply, or forgets the write if it did not happen.
func (r *replies) settle(w *written) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.mu.bySession[w.session]
	if e == nil || e.Value != w {
		return // a newer write has taken its place
	}
	if !w.kept {
		r.dropLocked(e)
		return
	}
	w.size += len(w.reply)
	r.mu.bytes += len(w.reply)
	r.shrinkLocked()
}

// forget drops the sessions that a client has ended.
func (r *replies) forget(user string, sessions [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range sessions {
		if e := r.mu.bySession[user+"\x00"+string(s)]; e != nil {
			r.dropLocked(e)
		}
	}
}

// shrinkLocked keeps to the limits. The latest entry stays whatever it takes.
func (r *replies) shrinkLocked() {
	for r.mu.recent.Len() > 1 && (r.mu.recent.Len() > r.maxSessions || r.mu.bytes > r.maxBytes) {
		r.dropLocked(r.mu.recent.Back())
	}
}

func (r *replies) dropLocked(e *list.Element) {
	w := r.mu.recent.Remove(e).(*written) //nolint:errcheck // the list holds nothing else
	delete(r.mu.bySession, w.session)
	r.mu.bytes -= w.size
}
