package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// inPlaceAPI is a fakeAPI whose cluster can be restored, which ends as the event says.
func inPlaceAPI(t *testing.T, end string) (*fakeAPI, *atomic.Pointer[string]) {
	t.Helper()
	a := newUnstartedAPI(t)
	var asked atomic.Pointer[string]
	inner := a.Config.Handler
	mux := http.NewServeMux()
	mux.Handle("/", inner)
	mux.HandleFunc("POST /v2/databases/"+shopID+"/restore", func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		text := string(body)
		asked.Store(&text)
		answer(w, http.StatusAccepted, `{"database":`+strings.Replace(shopJSON, `"status":"online"`, `"status":"restoring"`, 1)+`,"kept":{"id":"`+forkID+`","name":"shop-before-restore-20260801-120000"}}`)
	})
	mux.HandleFunc("GET /v2/databases/"+shopID+"/events", func(w http.ResponseWriter, _ *http.Request) {
		events := `{"detail":"cluster_online","message":"The cluster is online."},{"detail":"cluster_restore_done","message":"An earlier one."}`
		if asked.Load() != nil {
			events += `,{"detail":"cluster_restore","message":"It is being restored."},` + end
		}
		answer(w, http.StatusOK, `{"events":[`+events+`]}`)
	})
	a.Config.Handler = mux
	a.Start()
	return a, &asked
}

func TestRestoreTellsWhatHappens(t *testing.T) {
	t.Parallel()
	a, asked := inPlaceAPI(t, `{"detail":"cluster_restore_done","message":"It has its own state."}`)
	got := tine(t, a.URL, "cluster", "restore", "shop", "--at", "2026-08-01T12:00:00.123456Z", "--keep", "12h", "--wait")
	if got.code != exitOK || got.stderr != "It is being restored.\nIt has its own state.\n" {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
	if body := decode(t, *asked.Load()); body["at"] != "2026-08-01T12:00:00.123456Z" || body["keep_seconds"] != 43200.0 {
		t.Errorf("the request is %v", body)
	}
	got = tine(t, a.URL, "cluster", "restore", "shop", "--at", "2h", "--keep", "forever")
	if got.code != exitOK || !strings.Contains(got.stderr, "shop is being restored; its present state is kept as shop-before-restore-20260801-120000") {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
	if body := decode(t, *asked.Load()); body["keep_seconds"] != 0.0 {
		t.Errorf("the request is %v", body)
	}
}

// Programs get the cluster as it is when the wait is over, also if that ends badly, with what keeps the state before.
func TestRestoreAsJSONIsTheClusterAfterTheWait(t *testing.T) {
	t.Parallel()
	for end, code := range map[string]int{"cluster_restore_done": exitOK, "cluster_restore_failed": exitFailed} {
		a, _ := inPlaceAPI(t, `{"detail":"`+end+`","message":"That is all."}`)
		got := tine(t, a.URL, "cluster", "restore", "shop", "--at", "2h", "--wait", "-o", "json")
		answer := decode(t, got.stdout)
		database, _ := answer["database"].(map[string]any)
		kept, _ := answer["kept"].(map[string]any)
		if got.code != code || database["status"] != "online" || kept["id"] != forkID {
			t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
		}
	}
}

func TestRestoreThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	a, _ := inPlaceAPI(t, `{"detail":"cluster_restore_failed","message":"The history has a gap."}`)
	got := tine(t, a.URL, "cluster", "restore", "shop", "--at", "2h", "--wait")
	if got.code == exitOK || !strings.Contains(got.stderr, "the restore of shop has failed: The history has a gap.") {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestWhatCannotBeALifeIsRefusedBeforeTheRequest(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, args := range [][]string{
		{"cluster", "restore", "shop"},
		{"cluster", "restore", "shop", "--at", "2h", "--keep", "soon"},
		{"cluster", "create", "copy", "--expires-in", "soon"},
		{"cluster", "expire", "shop", "soon"},
		{"cluster", "ttl", "shop", "maybe"},
	} {
		if got := tine(t, a.URL, args...); got.code != exitUsage || a.created.Load() != nil {
			t.Errorf("%v: exit code %d, output %s", args, got.code, got.stderr)
		}
	}
}

func TestForkThatExpires(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	got := tine(t, a.URL, "cluster", "fork", "shop", "copy", "--expires-in", "1d", "--fresh-passwords")
	if got.code != exitOK {
		t.Fatal(got)
	}
	if body := decode(t, *a.created.Load()); body["expires_in_seconds"] != 86400.0 || body["name"] != "copy" || body["fresh_passwords"] != true {
		t.Errorf("the request is %v", body)
	}
}
