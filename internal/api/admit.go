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
	infoOf(r).token = token
	if err := s.limits.spend(w.Header(), token); err != nil {
		return err
	}
	if !token.Allows(scope) {
		return &statusError{http.StatusForbidden, "You are missing the required permission " + scope + "."}
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
