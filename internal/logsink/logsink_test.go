package logsink_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tine/internal/logsink"
	"tine/internal/secrets"
	"tine/internal/store"
	"tine/internal/store/storetest"
)

const key = "0123456789abcdef0123456789abcdef"

// intake takes logs as Datadog documents it: a JSON array, gzip, the key in a header, at most 1000 entries and 5 MB; 202 if it takes them.
type intake struct {
	t      *testing.T
	server *httptest.Server

	mu      sync.Mutex
	answers []int  // for the next requests, in place of 202
	down    int    // answer to all requests, if not 0
	taken   func() // called before the answer to a batch that was taken
	key     string
	entries []map[string]any
	largest int
	calls   chan int // an answer's status, for each
}

func newIntake(t *testing.T) *intake {
	t.Helper()
	i := &intake{t: t, key: key, calls: make(chan int, 10_000)}
	i.server = httptest.NewTLSServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.server.Close)
	return i
}

func (i *intake) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	status := i.take(r)
	w.WriteHeader(status)
	i.calls <- status
}

func (i *intake) take(r *http.Request) int {
	if r.URL.Path != "/datadoghq.eu/api/v2/logs" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		i.t.Errorf("request %s %s, %v", r.Method, r.URL, r.Header)
	}
	if i.down != 0 {
		return i.down
	}
	if r.Header.Get("DD-API-KEY") != i.key {
		return http.StatusForbidden
	}
	if len(i.answers) > 0 {
		status := i.answers[0]
		i.answers = i.answers[1:]
		return status
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return http.StatusBadRequest
	}
	var batch []map[string]any
	if err := json.NewDecoder(z).Decode(&batch); err != nil || len(batch) == 0 {
		return http.StatusBadRequest
	}
	if len(batch) > 1000 {
		return http.StatusRequestEntityTooLarge
	}
	i.largest = max(i.largest, len(batch))
	i.entries = append(i.entries, batch...)
	if i.taken != nil {
		i.taken()
	}
	return http.StatusAccepted
}

func (i *intake) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

// wait returns the messages as soon as there are that many.
func (i *intake) wait(count int) []string {
	i.t.Helper()
	for {
		i.mu.Lock()
		var messages []string
		for _, e := range i.entries {
			messages = append(messages, fmt.Sprint(e["message"]))
		}
		i.mu.Unlock()
		if len(messages) >= count {
			return messages
		}
		i.await(0)
	}
}

// await returns when the intake has given that answer, or any if it is 0.
func (i *intake) await(status int) {
	i.t.Helper()
	for {
		select {
		case got := <-i.calls:
			if status == 0 || got == status {
				return
			}
		case <-i.t.Context().Done():
			return
		case <-time.After(20 * time.Second):
			i.t.Fatalf("no request with the answer %d", status)
		}
	}
}

type bundle struct {
	t       *testing.T
	store   *store.Store
	box     *secrets.Box
	dir     string
	cluster store.Cluster
	sink    store.LogSink
	intake  *intake
	service *logsink.Service
	stop    func()
	ending  <-chan struct{} // closed when stop has begun
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{t: t, store: storetest.Open(t), dir: t.TempDir(), intake: newIntake(t)}
	var err error
	if b.box, err = secrets.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	b.cluster, err = b.store.CreateCluster(t.Context(), store.Cluster{
		Name: "shop", Engine: "mongodb", Version: "8", Region: "nyc1", Size: "db-s-1vcpu-1gb", NumNodes: 1, StorageMiB: 15360,
		Host: "local", DoadminVerifier: "x",
	}, store.PortRange{First: 20000, Last: 20010})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.SetOnline(t.Context(), b.cluster.ID); err != nil {
		t.Fatal(err)
	}
	b.append("2026-11-25 03:42:20.409 UTC [1] LOG:  before the sink\n")
	b.sink = store.LogSink{ID: uuid.NewString(), ClusterID: b.cluster.ID, Name: "logs", Type: "datadog", Site: "http-intake.logs.datadoghq.eu"}
	b.sink.APIKey = b.box.Seal(key, b.sink.KeyPurpose())
	if err := b.store.AddLogSink(t.Context(), b.sink); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.begun()
	return b
}

func (b *bundle) start() {
	b.t.Helper()
	const soon = 5 * time.Millisecond
	b.service = logsink.New(logsink.Config{
		Store: b.store, Secrets: b.box, Host: "local", Dir: b.dir, Log: slog.New(slog.NewTextHandler(b.t.Output(), nil)),
		URL: b.intake.server.URL + "/{site}/api/v2/logs", Client: b.intake.server.Client(), Interval: soon,
		Pause: func(int) time.Duration { return soon }, RefusedPause: soon,
	})
	ctx, cancel := context.WithCancel(b.t.Context())
	b.ending = ctx.Done()
	done := make(chan struct{})
	go func() { defer close(done); b.service.Run(ctx) }()
	b.stop = func() { cancel(); <-done }
	b.t.Cleanup(b.stop)
}

// begun returns when the delivery has its position.
func (b *bundle) begun() {
	b.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		if _, err := os.Stat(b.path(".sink." + b.sink.ID)); err == nil {
			return
		}
		<-tick.C
	}
	b.t.Fatal("the delivery does not begin")
}

func (b *bundle) path(suffix string) string { return filepath.Join(b.dir, b.cluster.Node.ID+suffix) }

func (b *bundle) append(text string) {
	b.t.Helper()
	f, err := os.OpenFile(b.path(".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		b.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.t.Fatal(err)
	}
}

// lines are numbered messages of PostgreSQL.
func lines(first, count int) string {
	var text strings.Builder
	for n := first; n < first+count; n++ {
		fmt.Fprintf(&text, "2026-11-25 03:42:20.409 UTC [1] LOG:  line %d\n", n)
	}
	return text.String()
}

// inOrder checks that each line was delivered once, in its order.
func (b *bundle) inOrder(messages []string, count int) {
	b.t.Helper()
	if len(messages) != count {
		b.t.Fatalf("%d entries were delivered, want %d", len(messages), count)
	}
	for n, message := range messages {
		if message != fmt.Sprintf("line %d", n) {
			b.t.Fatalf("entry %d is %q", n, message)
		}
	}
}

func (b *bundle) events(kind string) []string {
	b.t.Helper()
	list, err := b.store.Events(b.t.Context(), b.cluster.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	var messages []string
	for _, e := range list {
		if e.Type == kind {
			messages = append(messages, e.Message)
		}
	}
	return messages
}

func TestLogsAreDeliveredOnceThroughFailuresRestartsAndRotations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.intake.set(func() { b.intake.answers = []int{429, 500, 503} })
	b.append(lines(0, 2500))
	b.inOrder(b.intake.wait(2500), 2500)
	if b.intake.largest != 1000 {
		t.Errorf("the largest batch had %d entries", b.intake.largest)
	}
	// The intake is down, the log is moved aside as the host does it, and Tine is restarted.
	b.intake.set(func() { b.intake.down = 500 })
	b.append(lines(2500, 3))
	b.intake.await(500)
	b.stop()
	before, err := os.ReadFile(b.path(".log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.path(".log.1"), before, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(b.path(".log"), 0); err != nil {
		t.Fatal(err)
	}
	b.append(strings.Replace(lines(2503, 3000), "03:42:20.409", "04:00:00.000", 1))
	b.intake.set(func() { b.intake.down = 0 })
	b.start()
	b.inOrder(b.intake.wait(5503), 5503)
	b.stop()
	b.start()
	b.append(lines(5503, 1))
	b.inOrder(b.intake.wait(5504), 5504)
}

func TestStopWaitsForTheAnswerToABatchUnderWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stopped := make(chan struct{})
	b.intake.set(func() {
		b.intake.taken = func() {
			go func() { b.stop(); close(stopped) }()
			<-b.ending
		}
	})
	b.append(lines(0, 10))
	b.intake.wait(10)
	<-stopped
	b.intake.set(func() { b.intake.taken = nil })
	b.start()
	b.append(lines(10, 1))
	b.inOrder(b.intake.wait(11), 11)
}

func TestWhatIsDeliveredHoldsNothingOfDocuments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append("2026-11-25 03:42:20.409 UTC [7] FATAL:  out of luck\n\tand more\n" +
		"2026-11-25 03:42:20.409 UTC [7] DETAIL:  Failed process was running: SELECT 'secret'\n\tsecret, too\n" +
		"2026-11-25 03:42:20.409 UTC [7] STATEMENT:  SELECT 'secret'\n" + "ln: something else\n")
	b.intake.wait(2)
	b.service.Slow(uuid.NewString(), time.Now(), nil) // a cluster without sinks
	b.service.Slow(b.cluster.ID, time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC), []slog.Attr{
		slog.String("command", "find"), slog.String("namespace", "shop.orders"), slog.Duration("duration", time.Second), slog.Int("returned", 3),
	})
	messages := b.intake.wait(3)
	if got := strings.Join(messages, "|"); got != "out of luck\nand more|ln: something else|slow operation: find on shop.orders" {
		t.Errorf("delivered %q", got)
	}
	first, slow := b.intake.entries[0], b.intake.entries[2]
	if first["status"] != "critical" || first["timestamp"] != "2026-11-25T03:42:20.409Z" || first["service"] != "shop" || first["ddsource"] != "tine" {
		t.Errorf("entry %v", first)
	}
	if operation, _ := slow["operation"].(map[string]any); slow["duration"] != 1e9 || operation["returned"] != 3.0 || slow["service"] != "shop" {
		t.Errorf("slow operation %v", slow)
	}
}

func TestABadKeyIsAnEventAndLogsWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.intake.set(func() { b.intake.key = "another" })
	b.append(lines(0, 3))
	for range 5 {
		b.intake.await(http.StatusForbidden)
	}
	b.stop()
	b.start()
	b.intake.await(http.StatusForbidden)
	if got := b.events(store.EventLogSink); len(got) != 1 || !strings.Contains(got[0], "refuses its datadog_api_key") || strings.Contains(got[0], key) {
		t.Errorf("events %q", got)
	}
	b.sink.APIKey = b.box.Seal("another", b.sink.KeyPurpose())
	if err := b.store.UpdateLogSink(t.Context(), b.sink); err != nil {
		t.Fatal(err)
	}
	b.inOrder(b.intake.wait(3), 3)
	if err := b.store.DeleteLogSink(t.Context(), b.sink); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		if _, err := os.Stat(b.path(".sink." + b.sink.ID)); os.IsNotExist(err) {
			break
		}
		<-tick.C
	}
	b.append(lines(3, 1))
	b.stop()
	b.inOrder(b.intake.wait(3), 3)
}

// A cluster that exchanges its node has the logs of the other one from then on, its slow operations, too.
func TestDeliveryFollowsTheCluster(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.append(lines(0, 1))
	b.intake.wait(1)
	other, err := b.store.CreateCluster(t.Context(), store.Cluster{
		Name: "other", Engine: "mongodb", Version: "8", Region: "nyc1", Size: "db-s-1vcpu-1gb", NumNodes: 1, StorageMiB: 15360,
		Host: "local", DoadminVerifier: "x",
	}, store.PortRange{First: 20000, Last: 20010})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.SetOnline(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	err = errors.Join(b.store.BeginSwap(t.Context(), b.cluster.ID, other.ID), b.store.ExchangeNodes(t.Context(), b.cluster.ID, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	b.cluster.Node.ID = other.Node.ID
	b.append("") // the other node's log
	b.begun()
	b.append(lines(1, 1))
	b.inOrder(b.intake.wait(2), 2)
	b.service.Slow(b.cluster.ID, time.Now(), []slog.Attr{slog.String("command", "find"), slog.String("namespace", "shop.orders")})
	if messages := b.intake.wait(3); messages[2] != "slow operation: find on shop.orders" {
		t.Errorf("delivered %q", messages)
	}
	if _, err := os.Stat(b.path(".slow.log")); err != nil {
		t.Error(err)
	}
}
