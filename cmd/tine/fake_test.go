package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

const (
	shopID   = "2d28a9d9-4c4a-4540-a3b9-d24d8c4e7d30"
	shopJSON = `{"id":"` + shopID + `","name":"shop","engine":"mongodb","version":"8","num_nodes":1,"size":"db-s-1vcpu-1gb","region":"nyc1",` +
		`"status":"online","created_at":"2026-08-01T12:00:00Z","storage_size_mib":15360,"exclusive_bytes":12500000,"shared_bytes":2000000,"suspended":true,"not_in_godo":true,` +
		`"connection":{"uri":"mongodb://doadmin@127.0.0.1:27100/admin?authSource=admin&replicaSet=shop","host":"127.0.0.1","port":27100,"user":"doadmin"}}`
	shopCA = "-----BEGIN CERTIFICATE-----\n"
	forkID = "ffb22ddf-7751-41d9-bb56-56541f33d8d3"
)

// fakeAPI is a Tine that has one cluster, shop. Its fork is online when it is asked about for the third time.
type fakeAPI struct {
	*httptest.Server
	tls        bool   // of shop
	expires    string // of shop
	forkStatus string
	created    atomic.Pointer[string] // the body of the last POST
	changed    atomic.Pointer[string] // method, path below shop and body of the last change of it
	asked      atomic.Int32
}

func newAPI(t *testing.T) *fakeAPI {
	t.Helper()
	a := newUnstartedAPI(t)
	a.Start()
	return a
}

func newUnstartedAPI(t *testing.T) *fakeAPI {
	t.Helper()
	a := &fakeAPI{forkStatus: "online"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/databases", func(w http.ResponseWriter, r *http.Request) {
		if name := r.URL.Query().Get("name"); name != "" && name != "shop" {
			answer(w, http.StatusOK, `{"databases":[]}`)
			return
		}
		answer(w, http.StatusOK, `{"databases":[`+a.shop()+`]}`)
	})
	mux.HandleFunc("POST /v2/databases", func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		text := body.String()
		a.created.Store(&text)
		users := ""
		if strings.Contains(text, `"fresh_passwords":true`) {
			users = `,"users":[{"name":"doadmin","role":"primary","password":"secret"},{"name":"app","role":"normal","password":"fresh"}]`
		}
		answer(w, http.StatusCreated, `{"database":`+strings.TrimSuffix(a.fork("forking", "doadmin:secret@", `,"password":"secret"`), "}")+users+`}}`)
	})
	mux.HandleFunc("GET /v2/databases/{id}", func(w http.ResponseWriter, r *http.Request) {
		const polls = 3
		switch id := r.PathValue("id"); {
		case id == shopID:
			answer(w, http.StatusOK, `{"database":`+a.shop()+`}`)
		case id == forkID && a.asked.Add(1) < polls:
			answer(w, http.StatusOK, `{"database":`+a.fork("forking", "doadmin@", "")+`}`)
		case id == forkID:
			answer(w, http.StatusOK, `{"database":`+a.fork(a.forkStatus, "doadmin@", "")+`}`)
		default:
			answer(w, http.StatusNotFound, `{"id":"not_found","message":"there is no such cluster"}`)
		}
	})
	mux.HandleFunc("GET /v2/databases/"+shopID+"/storage", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"storage":{"writes_blocked":true,"exclusive_bytes":123456789,"shared_bytes":1000000,`+
			`"history":{"restore_points_bytes":2500000,"wal_bytes":33554432},"measured_at":"2026-08-01T12:00:00Z"}}`)
	})
	mux.HandleFunc("GET /v2/databases/"+shopID+"/history", func(w http.ResponseWriter, r *http.Request) {
		estimate := ""
		if at := r.URL.Query().Get("at"); at != "" {
			estimate = `,"estimate":{"at":"2026-08-01T12:00:00.123456Z","replay_bytes":33554432,"seconds":0.94,"asked":"` + at + `"` +
				map[string]string{
					"fra1": `,"send":{"region":"fra1","bytes":123456789,"bytes_per_second":209715200}`,
					"ams3": `,"send":{"region":"ams3","bytes":null,"bytes_per_second":null}`,
				}[r.URL.Query().Get("region")] + "}"
		}
		answer(w, http.StatusOK, `{"window":{"from":"2026-08-01T11:00:00.5Z","to":"2026-08-01T12:30:00Z"},`+
			`"restore_points":[{"created_at":"2026-08-01T11:00:00.5Z","size_gigabytes":0.1}]`+estimate+`}`)
	})
	mux.HandleFunc("GET /v2/databases/"+shopID+"/history/transactions", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		answer(w, http.StatusOK, `{"transactions":[{"id":"0/3A2F198","committed_at":"2026-08-01T12:03:07.25Z","number":812,"changes":["drop shop.orders"]},`+
			`{"id":"0/3A2F200","committed_at":"2026-08-01T12:03:08Z","number":813,"changes":[]}],"asked":"`+
			q.Get("around")+" "+q.Get("count")+" "+q.Get("schema")+`"}`)
	})
	a.changes(mux)
	mux.HandleFunc("GET /v2/databases/"+forkID+"/events", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"events":[{"message":"It began."},{"message":"The disk is full."}]}`)
	})
	mux.HandleFunc("GET /v2/databases/"+shopID+"/ca", func(w http.ResponseWriter, _ *http.Request) {
		if !a.tls {
			answer(w, http.StatusNotFound, `{"id":"not_found","message":"there is no CA"}`)
			return
		}
		answer(w, http.StatusOK, `{"ca":{"certificate":"`+base64.StdEncoding.EncodeToString([]byte(shopCA))+`"}}`)
	})
	a.Server = httptest.NewUnstartedServer(mux)
	a.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	t.Cleanup(a.Close)
	return a
}

// changes are what shop can be told.
func (a *fakeAPI) changes(mux *http.ServeMux) {
	const shop, user = "/v2/databases/" + shopID, `{"name":"app","role":"normal","password":"fresh","settings":{"mongo_user_settings":{"databases":["shop"],"role":"readOnly"}}}`
	record := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var sent bytes.Buffer
			_, _ = sent.ReadFrom(r.Body)
			text := strings.TrimSpace(r.Method + " " + strings.TrimPrefix(r.URL.EscapedPath(), shop) + " " + sent.String())
			a.changed.Store(&text)
			answer(w, status, body)
		}
	}
	mux.HandleFunc("PUT "+shop+"/resize", record(http.StatusAccepted, ""))
	mux.HandleFunc("PUT "+shop+"/migrate", record(http.StatusAccepted, ""))
	mux.HandleFunc("PUT "+shop+"/ttl", record(http.StatusNoContent, ""))
	mux.HandleFunc("PUT "+shop+"/suspension", record(http.StatusNoContent, ""))
	mux.HandleFunc("POST "+shop+"/swap", record(http.StatusAccepted, ""))
	mux.HandleFunc("GET "+shop+"/events", func(w http.ResponseWriter, _ *http.Request) {
		events := `{"detail":"cluster_online"}`
		if a.changed.Load() != nil {
			events += `,{"detail":"cluster_swap_done","message":"They have."}`
		}
		answer(w, http.StatusOK, `{"events":[`+events+`]}`)
	})
	mux.HandleFunc("PUT "+shop+"/expiry", record(http.StatusOK, `{"expires_at":"2026-08-02T12:00:00Z"}`))
	mux.HandleFunc("GET "+shop+"/users", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"users":[{"name":"doadmin","role":"primary"},`+strings.Replace(user, `"password":"fresh",`, "", 1)+`]}`)
	})
	mux.HandleFunc("POST "+shop+"/users", record(http.StatusCreated, `{"user":`+user+`}`))
	mux.HandleFunc("POST "+shop+"/users/{name}/reset_auth", record(http.StatusOK, `{"user":`+user+`}`))
	mux.HandleFunc("DELETE "+shop+"/users/{name}", record(http.StatusNoContent, ""))
	mux.HandleFunc("GET "+shop+"/firewall", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"rules":[{"uuid":"u","type":"ip_addr","value":"192.0.2.1","description":"office","created_at":"2026-08-01T12:00:00Z"}]}`)
	})
	mux.HandleFunc("PUT "+shop+"/firewall", record(http.StatusNoContent, ""))
}

func (a *fakeAPI) shop() string {
	text := shopJSON
	if a.tls {
		text = strings.Replace(text, "replicaSet=shop", "replicaSet=shop&tls=true", 1)
	}
	if a.expires != "" {
		text = strings.Replace(text, "{", `{"expires_at":"`+a.expires+`",`, 1)
	}
	return text
}

func (a *fakeAPI) fork(status, user, password string) string {
	return fmt.Sprintf(`{"id":%q,"name":"copy","status":%q,"created_at":"2026-08-01T12:00:00Z","not_in_godo":true,`+
		`"connection":{"uri":"mongodb://%s127.0.0.1:27101/admin?authSource=admin&replicaSet=copy","user":"doadmin"%s}}`, forkID, status, user, password)
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// result is what a command line did.
type result struct {
	code           int
	stdout, stderr string
}

// tine runs a command line against an API.
func tine(t *testing.T, url string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	root := newRootCommand()
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetIn(strings.NewReader(""))
	if args[0] == "cluster" || args[0] == "token" {
		args = append(args, "--api", url, "--token", "secret")
	}
	code := run(t.Context(), root, args, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// decode reads the output of -o json.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return object
}
