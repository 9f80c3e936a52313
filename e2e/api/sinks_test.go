package api

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/e2e/harness"
)

// intake is Datadog's, as far as who delivers to it sees it.
type intake struct {
	*httptest.Server

	mu   sync.Mutex
	logs map[string][]map[string]any // by key
	site string                      // of the last request
	down bool
}

func newIntake() *intake {
	i := &intake{logs: map[string][]map[string]any{}}
	i.Server = httptest.NewTLSServer(http.HandlerFunc(i.take))
	return i
}

func (i *intake) take(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var batch []map[string]any
	text, err := io.ReadAll(z)
	if err != nil || json.Unmarshal(text, &batch) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	key := r.Header.Get("Dd-Api-Key")
	i.logs[key] = append(i.logs[key], batch...)
	i.site = r.URL.Path
	w.WriteHeader(http.StatusAccepted)
}

// has counts the logs that came with a key and have a word in them.
func (i *intake) has(key, word string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := 0
	for _, log := range i.logs[key] {
		if text, err := json.Marshal(log); err == nil && strings.Contains(string(text), word) {
			n++
		}
	}
	return n
}

func (i *intake) setDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// The logs of a cluster reach its owner's intake over HTTPS, what its node says and its slow operations, with the key of the sink, through an outage, once, and with nothing of what documents hold; after the
// sink is deleted nothing comes any more.
func TestLogsReachTheirIntake(t *testing.T) { //nolint:paralleltest // the intake goes down for a while
	cluster := makeCluster(t, shared, "logged")
	const key, body = "0123456789abcdef0123456789abcdef",
		`{"sink_name": "logs", "sink_type": "datadog", "config": {"site": "datadoghq.eu", "datadog_api_key": "0123456789abcdef0123456789abcdef"}}`
	path := "/v2/databases/" + cluster.ID
	var made struct {
		Sink struct {
			ID string `json:"sink_id"`
		} `json:"sink"`
	}
	call(t, http.MethodPost, path+"/logsink", body, &made)
	call(t, http.MethodPatch, path+"/config", `{"config": {"slow_op_threshold_ms": 0}}`, nil)
	client, err := harness.Connect(t.Context(), cluster.Connection.URI)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(t.Context()) })
	find := func(collection string) {
		t.Helper()
		filter := bson.D{{Key: "card", Value: "4111-1111-1111-1111"}}
		if _, err := client.Database("shop").Collection(collection).CountDocuments(t.Context(), filter); err != nil {
			t.Fatal(err)
		}
	}
	// A sink gets what comes after it; it is in force within a second or two.
	reached := eventually(t, func() bool { find("first"); return datadog.has(key, "shop.first") > 0 })
	if !reached {
		t.Fatalf("no slow operation reaches the intake; it has %v\n%s", datadog.logs, lastLines(shared.LogText()))
	}
	if site := datadog.site; site != "/datadoghq.eu/logs" {
		t.Errorf("the logs were sent to %s", site)
	}
	call(t, http.MethodPut, path+"/install_update", "", nil) // the node says that it stops and starts
	if !eventually(t, func() bool { return datadog.has(key, "database system is ready to accept connections") > 0 }) {
		t.Error("nothing of the node's own log reaches the intake")
	}
	datadog.setDown(true)
	find("second")
	find("third")
	datadog.setDown(false)
	if !eventually(t, func() bool { return datadog.has(key, "shop.second") > 0 && datadog.has(key, "shop.third") > 0 }) {
		t.Error("what was logged during an outage does not reach the intake")
	}
	if n := datadog.has(key, "shop.second"); n != 1 {
		t.Errorf("one operation reached the intake %d times", n)
	}
	if n := datadog.has(key, "4111-1111"); n != 0 {
		t.Errorf("%d logs hold what documents hold", n)
	}
	call(t, http.MethodDelete, path+"/logsink/"+made.Sink.ID, "", nil)
	before := datadog.has(key, "")
	other := makeCluster(t, shared, "logged")
	call(t, http.MethodPost, "/v2/databases/"+other.ID+"/logsink", strings.Replace(body, "0123456789abcdef0123456789abcdef", "another-key", 1), nil)
	find("fourth")
	begun := eventually(t, func() bool { // the sink that is deleted takes its file with it
		files, err := filepath.Glob(filepath.Join(shared.DataDir(), "logs", "*.sink.*"))
		return err == nil && len(files) == 1 && !strings.HasSuffix(files[0], made.Sink.ID)
	})
	if !begun {
		t.Error("the other cluster's sink is not in force")
	}
	call(t, http.MethodPut, "/v2/databases/"+other.ID+"/install_update", "", nil)
	// The other sink shows that all deliveries that were due have been made.
	if !eventually(t, func() bool { return datadog.has("another-key", "ready to accept connections") > 0 }) {
		t.Error("the other cluster's sink gets nothing")
	}
	if n := datadog.has(key, "shop.fourth"); n != 0 {
		t.Errorf("a deleted sink still gets logs: %d after %d", datadog.has(key, ""), before)
	}
}

// call sends a request with a body as it is: godo cannot send what Datadog needs.
func call(t *testing.T, method, path, body string, answer any) {
	t.Helper()
	request, err := shared.API.NewRequest(t.Context(), method, path, json.RawMessage(body))
	if body == "" {
		request, err = shared.API.NewRequest(t.Context(), method, path, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.API.Do(t.Context(), request, answer); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
}
