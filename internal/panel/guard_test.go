package panel_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"tine/internal/store"
)

// changes are the forms that change something, each filled in so that it would.
func changes(c store.Cluster) map[string]url.Values {
	database := "/databases/" + c.ID
	settings := database + "/settings"
	return map[string]url.Values{
		"/databases/new":              {"name": {"made"}, "size": {"db-s-1vcpu-1gb"}, "region": {"nyc1"}, "version": {"8"}},
		database + "/fork":            {"name": {"forked"}, "size": {"db-s-1vcpu-1gb"}, "state": {"latest"}},
		database + "/destroy":         {"name": {c.Name}},
		database + "/restore":         {"state": {"point"}, "at": {"2026-08-10 11:30"}, "confirm": {c.Name}},
		database + "/reset":           {"state": {"latest"}, "confirm": {c.Name}},
		database + "/swap":            {"with": {"x"}, "confirm": {c.Name}},
		database + "/resize":          {"size": {"db-s-1vcpu-2gb"}},
		database + "/users":           {"name": {"ada"}},
		database + "/users/x":         {"role": {"readOnly"}},
		database + "/users/x/reset":   {},
		database + "/users/x/delete":  {"confirm": {"x"}},
		database + "/dbs":             {"db": {"shop"}},
		database + "/dbs/shop/delete": {"confirm": {"shop"}},
		settings + "/sources":         {"sources": {"192.0.2.1"}},
		settings + "/sources/remove":  {"source": {"x"}},
		settings + "/maintenance":     {"day": {"monday"}, "hour": {"01:00"}},
		settings + "/update":          {},
		settings + "/version":         {"version": {"8"}},
		settings + "/region":          {"region": {"fra1"}},
		settings + "/autoscale":       {"threshold": {"50"}, "increment": {"10"}},
		settings + "/config":          {"default_read_concern": {"local"}},
		settings + "/ttl":             {"ttl": {"off"}},
		settings + "/expiry":          {"expires_at": {"3d"}},
		settings + "/tags":            {"tag": {"x"}},
		settings + "/tags/remove":     {"tag": {"x"}},
		settings + "/sinks":           {"sink": {"x"}, "site": {"datadoghq.com"}, "key": {"x"}},
		settings + "/sinks/remove":    {"sink_id": {"x"}},
		"/tokens":                     {"name": {"x"}, "scopes": {"admin"}},
		"/tokens/x/revoke":            {},
		database + "/fork/preview":    {},
		database + "/resize/preview":  {},
		"/databases/new/preview":      {},
	}
}

func TestFormsWithoutTheirCSRFTokenAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w, other := b.loggedIn(t, store.ScopeAdmin), b.browser(t)
	other.get(t, "/login")
	for path, form := range changes(c) {
		for what, csrf := range map[string]string{"missing": "", "wrong": "x", "of another page": other.csrf} {
			form.Set("csrf", csrf)
			b.wantUntouched(t, func() {
				a := w.do(t, http.MethodPost, path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
				if a.want(t, http.StatusForbidden, "This form is out of date"); t.Failed() {
					t.Fatalf("%s, token %s", path, what)
				}
			})
		}
	}
	w.post(t, "/logout", "csrf", "x").want(t, http.StatusForbidden)
	w.get(t, "/databases").want(t, http.StatusOK)
	b.browser(t).post(t, "/login", "token", "x").want(t, http.StatusForbidden)
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeAdmin)
	for path, form := range changes(c) {
		form.Set("csrf", w.csrf)
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			b.wantUntouched(t, func() {
				a := w.do(t, http.MethodPost, path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", name, value)
				a.want(t, http.StatusForbidden, "This form came from elsewhere")
			})
		}
	}
}

func TestTheScopeReadSeesNoButtonsAndIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.loggedIn(t, store.ScopeRead)
	w.get(t, "/databases").wantWithout(t, `href="/databases/new"`)
	c := b.online(t, "backend")
	w.get(t, "/databases").wantWithout(t, `href="/databases/new"`)
	page := w.get(t, "/databases/"+c.ID)
	page.want(t, http.StatusOK, "backend", "1.5 GiB")
	page.wantWithout(t, "/fork", "/destroy")
	// There is nothing to press but what looks, and the way out.
	for _, tab := range []string{"", "/users", "/history", "/insights", "/logs", "/events", "/settings"} {
		page := w.get(t, "/databases/"+c.ID+tab)
		if page.want(t, http.StatusOK, `aria-current="page"`); strings.Count(page.body, "<button") != 1+strings.Count(page.body, "data-copy hidden") {
			t.Errorf("%s has buttons:\n%s", tab, page.body)
		}
		page.wantWithout(t, "/fork?", "/fork\"", "/destroy", "/resize", "/delete", "/restore", "/reset", "/swap")
	}
	w.get(t, "/databases").wantWithout(t, "/fork", "/destroy", "/resize", "/tokens", "/audit")
	for _, path := range []string{
		"/databases/new", "/databases/" + c.ID + "/fork", "/databases/" + c.ID + "/destroy", "/databases/" + c.ID + "/resize",
		"/databases/" + c.ID + "/restore", "/databases/" + c.ID + "/reset", "/databases/" + c.ID + "/swap",
		"/databases/" + c.ID + "/users/x", "/databases/" + c.ID + "/dbs/x/delete", "/tokens", "/tokens/x/revoke", "/audit",
	} {
		w.get(t, path).want(t, http.StatusForbidden, "Your token may not do this", "yours has account:read")
	}
	for path, form := range changes(c) {
		form.Set("csrf", w.csrf)
		b.wantUntouched(t, func() {
			w.do(t, http.MethodPost, path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded").
				want(t, http.StatusForbidden, "Your token may not do this")
		})
	}
}

// scriptTag is how our pages ask for a script, which is a file of ours.
var scriptTag = regexp.MustCompile(`<script src="/assets/[a-z.]+\?v=[0-9a-f]{12}" defer></script>`)

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	database := "/databases/" + c.ID
	for _, path := range []string{"/", "/login", "/databases", "/databases/new", database, database + "/fork", database + "/destroy", "/nothing", "/assets/nothing"} {
		a := w.get(t, path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":  "nosniff",
			"X-Frame-Options":         "DENY",
			"Referrer-Policy":         "same-origin",
			"Cache-Control":           "no-store",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		// What the policy would stop is not there in the first place.
		if found := scriptTag.FindAllString(a.body, -1); len(found) != strings.Count(a.body, "<script") {
			t.Errorf("%s has scripts of its own: %s", path, a.body)
		}
		a.wantWithout(t, "<style", " style=", "javascript:", " onclick=")
	}
}

func TestAssetsAreKeptForGoodUnderTheirHashOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.browser(t)
	_, rest, _ := strings.Cut(w.get(t, "/login").body, `rel="stylesheet" href="`)
	path, _, _ := strings.Cut(rest, `"`)
	style := w.get(t, path)
	style.want(t, http.StatusOK, "prefers-color-scheme: dark")
	if kind, cache := style.header.Get("Content-Type"), style.header.Get("Cache-Control"); kind != "text/css; charset=utf-8" || !strings.Contains(cache, "immutable") {
		t.Errorf("%s: %q, %q", path, kind, cache)
	}
	if cache := w.get(t, "/assets/style.css?v=old").header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("an asset under another hash has Cache-Control %q", cache)
	}
	if kind := w.get(t, "/assets/icon.svg").header.Get("Content-Type"); kind != "image/svg+xml" {
		t.Errorf("the icon is %q", kind)
	}
}

// Nothing that fleet lets pass is hostile today; what it lets pass tomorrow must not matter here.
func TestHostileTextIsShownAsText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const hostile = `"><script>alert(1)</script>'&`
	c := b.online(t, "backend")
	fork := b.online(t, "fork")
	w := b.loggedIn(t, store.ScopeWrite)
	_, err := b.store.Pool().Exec(t.Context(), `UPDATE tine.clusters SET name = name || $1, tags = ARRAY[$1], region = $1, size = $1, version = $1,
		failure = $1, source_name = $1`, hostile)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.store.AddEvent(t.Context(), store.Event{ClusterID: c.ID, Type: "test", Message: hostile}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Pool().Exec(t.Context(), `UPDATE tine.clusters SET source_id = $1 WHERE id = $2`, c.ID, fork.ID); err != nil {
		t.Fatal(err)
	}
	database := "/databases/" + c.ID
	for _, a := range []answer{
		w.get(t, "/databases"),
		w.get(t, database),
		w.get(t, "/databases/"+fork.ID),
		w.get(t, database+"/fork?at="+url.QueryEscape(hostile)),
		w.get(t, database+"/destroy"),
		w.get(t, database+"/settings"),
		w.get(t, database+"/history"),
		w.get(t, database+"/insights"),
		w.get(t, database+"/events"),
		w.get(t, "/databases?q="+url.QueryEscape(hostile)),
		w.post(t, database+"/settings/sources", "sources", hostile, "description", hostile),
		w.post(t, "/databases/new", "name", hostile, "size", hostile, "storage", hostile),
		w.post(t, database+"/fork", "name", hostile, "size", hostile, "state", "point", "at", hostile),
		w.post(t, database+"/destroy", "name", hostile),
		w.get(t, "/databases/"+url.PathEscape(hostile)),
	} {
		if a.status >= http.StatusInternalServerError {
			t.Errorf("status %d", a.status)
		}
		a.want(t, a.status, "alert(1)")
		a.wantWithout(t, "<script>", "alert(1)</script>'")
	}
}

func TestAFormThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.loggedIn(t, store.ScopeWrite)
	w.post(t, "/databases/new", "name", strings.Repeat("x", 100<<10)).want(t, http.StatusBadRequest, "This form cannot be read")
}
