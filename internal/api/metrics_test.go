package api_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/digitalocean/godo"

	"tine/internal/api"
	"tine/internal/store"
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

func TestMetricsCredentials(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) {
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") })
		c.HourlyLimit, c.MinuteLimit = 100_000, 20
	})
	scrape := func(username, password string) int {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(username, password)
		return b.do(t, http.MethodGet, "/metrics", "", "Authorization", r.Header.Get("Authorization")).status
	}
	if got := scrape("metrics", ""); got != http.StatusUnauthorized {
		t.Errorf("before there are credentials: %d", got)
	}
	databases := b.godo(t, b.secret).Databases
	made, _, err := databases.GetMetricsCredentials(t.Context())
	if err != nil || made.BasicAuthUsername == "" || len(made.BasicAuthPassword) < 24 {
		t.Fatalf("made %+v, %v", made, err)
	}
	if again, _, err := databases.GetMetricsCredentials(t.Context()); err != nil || *again != *made {
		t.Errorf("again %+v, %v", again, err)
	}
	nested, _ := b.do(t, http.MethodGet, "/v2/databases/metrics/credentials", "").json(t)["credentials"].(map[string]any)
	if inner, _ := nested["credentials"].(map[string]any); inner["basic_auth_password"] != made.BasicAuthPassword {
		t.Errorf("the specification's shape is missing: %v", nested)
	}
	if got := scrape(made.BasicAuthUsername, made.BasicAuthPassword); got != http.StatusOK {
		t.Errorf("with the credentials: %d", got)
	}
	set := &godo.DatabaseUpdateMetricsCredentialsRequest{Credentials: &godo.DatabaseMetricsCredentials{
		BasicAuthUsername: "prom", BasicAuthPassword: "correct horse",
	}}
	if response, err := databases.UpdateMetricsCredentials(t.Context(), set); err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatal(response, err)
	}
	for credentials, want := range map[[2]string]int{
		{"prom", "correct horse"}: http.StatusOK, {"prom", "correct hors"}: http.StatusUnauthorized, {"", "correct horse"}: http.StatusUnauthorized,
		{made.BasicAuthUsername, made.BasicAuthPassword}: http.StatusUnauthorized,
	} {
		if got := scrape(credentials[0], credentials[1]); got != want {
			t.Errorf("%v: %d, want %d", credentials, got, want)
		}
	}
	for _, wrong := range []godo.DatabaseMetricsCredentials{{}, {BasicAuthUsername: "a:b", BasicAuthPassword: "12345678"}, {BasicAuthUsername: "a", BasicAuthPassword: "1234567"}} {
		_, err := databases.UpdateMetricsCredentials(t.Context(), &godo.DatabaseUpdateMetricsCredentialsRequest{Credentials: &wrong})
		if err == nil || !strings.Contains(err.Error(), "credentials.basic_auth_") {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	blind := b.token(t, store.ScopeDatabaseUpdate)
	_, _, err = b.godo(t, blind).Databases.GetMetricsCredentials(t.Context())
	wantGodoError(t, err, http.StatusForbidden, "You are missing the required permission database:view_credentials.")
	stored, err := b.store.MetricsCredentials(t.Context())
	if err != nil || strings.Contains(string(stored.Password), "correct horse") || strings.Contains(b.log.String(), "correct horse") {
		t.Errorf("the password is readable: %q, %v", stored.Password, err)
	}
	for range 20 {
		scrape("prom", "guess")
	}
	if got := scrape("prom", "guess"); got != http.StatusTooManyRequests {
		t.Errorf("after many guesses: %d", got)
	}
}
