package api_test

import (
	"io"
	"net/http"
	"testing"

	"tine/internal/api"
)

func TestMetricsNeedAToken(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) {
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") })
	})
	if a := b.do(t, http.MethodGet, "/metrics", "", "Authorization", ""); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.status)
	}
	if a := b.do(t, http.MethodPost, "/metrics", ""); a.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", a.status)
	}
	if a := b.do(t, http.MethodGet, "/metrics", ""); a.status != http.StatusOK || a.body != "up 1\n" {
		t.Errorf("with a token: %d %q", a.status, a.body)
	}
}
