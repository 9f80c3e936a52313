package api

import (
	"net/http"
)

// putTTL is ours: it says whether TTL indexes delete anything.
func (s *server) putTTL(r *http.Request) (response, error) {
	var body struct {
		Enabled *bool `json:"enabled"`
	}
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	if body.Enabled == nil {
		return response{}, &statusError{http.StatusUnprocessableEntity, "enabled is missing: true or false"}
	}
	if err := s.fleet.SetTTL(r.Context(), r.PathValue("id"), *body.Enabled); err != nil {
		return response{}, err
	}
	return noContent()
}
