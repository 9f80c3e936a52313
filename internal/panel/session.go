package panel

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	sessionLength = 12 * time.Hour
	// mostSessions bounds what a token's holder can make this process keep: beyond it the session that ends first is ended.
	mostSessions = 4096
)

// session is a browser that has logged in. It keeps the token's secret and not what the token allows: each request asks again,
// and only the secret tells a token from its replacement.
type session struct {
	id, csrf string
	secret   string
	ends     time.Time
}

// sessions holds the sessions of this process. Its methods may be called from any number of goroutines.
type sessions struct {
	random io.Reader
	clock  func() time.Time

	mu struct {
		sync.Mutex
		byID map[string]session
	}
}

func newSessions(random io.Reader, clock func() time.Time) *sessions {
	s := &sessions{random: random, clock: clock}
	s.mu.byID = map[string]session{}
	return s
}

// begin makes a session for a token's secret. Its id is always a new one: an id that was known before the log-in opens nothing.
func (s *sessions) begin(secret string) (session, error) {
	id, err := nonce(s.random)
	if err != nil {
		return session{}, err
	}
	csrf, err := nonce(s.random)
	if err != nil {
		return session{}, err
	}
	now := s.clock()
	made := session{id: id, csrf: csrf, secret: secret, ends: now.Add(sessionLength)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoomLocked(now)
	s.mu.byID[id] = made
	return made, nil
}

// find returns a session that has not ended.
func (s *sessions) find(id string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.mu.byID[id]
	return found, ok && s.clock().Before(found.ends)
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.byID, id)
}

func (s *sessions) makeRoomLocked(now time.Time) {
	var first session
	for id, one := range s.mu.byID {
		if !now.Before(one.ends) {
			delete(s.mu.byID, id)
		} else if first.id == "" || one.ends.Before(first.ends) {
			first = one
		}
	}
	if len(s.mu.byID) >= mostSessions {
		delete(s.mu.byID, first.id)
	}
}

// nonce is a text that cannot be guessed.
func nonce(random io.Reader) (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make random id: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// The names of our cookies. Under TLS they have the prefix by which browsers accept them from this very host only.
const (
	sessionCookie = "tine_session"
	loginCookie   = "tine_login"
)

func cookieName(r *http.Request, name string) string {
	if r.TLS != nil {
		return "__Host-" + name
	}
	return name
}

func cookieValue(r *http.Request, name string) string {
	cookie, err := r.Cookie(cookieName(r, name))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// setCookie sets a cookie that ends with the browser; an empty value removes it.
func setCookie(w http.ResponseWriter, r *http.Request, name, value string) {
	cookie := &http.Cookie{
		Name: cookieName(r, name), Value: value, Path: "/",
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}
