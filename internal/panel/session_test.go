package panel

import (
	"crypto/rand"
	"testing"
	"time"
)

func TestSessionsAreBoundedAndTheOldestGoFirst(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 8, 10, 12, 0, 0, 0, time.UTC)
	s := newSessions(rand.Reader, func() time.Time { return now })
	var made []session
	for range mostSessions + 1 {
		one, err := s.begin("secret")
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, one)
		now = now.Add(time.Second)
	}
	if _, ok := s.find(made[0].id); ok || len(s.mu.byID) != mostSessions {
		t.Errorf("%d sessions, the first still there: %t", len(s.mu.byID), ok)
	}
	if _, ok := s.find(made[1].id); !ok {
		t.Error("the second session is gone, too")
	}
	now = now.Add(sessionLength)
	if _, err := s.begin("secret"); err != nil {
		t.Fatal(err)
	}
	if len(s.mu.byID) != 1 {
		t.Errorf("%d sessions, want the new one alone: all others have ended", len(s.mu.byID))
	}
}
