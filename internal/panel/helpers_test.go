package panel_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/internal/catalog"
	"tine/internal/engine"
	"tine/internal/fleet"
	"tine/internal/panel"
	"tine/internal/secrets"
	"tine/internal/store"
	"tine/internal/store/storetest"
	"tine/internal/testnode"
)

// now is when the tests begin; the clock moves only when a test says so.
var now = time.Date(2026, 8, 10, 12, 0, 0, 250_000_000, time.UTC)

// clock is the time of a test's server.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// nodeData is the data of all of a test's clusters: one node, which is started when somebody looks.
type nodeData struct {
	tb   testing.TB
	once sync.Once
	node *testnode.Node
}

// Use implements fleet.Data.
func (d *nodeData) Use(ctx context.Context, _ store.Cluster, do func(*pgx.Conn) error) error {
	d.once.Do(func() { d.node = testnode.Start(d.tb) })
	cfg, err := pgx.ParseConfig("host=/run/tine user=tine_gateway sslmode=disable dbname=postgres")
	if err != nil {
		return err
	}
	cfg.DialFunc = engine.Dialer(d.node.SocketDir)
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return do(conn)
}

func (d *nodeData) Look(ctx context.Context, c store.Cluster, do func(*pgx.Conn) error) error {
	return d.Use(ctx, c, do)
}

// UsersChanged implements fleet.Data.
func (d *nodeData) UsersChanged(string) {}

// bundle is a panel with no host behind it: clusters stay as they are made.
type bundle struct {
	store  *store.Store
	fleet  *fleet.Fleet
	clock  *clock
	log    *logBuffer
	server *httptest.Server
}

func setup(t testing.TB) *bundle {
	t.Helper()
	return setupWith(t, httptest.NewServer)
}

func setupWith(t testing.TB, serve func(http.Handler) *httptest.Server) *bundle {
	t.Helper()
	b := &bundle{store: storetest.Open(t), clock: &clock{now: now}, log: &logBuffer{}}
	c, err := catalog.Load("")
	if err != nil {
		t.Fatal(err)
	}
	box, err := secrets.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b.fleet = fleet.New(fleet.Config{
		Store: b.store, Data: &nodeData{tb: t}, Log: drops{}, Catalog: c, Clock: b.clock.Now, Host: "local", GatewayHost: "tine.example.com",
		Ports: store.PortRange{First: 28000, Last: 29999}, Pools: []string{"fra1"}, TransferRate: 200 << 20, Secrets: box,
		Logs: func(context.Context, store.Cluster, int) ([]fleet.LogLine, error) {
			return []fleet.LogLine{{At: now, Status: "info", Message: "database system is ready"}, {Status: "error", Message: "no way"}}, nil
		},
	})
	b.server = serve(panel.New(panel.Config{
		Fleet: b.fleet, Auth: b.store, Clock: b.clock.Now, Log: slog.New(slog.NewTextHandler(b.log, nil)),
	}))
	t.Cleanup(b.server.Close)
	return b
}

// browser keeps cookies, follows no redirects by itself, and knows the CSRF token of the page it saw last.
type browser struct {
	b      *bundle
	client *http.Client
	csrf   string
}

func (b *bundle) browser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := *b.server.Client()
	client.Jar = jar
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{b: b, client: &client}
}

// loggedIn is a browser with a session of a new token of that scope.
func (b *bundle) loggedIn(t testing.TB, scope string) *browser {
	t.Helper()
	return b.loggedInWith(t, scope)
}

// loggedInWith is a browser with a session of a new token of those scopes.
func (b *bundle) loggedInWith(t testing.TB, scopes ...string) *browser {
	t.Helper()
	secret, _, err := b.store.CreateToken(t.Context(), scopes[0], nil, scopes...)
	if err != nil {
		t.Fatal(err)
	}
	w := b.browser(t)
	w.logIn(t, secret)
	return w
}

// logIn begins a session.
func (w *browser) logIn(t testing.TB, secret string) {
	t.Helper()
	w.get(t, "/login")
	if p := w.post(t, "/login", "token", secret); p.status != http.StatusSeeOther {
		t.Fatalf("log-in answered %d", p.status)
	}
	w.get(t, "/databases")
}

// relogin begins another session, with another token of the scope.
func (w *browser) relogin(t testing.TB, scope string) *browser {
	t.Helper()
	secret, _, err := w.b.store.CreateToken(t.Context(), scope+" again", nil, scope)
	if err != nil {
		t.Fatal(err)
	}
	w.logIn(t, secret)
	return w
}

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

type answer struct {
	status   int
	header   http.Header
	location string
	body     string
}

func (w *browser) get(t testing.TB, path string) answer {
	t.Helper()
	return w.do(t, http.MethodGet, path, "")
}

// post sends a form of names and values, with the CSRF token of the last page unless the form has one.
func (w *browser) post(t testing.TB, path string, fields ...string) answer {
	t.Helper()
	form := url.Values{"csrf": {w.csrf}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return w.do(t, http.MethodPost, path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// part asks for a part of a page, as htmx does.
func (w *browser) part(t testing.TB, path, part string, fields ...string) answer {
	t.Helper()
	form := url.Values{"csrf": {w.csrf}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return w.do(t, http.MethodPost, path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded",
		"HX-Request", "true", "HX-Target", part)
}

var csrfInput = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func (w *browser) do(t testing.TB, method, path, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.b.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if m := csrfInput.FindSubmatch(text); m != nil {
		w.csrf = string(m[1])
	}
	return answer{status: response.StatusCode, header: response.Header, location: response.Header.Get("Location"), body: string(text)}
}

// assetPath is how our pages name an asset.
var assetPath = regexp.MustCompile(`/assets/[a-z.]+\?v=[0-9a-f]{12}`)

var timeTags = regexp.MustCompile(`</?time[^>]*>`)

// want checks the status and that the page's text, as a reader sees it, holds all of these.
func (a answer) want(t testing.TB, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d; location %q\n%s", a.status, status, a.location, a.body)
	}
	seen := html.UnescapeString(timeTags.ReplaceAllString(a.body, ""))
	for _, text := range texts {
		if !strings.Contains(seen, text) {
			t.Errorf("the page lacks %q:\n%s", text, a.body)
		}
	}
}

func (a answer) wantWithout(t testing.TB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			t.Errorf("the page has %q:\n%s", text, a.body)
		}
	}
}

func (a answer) wantRedirect(t testing.TB, location string) {
	t.Helper()
	if a.status != http.StatusSeeOther || a.location != location {
		t.Errorf("answer %d to %q, want a redirect to %s\n%s", a.status, a.location, location, a.body)
	}
}

// create makes a cluster that nobody works on: it stays as it is.
func (b *bundle) create(t testing.TB, name string) store.Cluster {
	t.Helper()
	created, err := b.fleet.Create(t.Context(), fleet.CreateRequest{
		Name: name, Engine: "mongodb", Version: "8", Region: "nyc1", Size: "db-s-1vcpu-1gb", NumNodes: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return created.Cluster
}

// online makes an online cluster with a restore point an hour old.
func (b *bundle) online(t testing.TB, name string) store.Cluster {
	t.Helper()
	c := b.create(t, name)
	if changed, err := b.store.SetOnline(t.Context(), c.ID); err != nil || !changed {
		t.Fatal(changed, err)
	}
	at := now.Add(-time.Hour)
	_, err := b.store.AddRestorePoint(t.Context(), store.RestorePoint{
		ClusterID: c.ID, Volume: "v", StartedAt: at, CompletedAt: at, SizeBytes: 3 << 29,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tag makes a tag, and returns how it is given to the cluster.
func (b *bundle) tag(t testing.TB, name string, c store.Cluster) fleet.Tagging {
	t.Helper()
	if _, err := b.fleet.CreateTag(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return fleet.Tagging{Tag: name, Clusters: []string{c.ID}}
}

// rows says how much there is of everything that a form could make.
func (b *bundle) rows(t testing.TB) string {
	t.Helper()
	var clusters, destroying, jobs int
	row := b.store.Pool().QueryRow(t.Context(), `SELECT (SELECT count(*) FROM tine.clusters),
		(SELECT count(*) FROM tine.clusters WHERE status = 'destroying'), (SELECT count(*) FROM tine.river_job)`)
	if err := row.Scan(&clusters, &destroying, &jobs); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d clusters, %d of them being destroyed, %d jobs", clusters, destroying, jobs)
}

// wantUntouched runs what must change nothing.
func (b *bundle) wantUntouched(t testing.TB, attempt func()) {
	t.Helper()
	before := b.rows(t)
	attempt()
	if after := b.rows(t); after != before {
		t.Errorf("there is now %s; before %s", after, before)
	}
}

// named returns the only cluster of that name.
func (b *bundle) named(t testing.TB, name string) store.Cluster {
	t.Helper()
	c, err := b.store.ClusterByName(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
