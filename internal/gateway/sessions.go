package gateway

import (
	"context"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"tine/internal/gateway/mongoerr"
)

const (
	// sessionIdle is how long it does live: a little longer, so that a client which uses one at the last moment still has it.
	sessionIdle = (sessionMinutes + 1) * time.Minute
	// maxSessions is how many sessions a cluster remembers. A session without a transaction takes some 200 bytes.
	maxSessions = 100_000
)

// sessionKey names a session. Two users who send the same id have two sessions.
type sessionKey struct {
	user string
	id   [16]byte
}

// session is what is known of a client's logical session.
type session struct {
	key sessionKey

	// turn is held, by an element in it, by the one numbered command that runs in the session. It guards number and txn.
	turn   chan struct{}
	number int64        // the highest txnNumber that was seen; 0 before the first
	txn    *transaction // of that number; nil if number is a retryable write's

	// The registry's lock guards what follows.
	lastUse time.Time
	uses    int  // commands that run in it
	ended   bool // no longer in the registry
}

// take waits for the session's turn.
func (s *session) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *session) give() { <-s.turn }

// sessions are the sessions of a cluster. They are in memory alone; what must outlive the gateway of them, the latest
// numbered write of each, is in the cluster's data: see once.go.
type sessions struct {
	clock func() time.Time
	limit int

	mu struct {
		sync.Mutex
		known map[sessionKey]*session
	}
}

func newSessions(clock func() time.Time, limit int) *sessions {
	s := &sessions{clock: clock, limit: limit}
	s.mu.known = map[sessionKey]*session{}
	return s
}

// use finds or makes a session for a command, until done.
func (s *sessions) use(key sessionKey) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.mu.known[key]
	if found == nil {
		if len(s.mu.known) >= s.limit {
			return nil, mongoerr.New(mongoerr.TooManyLogicalSessions,
				"the cluster has %d sessions, which is as many as it may; end some", s.limit)
		}
		found = &session{key: key, turn: make(chan struct{}, 1)}
		s.mu.known[key] = found
	}
	found.uses++
	found.lastUse = s.clock()
	return found, nil
}

// done is the end of a command's use of a session.
func (s *sessions) done(used *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used.uses--
	used.lastUse = s.clock()
}

// end takes the sessions for which which says so out of the registry and returns them. Commands that run in them go on.
func (s *sessions) end(which func(*session) bool) []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ended []*session
	for key, known := range s.mu.known {
		if which(known) {
			known.ended = true
			delete(s.mu.known, key)
			ended = append(ended, known)
		}
	}
	return ended
}

// endNamed is end for the sessions of these names. It does not look at the others.
func (s *sessions) endNamed(keys []sessionKey) []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ended []*session
	for _, key := range keys {
		if known := s.mu.known[key]; known != nil {
			known.ended = true
			delete(s.mu.known, key)
			ended = append(ended, known)
		}
	}
	return ended
}

// expire ends the sessions that nobody has used for long.
func (s *sessions) expire() []*session {
	oldest := s.clock().Add(-sessionIdle)
	return s.end(func(known *session) bool { return known.uses == 0 && known.lastUse.Before(oldest) })
}

// uuidSubtype is the kind of binary value that a UUID is.
const uuidSubtype = 0x04

// parseSession reads an lsid: {id: UUID}, with more in it that is for servers among themselves.
func parseSession(v bsoncore.Value) (id [16]byte, err error) {
	if v.Type != bsoncore.TypeEmbeddedDocument {
		return id, mongoerr.New(mongoerr.TypeMismatch, "lsid must be a document with the session's UUID")
	}
	value, err := lookup(v.Data, "id")
	if err != nil {
		return id, err
	}
	subtype, data, ok := value.BinaryOK()
	if !ok || subtype != uuidSubtype || len(data) != len(id) {
		return id, mongoerr.New(mongoerr.InvalidOptions, "lsid.id must be a UUID")
	}
	if _, err := v.Document().LookupErr("uid"); err == nil { // whose session it is follows from who has logged in
		return id, mongoerr.New(mongoerr.Unauthorized, "Unauthorized to set user digest in LogicalSessionId")
	}
	return [16]byte(data), nil
}
