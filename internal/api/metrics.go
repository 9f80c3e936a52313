package api

import (
	"net/http"
	"net/netip"

	"tine/internal/fleet"
	"tine/internal/store"
)

// serveMetrics lets who has a token or the credentials see the metrics: Prometheus can send either, and what a cluster does is nobody
// else's business.
func (s *server) serveMetrics(metrics http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", http.MethodGet)
			s.fail(w, r, &statusError{http.StatusMethodNotAllowed, "the method must be GET for this path; got " + r.Method})
			return
		}
		if err := s.admitToMetrics(w, r); err != nil {
			s.fail(w, r, err)
			return
		}
		metrics.ServeHTTP(w, r)
	})
}

func (s *server) admitToMetrics(w http.ResponseWriter, r *http.Request) error {
	username, password, basic := r.BasicAuth()
	if !basic {
		return s.admit(w, r, store.ScopeDatabaseRead)
	}
	// Each address has its own number of attempts: nobody can use up another's.
	if err := s.limits.spend(w.Header(), store.Token{ID: "metrics from " + network(remoteHost(r))}); err != nil {
		return err
	}
	allowed, err := s.fleet.MayReadMetrics(r.Context(), fleet.MetricsCredentials{Username: username, Password: password})
	if err != nil {
		return err
	}
	if !allowed {
		w.Header().Set("WWW-Authenticate", `Basic realm="tine metrics"`)
		return &statusError{http.StatusUnauthorized, "Unable to authenticate you."}
	}
	return nil
}

// network is an address, or of an IPv6 address the /64, which one client has as a whole.
func network(host string) string {
	const bits = 64
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Is6() || addr.Is4In6() {
		return host
	}
	block, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return host
	}
	return block.String()
}

type basicAuth struct {
	Username string `json:"basic_auth_username"`
	Password string `json:"basic_auth_password"`
}

// metricsCredentials has the credentials where godo and PyDo's documents look for them, and once more below, where the specification has them.
type metricsCredentials struct {
	basicAuth
	Credentials basicAuth `json:"credentials"`
}

func (s *server) getMetricsCredentials(r *http.Request) (response, error) {
	if !seesKeys(r) {
		return response{}, &statusError{http.StatusForbidden, "You are missing the required permission " + store.ScopeViewCredentials + "."}
	}
	c, err := s.fleet.MetricsCredentials(r.Context())
	if err != nil {
		return response{}, err
	}
	return ok(map[string]any{"credentials": metricsCredentials{basicAuth(c), basicAuth(c)}})
}

func (s *server) updateMetricsCredentials(r *http.Request) (response, error) {
	var body struct {
		Credentials basicAuth `json:"credentials"`
	}
	if err := decode(r, &body); err != nil {
		return response{}, err
	}
	if err := s.fleet.SetMetricsCredentials(r.Context(), fleet.MetricsCredentials(body.Credentials)); err != nil {
		return response{}, err
	}
	return noContent()
}
