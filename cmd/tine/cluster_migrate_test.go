package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A migration that is waited for shows how far it is, and one that was given up is an error that says why.
func TestMigrationIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, ends := range []string{"fra1", "nyc1"} {
		var asked atomic.Int32
		mux := http.NewServeMux()
		shop := func(w http.ResponseWriter, list bool) {
			text := shopJSON
			switch n := asked.Load(); {
			case n == 0:
			case n < 3:
				text = strings.Replace(text, `"status":"online"`, fmt.Sprintf(
					`"status":"migrating","transfer":{"from_region":"nyc1","to_region":"fra1","sent_bytes":%d000000,"total_bytes":9000000,"bytes_per_second":2000000,"seconds_left":%d}`, n, 9-n), 1)
			default:
				text = strings.Replace(text, "nyc1", ends, 1)
			}
			if list {
				answer(w, http.StatusOK, `{"databases":[`+text+`]}`)
				return
			}
			asked.Add(1)
			answer(w, http.StatusOK, `{"database":`+text+`}`)
		}
		mux.HandleFunc("GET /v2/databases", func(w http.ResponseWriter, _ *http.Request) { shop(w, true) })
		mux.HandleFunc("GET /v2/databases/{id}", func(w http.ResponseWriter, _ *http.Request) { shop(w, false) })
		mux.HandleFunc("PUT /v2/databases/{id}/migrate", func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			answer(w, http.StatusAccepted, "")
		})
		mux.HandleFunc("GET /v2/databases/{id}/events", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, `{"events":[{"message":"The disk of that region is full."}]}`)
		})
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		got := tine(t, server.URL, "cluster", "migrate", "shop", "--region", "fra1", "--wait")
		if !strings.Contains(got.stderr, "shop: 1.0 MB of 9.0 MB sent, 2.0 MB a second, 8s left\nshop: 2.0 MB of 9.0 MB sent") {
			t.Errorf("the progress is %q", got.stderr)
		}
		switch ends {
		case "fra1":
			if got.code != exitOK || !strings.Contains(got.stdout, "fra1") {
				t.Errorf("exit code %d, %s%s", got.code, got.stdout, got.stderr)
			}
		default:
			if got.code == exitOK || !strings.Contains(got.stderr, "shop was not migrated: The disk of that region is full.") {
				t.Errorf("exit code %d, %s", got.code, got.stderr)
			}
		}
	}
}
