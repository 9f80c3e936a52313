package api

import (
	"net/http"
	"time"
)

// putExpiry is ours: it changes when a cluster is destroyed by itself.
func (s *server) putExpiry(r *http.Request) (response, error) {
	received := s.clock()
	var body struct {
		InSeconds *int64  `json:"expires_in_seconds"`
		At        *string `json:"expires_at"`
	}
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	var at *time.Time
	switch {
	case body.InSeconds != nil && body.At != nil:
		return response{}, &statusError{http.StatusUnprocessableEntity, "expires_in_seconds and expires_at must not both be given"}
	case body.InSeconds != nil:
		at = new(received.Add(secondsOf(*body.InSeconds)))
	case body.At != nil:
		moment, err := parseTime("expires_at", *body.At)
		if err != nil {
			return response{}, err
		}
		at = &moment
	}
	if err := s.fleet.SetExpiry(r.Context(), r.PathValue("id"), at); err != nil {
		return response{}, err
	}
	return ok(map[string]*string{"expires_at": secondsOrNull(at)})
}
