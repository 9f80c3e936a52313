package api

import (
	"errors"
	"net/http"
	"strings"

	"tine/internal/store"
)

// admit lets a request pass that has a token, has not made too many requests, and may do what it asks for.
func (s *server) admit(w http.ResponseWriter, r *http.Request, scope string) error {
	if scope == "" {
		return nil
	}
	token, err := s.auth.Authenticate(r.Context(), bearer(r))
	if errors.Is(err, store.ErrUnauthorized) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tine"`)
		return &statusError{http.StatusUnauthorized, "Unable to authenticate you."}
	}
	if err != nil {
		return err
	}
	infoOf(r).token = token.Name
	if err := s.limits.spend(w.Header(), token); err != nil {
		return err
	}
	if !includes(token.Scope, scope) {
		return &statusError{http.StatusForbidden, "you are not authorized to do this: it needs a token with the scope " + scope + ", and yours has " + token.Scope}
	}
	return nil
}

// bearer is the secret that a request carries, or nothing.
func bearer(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

// includes says whether a token of scope has may do what needs scope needed.
func includes(has, needed string) bool {
	rank := map[string]int{store.ScopeRead: 1, store.ScopeWrite: 2, store.ScopeAdmin: 3}
	return rank[has] >= rank[needed]
}
