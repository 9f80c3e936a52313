package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/jackc/pgx/v5"

	"tine/internal/api"
	"tine/internal/catalog"
	"tine/internal/engine"
	"tine/internal/fleet"
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

// bundle is a server with no host behind it: clusters stay as they are made.
type bundle struct {
	store  *store.Store
	clock  *clock
	log    *logBuffer
	data   *nodeData
	url    string
	secret string // of a token with the scope write
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

// nodeData is the data of all of a test's clusters: one node, which is down until the test starts it.
type nodeData struct {
	node    atomic.Pointer[testnode.Node]
	changed atomic.Int64 // how often a gateway was told that users have changed
}

// Use implements fleet.Data.
func (d *nodeData) Use(ctx context.Context, _ store.Cluster, do func(*pgx.Conn) error) error {
	node := d.node.Load()
	if node == nil {
		return fmt.Errorf("the node is down: %w", store.ErrUnreachable)
	}
	cfg, err := pgx.ParseConfig("host=/run/tine user=tine_gateway sslmode=disable dbname=postgres")
	if err != nil {
		return err
	}
	cfg.DialFunc = engine.Dialer(node.SocketDir)
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
func (d *nodeData) UsersChanged(string) { d.changed.Add(1) }

func setup(t testing.TB, change ...func(*api.Config)) *bundle {
	t.Helper()
	b := &bundle{store: storetest.Open(t), clock: &clock{now: now}, log: &logBuffer{}, data: &nodeData{}}
	c, err := catalog.Load("")
	if err != nil {
		t.Fatal(err)
	}
	box, err := secrets.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg := api.Config{
		Fleet: fleet.New(fleet.Config{
			Store: b.store, Data: b.data, Catalog: c, Clock: b.clock.Now, Host: "local", GatewayHost: "tine.example.com",
			Ports: store.PortRange{First: 28000, Last: 29999}, Pools: []string{"fra1"}, TransferRate: 200 << 20, Secrets: box,
		}),
		Auth: b.store, Clock: b.clock.Now, Log: slog.New(slog.NewTextHandler(b.log, nil)),
		HourlyLimit: 100_000, MinuteLimit: 100_000,
	}
	for _, f := range change {
		f(&cfg)
	}
	server := httptest.NewServer(asDescribed(t, api.New(cfg)))
	t.Cleanup(server.Close)
	b.url = server.URL
	b.secret = b.token(t, store.ScopeWrite)
	return b
}

// setupWithNode is a server whose clusters have data.
func setupWithNode(t testing.TB) *bundle {
	t.Helper()
	b := setup(t)
	b.data.node.Store(testnode.Start(t))
	return b
}

func (b *bundle) token(t testing.TB, scope string) string {
	t.Helper()
	secret, _, err := b.store.CreateToken(t.Context(), scope, nil, scope)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// godo is DigitalOcean's client, as it is, without repeating what failed.
func (b *bundle) godo(t testing.TB, secret string) *godo.Client {
	t.Helper()
	client, err := godo.New(nil, godo.SetBaseURL(b.url), godo.SetRequestHeaders(map[string]string{"Authorization": "Bearer " + secret}))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// do sends a request as curl would and returns its answer, with the body read.
func (b *bundle) do(t testing.TB, method, path, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+b.secret)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(text)}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// json returns the body as an object.
func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("the body is no JSON object: %v\n%s", err, a.body)
	}
	return v
}

// wantError checks the status and DigitalOcean's error body.
func (a answer) wantError(t *testing.T, status int, id, message string) {
	t.Helper()
	body := a.json(t)
	if a.status != status || body["id"] != id || body["message"] != message {
		t.Errorf("answer %d %v: %v\nwant %d %s: %s", a.status, body["id"], body["message"], status, id, message)
	}
	if got := a.header.Get("X-Request-Id"); got == "" || body["request_id"] != got {
		t.Errorf("request_id %v, header %q", body["request_id"], got)
	}
	if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		t.Errorf("content type %q", kind)
	}
}

// wantGodoError checks what godo made of an error.
func wantGodoError(t *testing.T, err error, status int, message string) {
	t.Helper()
	var e *godo.ErrorResponse
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want godo's", err)
	}
	if e.Response.StatusCode != status || e.Message != message || e.RequestID == "" {
		t.Errorf("godo got %d %q, request %q; want %d %q", e.Response.StatusCode, e.Message, e.RequestID, status, message)
	}
}

func createRequest(name string) *godo.DatabaseCreateRequest {
	return &godo.DatabaseCreateRequest{
		Name: name, EngineSlug: "mongodb", Version: "8", SizeSlug: "db-s-1vcpu-1gb", Region: "nyc1", NumNodes: 1,
	}
}

// online makes an online cluster through godo, with a restore point an hour old.
func (b *bundle) online(t *testing.T, name string) *godo.Database {
	t.Helper()
	db, _, err := b.godo(t, b.secret).Databases.Create(t.Context(), createRequest(name))
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := b.store.SetOnline(t.Context(), db.ID); err != nil || !changed {
		t.Fatal(changed, err)
	}
	at := now.Add(-time.Hour)
	point := store.RestorePoint{ClusterID: db.ID, Volume: "v", StartedAt: at, CompletedAt: at, SizeBytes: 3 << 29}
	if _, err := b.store.AddRestorePoint(t.Context(), point); err != nil {
		t.Fatal(err)
	}
	return db
}
