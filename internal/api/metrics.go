package api

import (
	"net/http"

	"tine/internal/store"
)

// serveMetrics lets who has a token see the metrics: Prometheus can send one, and what a cluster does is nobody else's business.
func (s *server) serveMetrics(metrics http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", http.MethodGet)
			s.fail(w, r, &statusError{http.StatusMethodNotAllowed, "the method must be GET for this path; got " + r.Method})
			return
		}
		if err := s.admit(w, r, store.ScopeDatabaseRead); err != nil {
			s.fail(w, r, err)
			return
		}
		metrics.ServeHTTP(w, r)
	})
}
