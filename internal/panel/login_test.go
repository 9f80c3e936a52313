package panel_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tine/internal/store"
)

func TestWithoutASessionEverythingLeadsToTheLogIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	database := "/databases/" + c.ID
	w := b.browser(t)
	for path, want := range map[string]string{
		"/":                   "/login",
		"/nothing":            "/login",
		"/databases?page=2":   "/login?next=%2Fdatabases",
		"/databases/new":      "/login?next=%2Fdatabases%2Fnew",
		"/billing":            "/login?next=%2Fbilling",
		database:              "/login?next=" + url.QueryEscape(database),
		database + "/fork":    "/login?next=" + url.QueryEscape(database+"/fork"),
		database + "/destroy": "/login?next=" + url.QueryEscape(database+"/destroy"),
	} {
		w.get(t, path).wantRedirect(t, want)
	}
	b.wantUntouched(t, func() {
		w.get(t, "/login")
		w.post(t, "/databases/new", "name", "mine", "size", "db-s-1vcpu-1gb", "region", "nyc1").wantRedirect(t, "/login")
		w.post(t, database+"/fork", "name", "mine", "state", "latest").wantRedirect(t, "/login")
		w.post(t, database+"/destroy", "name", "backend").wantRedirect(t, "/login")
		w.post(t, "/logout").wantRedirect(t, "/login")
	})
}

// A script that asks for a part of a page must not get the log-in in its place.
func TestAPartOfAPageWithoutASessionLeadsTheBrowserToTheLogIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.browser(t)
	a := w.do(t, http.MethodGet, "/databases?q=x", "", "HX-Request", "true", "HX-Target", "clusters")
	if a.status != http.StatusUnauthorized || a.header.Get("HX-Redirect") != "/login" || a.body != "" {
		t.Errorf("answer %d, %q, %q", a.status, a.header.Get("HX-Redirect"), a.body)
	}
}

func TestLogInAndOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, _, err := b.store.CreateToken(t.Context(), "ops", nil, store.ScopeRead)
	if err != nil {
		t.Fatal(err)
	}
	w := b.browser(t)
	w.get(t, "/login").want(t, http.StatusOK, "API token")

	wrong := w.post(t, "/login", "token", "tine_v1_nobody-has-this")
	wrong.want(t, http.StatusUnauthorized, "Unknown token.")
	wrong.wantWithout(t, "nobody-has-this")

	in := w.post(t, "/login", "token", " "+secret+"\n", "next", "/databases/new")
	in.wantRedirect(t, "/databases/new")
	for _, attribute := range []string{"tine_session=", "HttpOnly", "SameSite=Strict", "Path=/"} {
		if cookie := in.header.Values("Set-Cookie")[0]; !strings.Contains(cookie, attribute) || strings.Contains(cookie, secret) {
			t.Errorf("cookie %q, want %s in it and no secret", cookie, attribute)
		}
	}
	w.get(t, "/").wantRedirect(t, "/databases")
	w.get(t, "/login").wantRedirect(t, "/databases")
	w.get(t, "/databases").want(t, http.StatusOK, "ops", "(read)", "Log out")

	old := *w
	oldCookies := w.client.Jar.Cookies(mustParse(t, b.server.URL))
	w.post(t, "/logout").wantRedirect(t, "/login")
	w.get(t, "/databases").wantRedirect(t, "/login?next=%2Fdatabases")
	old.client.Jar.SetCookies(mustParse(t, b.server.URL), oldCookies)
	old.get(t, "/databases").wantRedirect(t, "/login?next=%2Fdatabases")

	if text := b.log.String(); strings.Contains(text, secret) || strings.Contains(text, "nobody-has-this") {
		t.Errorf("the log has a secret:\n%s", text)
	}
}

func TestALogInLeadsToPagesOfOursOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret, _, err := b.store.CreateToken(t.Context(), "ops", nil, store.ScopeRead)
	if err != nil {
		t.Fatal(err)
	}
	for _, next := range []string{"//evil.example", "https://evil.example/databases", `/\evil.example`, "/databases//evil.example", "/databases/..", "/logout", ""} {
		w := b.browser(t)
		w.get(t, "/login?next="+url.QueryEscape(next)).wantWithout(t, "evil.example")
		w.post(t, "/login", "token", secret, "next", next).wantRedirect(t, "/databases")
	}
}

func TestCookiesAreForThisHostAndTLSAloneUnderTLS(t *testing.T) {
	t.Parallel()
	b := setupWith(t, httptest.NewTLSServer)
	secret, _, err := b.store.CreateToken(t.Context(), "ops", nil, store.ScopeRead)
	if err != nil {
		t.Fatal(err)
	}
	w := b.browser(t)
	for _, a := range []answer{w.get(t, "/login"), w.post(t, "/login", "token", secret)} {
		cookie := a.header.Get("Set-Cookie")
		if !strings.HasPrefix(cookie, "__Host-tine_") || !strings.Contains(cookie, "Secure") {
			t.Errorf("cookie %q", cookie)
		}
	}
	w.get(t, "/databases").want(t, http.StatusOK)
}

func TestASessionEndsWithItsToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.loggedIn(t, store.ScopeWrite)
	tokens, err := b.store.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.store.RevokeToken(t.Context(), tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	b.wantUntouched(t, func() {
		w.post(t, "/databases/new", "name", "mine", "size", "db-s-1vcpu-1gb", "region", "nyc1").wantRedirect(t, "/login")
	})
	w.get(t, "/databases").wantRedirect(t, "/login?next=%2Fdatabases")
}

func TestASessionEndsWhenItsTokensSecretIsReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.loggedIn(t, store.ScopeWrite)
	if _, err := b.store.EnsureToken(t.Context(), store.ScopeWrite, store.ScopeWrite, store.NewSecret()); err != nil {
		t.Fatal(err)
	}
	w.get(t, "/databases").wantRedirect(t, "/login?next=%2Fdatabases")
}

func TestASessionEndsAfterTwelveHours(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.loggedIn(t, store.ScopeRead)
	b.clock.Advance(12*time.Hour - time.Second)
	w.get(t, "/databases").want(t, http.StatusOK)
	b.clock.Advance(time.Second)
	w.get(t, "/databases").wantRedirect(t, "/login?next=%2Fdatabases")
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
