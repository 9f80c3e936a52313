package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"tine/internal/api"
	"tine/internal/catalog"
	"tine/internal/store"
)

const valid = `{"name":"prod","engine":"mongodb","version":"8","size":"db-s-1vcpu-1gb","region":"nyc1","num_nodes":1}`

func TestDatabaseHasEveryFieldThatClientsRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// With everything that godo always sends, and something that nobody knows.
	body := strings.TrimSuffix(valid, "}") + `,"private_network_uuid":"","project_id":"","rules":null,"tags":null,"surprise":{"a":1}}`
	a := b.do(t, http.MethodPost, "/v2/databases", body)
	if a.status != http.StatusCreated {
		t.Fatalf("answer %d %s", a.status, a.body)
	}
	database, _ := a.json(t)["database"].(map[string]any)
	for _, field := range []string{
		"id", "name", "engine", "version", "semantic_version", "num_nodes", "size", "region", "status", "created_at", "private_network_uuid",
		"tags", "db_names", "connection", "private_connection", "users", "maintenance_window", "project_id", "rules",
		"version_end_of_life", "storage_size_mib", "metrics_endpoints", "autoscale", "storage_autoscale", "do_settings",
	} {
		if database[field] == nil {
			t.Errorf("%s is missing or null", field)
		}
	}
	if got := database["created_at"]; got != "2026-08-10T12:00:00Z" {
		t.Errorf("created_at %v", got)
	}
	if !strings.Contains(a.body, `authSource=admin&replicaSet=prod"`) {
		t.Errorf("the URI is escaped: %s", a.body)
	}
}

func TestBrokenRequestsAreRefusedInWords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	replace := func(old, replacement string) string { return strings.Replace(valid, old, replacement, 1) }
	tests := map[string]struct {
		method, path, body string
		status             int
		id, message        string
	}{
		"wrong type":       {"POST", "/v2/databases", replace(`"num_nodes":1`, `"num_nodes":"1"`), 422, "unprocessable_entity", "num_nodes must be a whole number; got string"},
		"fraction":         {"POST", "/v2/databases", replace(`"num_nodes":1`, `"num_nodes":1.5`), 422, "unprocessable_entity", "num_nodes must be a whole number; got number 1.5"},
		"wrong nested":     {"POST", "/v2/databases", replace(`"num_nodes":1`, `"backup_restore":{"database_name":7}`), 422, "unprocessable_entity", "backup_restore.database_name must be a string; got number"},
		"wrong list":       {"POST", "/v2/databases", replace(`"num_nodes":1`, `"tags":"red"`), 422, "unprocessable_entity", "tags must be a list; got string"},
		"no object":        {"POST", "/v2/databases", `[]`, 422, "unprocessable_entity", "the body must be an object; got array"},
		"no JSON":          {"POST", "/v2/databases", `{`, 400, "bad_request", "the body must be a JSON object: unexpected end of JSON input"},
		"nothing":          {"POST", "/v2/databases", ``, 400, "bad_request", "the body must be a JSON object: unexpected end of JSON input"},
		"too large":        {"POST", "/v2/databases", replace("prod", strings.Repeat("x", 1<<20)), 413, "payload_too_large", "the body must have at most 1048576 bytes"},
		"NUL in the name":  {"POST", "/v2/databases", replace("prod", `pr\u0000od`), 422, "unprocessable_entity", `name must be 3 to 63 characters of lower-case letters, digits, hyphens and periods; "pr\x00od" has "\x00"`},
		"NUL in source":    {"POST", "/v2/databases", replace(`"num_nodes":1`, `"num_nodes":1,"backup_restore":{"database_name":"a\u0000"}`), 404, "not_found", `backup_restore.database_name must name an existing cluster; there is no "a\x00"`},
		"unknown id":       {"GET", "/v2/databases/nope", "", 404, "not_found", `there is no cluster with the id "nope"`},
		"unknown history":  {"GET", "/v2/databases/nope/history", "", 404, "not_found", `there is no cluster with the id "nope"`},
		"unknown events":   {"GET", "/v2/databases/nope/events", "", 404, "not_found", `there is no cluster with the id "nope"`},
		"unknown backups":  {"GET", "/v2/databases/nope/backups", "", 404, "not_found", `there is no cluster with the id "nope"`},
		"unknown path":     {"GET", "/v2/droplets", "", 404, "not_found", "the resource you requested could not be found: there is no path /v2/droplets"},
		"method":           {"PATCH", "/v2/databases", "", 405, "method_not_allowed", "the method must be GET, POST for this path; got PATCH"},
		"page":             {"GET", "/v2/databases?page=0", "", 422, "unprocessable_entity", "page must be a whole number from 1 to 1000000"},
		"per_page":         {"GET", "/v2/databases?per_page=201", "", 422, "unprocessable_entity", "per_page must be a whole number from 1 to 200"},
		"flag":             {"GET", "/v2/databases?include_destroying=maybe", "", 422, "unprocessable_entity", "include_destroying must be true or false"},
		"tokens for admin": {"GET", "/v2/tokens", "", 403, "forbidden", "You are missing the required permission admin."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b.do(t, tt.method, tt.path, tt.body).wantError(t, tt.status, tt.id, tt.message)
		})
	}
	if _, total, err := b.store.Clusters(t.Context(), store.Page{Number: 1, Size: 10}); err != nil || total != 0 {
		t.Errorf("%d clusters, %v; the refused requests made some", total, err)
	}
	if strings.Contains(b.log.String(), "level=ERROR") {
		t.Errorf("a user's mistake was logged as ours:\n%s", b.log)
	}
}

func TestPagesLeadToEachOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for n := range 3 {
		b.clock.Advance(time.Second)
		if a := b.do(t, http.MethodPost, "/v2/databases", strings.Replace(valid, "prod", fmt.Sprintf("prod-%d", n), 1)); a.status != http.StatusCreated {
			t.Fatal(a.body)
		}
	}
	body := b.do(t, http.MethodGet, "/v2/databases?page=2&per_page=1", "").json(t)
	list, _ := body["databases"].([]any)
	if len(list) != 1 || member(list[0], "name") != "prod-1" {
		t.Errorf("second page is %v", list)
	}
	pages, _ := member(body["links"], "pages").(map[string]any)
	for name, number := range map[string]int{"first": 1, "prev": 1, "next": 3, "last": 3} {
		if want := fmt.Sprintf("%s/v2/databases?page=%d&per_page=1", b.url, number); pages[name] != want {
			t.Errorf("link %s is %v, want %s", name, pages[name], want)
		}
	}
	if total := member(body["meta"], "total"); total != 3.0 {
		t.Errorf("total %v", total)
	}
	all := b.do(t, http.MethodGet, "/v2/databases", "").json(t)
	if list, _ := all["databases"].([]any); len(list) != 3 || member(all["links"], "pages") != nil {
		t.Errorf("all databases: %v", all)
	}
	named := b.do(t, http.MethodGet, "/v2/databases?name=prod-2", "").json(t)
	if list, _ := named["databases"].([]any); len(list) != 1 || member(list[0], "name") != "prod-2" {
		t.Errorf("by name: %v", named)
	}
}

func TestNonsenseInTheQueryFindsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.online(t, "prod")
	for _, query := range []string{"name=%00", "name=%ff", "tag_name=%00", "tag_name=%ff", "tag_name='", "name=nobody", "page=1000000"} {
		a := b.do(t, http.MethodGet, "/v2/databases?"+query, "")
		if list, isList := a.json(t)["databases"].([]any); a.status != http.StatusOK || !isList || len(list) != 0 {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
}

func TestDestroyingDatabasesAreSeenOnRequestOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	db := b.online(t, "prod")
	if a := b.do(t, http.MethodDelete, "/v2/databases/"+db.ID, ""); a.status != http.StatusNoContent || a.body != "" {
		t.Fatalf("answer %d %q", a.status, a.body)
	}
	for path, want := range map[string]int{
		"/v2/databases/" + db.ID: 404, "/v2/databases/" + db.ID + "?include_destroying=true": 200,
		"/v2/databases/" + db.ID + "/backups": 404, "/v2/databases/" + db.ID + "/history": 404, "/v2/databases/" + db.ID + "/events": 200,
	} {
		if a := b.do(t, http.MethodGet, path, ""); a.status != want {
			t.Errorf("GET %s is %d, want %d", path, a.status, want)
		}
	}
	for query, want := range map[string]int{"": 0, "?name=prod": 0, "?include_destroying=true": 1, "?name=prod&include_destroying=true": 1} {
		list, _ := b.do(t, http.MethodGet, "/v2/databases"+query, "").json(t)["databases"].([]any)
		if len(list) != want {
			t.Errorf("list%s has %d databases, want %d", query, len(list), want)
		}
	}
}

func TestHistoryNamesTheWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	db := b.online(t, "prod")
	got := strings.TrimSpace(b.do(t, http.MethodGet, "/v2/databases/"+db.ID+"/history", "").body)
	want := `{"window":{"from":"2026-08-10T11:00:00.25Z","to":"2026-08-10T12:00:00.25Z"},"restore_points":[{"created_at":"2026-08-10T11:00:00.25Z","size_gigabytes":1.5}]}`
	if got != want {
		t.Errorf("history\n%s, want\n%s", got, want)
	}
	created := b.do(t, http.MethodPost, "/v2/databases", strings.Replace(valid, "prod", "young", 1)).json(t)
	id, _ := created["database"].(map[string]any)["id"].(string)
	got = strings.TrimSpace(b.do(t, http.MethodGet, "/v2/databases/"+id+"/history", "").body)
	if got != `{"window":null,"restore_points":[]}` {
		t.Errorf("history of a cluster without any: %s", got)
	}
}

func TestHistoryEstimatesAForkAtAMoment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	db := b.online(t, "prod")
	path := "/v2/databases/" + db.ID + "/history"
	for at, moment := range map[string]string{
		"latest": "2026-08-10T12:00:00.25Z", "2026-08-10T11:30:00.000001Z": "2026-08-10T11:30:00.000001Z",
		"2026-08-10T13:30:00%2B02:00": "2026-08-10T11:30:00Z",
	} {
		body := b.do(t, http.MethodGet, path+"?at="+at, "").json(t)
		estimate, _ := body["estimate"].(map[string]any)
		seconds, _ := estimate["seconds"].(float64)
		bytes, there := estimate["replay_bytes"].(float64)
		if body["window"] == nil || estimate["at"] != moment || !there || bytes < 0 || seconds <= 0 || seconds > 60 {
			t.Errorf("at=%s: %v, want an estimate for %s", at, body, moment)
		}
	}
	b.do(t, http.MethodGet, path+"?at=2026-08-10T10:00:00Z", "").wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity",
		`at must be between 2026-08-10T11:00:00.25Z and 2026-08-10T12:00:00.25Z, the history of "prod"; got 2026-08-10T10:00:00Z`)
	b.do(t, http.MethodGet, path+"?at=latest&region=moon1", "").wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity",
		`region must be one of nyc1; got "moon1"`)
	b.do(t, http.MethodGet, path+"?region=nyc1", "").wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity",
		"region must come with at, the moment of the fork that is estimated")
	b.do(t, http.MethodGet, path+"?at=noon", "").wantError(t, http.StatusUnprocessableEntity, "unprocessable_entity",
		`at must be a time like 2026-08-01T18:42:27.123456Z; got "noon"`)
	b.do(t, http.MethodGet, "/v2/databases/nope/history?at=latest", "").wantError(t, http.StatusNotFound, "not_found",
		`there is no cluster with the id "nope"`)
	created := b.do(t, http.MethodPost, "/v2/databases", strings.Replace(valid, "prod", "young", 1)).json(t)
	id, _ := created["database"].(map[string]any)["id"].(string)
	b.do(t, http.MethodGet, "/v2/databases/"+id+"/history?at=latest", "").wantError(t, http.StatusPreconditionFailed, "precondition_failed",
		`the cluster "young" must be online; it is still being created`)
}

// A fork in a region whose data are on another disk is estimated with what is sent there; one in the region of its source, or where the data are on the same disk, is not.
func TestHistoryEstimatesWhatIsSentToAnotherRegion(t *testing.T) {
	t.Parallel()
	var offered *catalog.Catalog
	b := setup(t, func(cfg *api.Config) { offered = cfg.Fleet.Catalog() })
	offered.Regions = append(offered.Regions, catalog.Region{Slug: "fra1"}, catalog.Region{Slug: "ams3"})
	db := b.online(t, "prod")
	for region, sent := range map[string]bool{"fra1": true, "ams3": false, "nyc1": false} {
		body := b.do(t, http.MethodGet, "/v2/databases/"+db.ID+"/history?at=latest&region="+region, "").json(t)
		estimate, _ := body["estimate"].(map[string]any)
		send, _ := estimate["send"].(map[string]any)
		if !sent {
			if estimate == nil || send != nil {
				t.Errorf("%s: the estimate is %v, want nothing to be sent", region, estimate)
			}
			continue
		}
		replay, _ := estimate["replay_bytes"].(float64)
		bytes, _ := send["bytes"].(float64)
		seconds, _ := estimate["seconds"].(float64)
		const pace = 200 << 20
		if send["region"] != region || bytes <= replay || send["bytes_per_second"] != float64(pace) || seconds < bytes/pace {
			t.Errorf("%s: the estimate is %v", region, estimate)
		}
	}
}

func TestTokensAreMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.secret = b.token(t, store.ScopeAdmin)
	a := b.do(t, http.MethodPost, "/v2/tokens", `{"name":"ci","scopes":["tag:read","database:read"],"expires_at":"2126-01-01T00:00:00Z"}`)
	made, _ := a.json(t)["token"].(map[string]any)
	secret, _ := made["secret"].(string)
	if a.status != http.StatusCreated || !reflect.DeepEqual(made["scopes"], []any{"database:read", "tag:read"}) || made["expires_at"] != "2126-01-01T00:00:00Z" || secret == "" {
		t.Fatalf("answer %d %s", a.status, a.body)
	}
	use := func() int {
		return b.do(t, http.MethodGet, "/v2/databases", "", "Authorization", "bearer "+secret).status
	}
	if got := use(); got != http.StatusOK {
		t.Errorf("the new token gets %d", got)
	}
	list := b.do(t, http.MethodGet, "/v2/tokens", "")
	if strings.Contains(list.body, "tine_v1_") || !strings.Contains(list.body, `"name":"ci"`) {
		t.Errorf("tokens %s", list.body)
	}
	b.do(t, http.MethodPost, "/v2/tokens", `{"name":"ci","scopes":["tag:read","database:read"],"expires_at":"2126-01-01T00:00:00Z"}`).wantError(t, 422, "unprocessable_entity", `name must be unique; there is a token "ci" already`)
	b.do(t, http.MethodPost, "/v2/tokens", `{"name":"x","scopes":["root"]}`).wantError(t, 422, "unprocessable_entity", `scopes must be one of `+strings.Join(store.Scopes(), ", ")+`, write, read; got "root"`)
	b.do(t, http.MethodPost, "/v2/tokens", `{"name":"x","scopes":["read"],"expires_at":"2020-01-01T00:00:00Z"}`).
		wantError(t, 422, "unprocessable_entity", `expires_at must be in the future; got 2020-01-01T00:00:00Z`)
	b.do(t, http.MethodPost, "/v2/tokens", `{"scopes":["read"]}`).wantError(t, 422, "unprocessable_entity", `name must be 1 to 100 characters; "" has 0`)
	id, _ := made["id"].(string)
	if a := b.do(t, http.MethodDelete, "/v2/tokens/"+id, ""); a.status != http.StatusNoContent {
		t.Errorf("revoking: %d %s", a.status, a.body)
	}
	if got := use(); got != http.StatusUnauthorized {
		t.Errorf("the revoked token gets %d", got)
	}
	b.do(t, http.MethodDelete, "/v2/tokens/"+id, "").wantError(t, 404, "not_found", `there is no token with the id "`+id+`"`)
	if strings.Contains(b.log.String(), "tine_v1_") {
		t.Error("a secret is in the log")
	}
}

func TestRateLimitHoldsPerToken(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) { c.HourlyLimit, c.MinuteLimit = 10, 3 })
	other := b.token(t, store.ScopeRead)
	get := func(secret string) answer {
		return b.do(t, http.MethodGet, "/v2/databases/options", "", "Authorization", "Bearer "+secret)
	}
	for left := 9; left >= 7; left-- {
		a := get(b.secret)
		reset, _ := strconv.ParseInt(a.header.Get("ratelimit-reset"), 10, 64)
		if a.status != http.StatusOK || a.header.Get("ratelimit-limit") != "10" || a.header.Get("ratelimit-remaining") != strconv.Itoa(left) || reset <= now.Unix() {
			t.Errorf("answer %d, headers %v, want %d remaining", a.status, a.header, left)
		}
	}
	limited := get(b.secret)
	limited.wantError(t, 429, "too_many_requests", "API rate limit exceeded: a token may make 10 requests an hour and 3 a minute; try again in 20 s")
	if limited.header.Get("retry-after") != "20" || limited.header.Get("ratelimit-remaining") != "7" {
		t.Errorf("headers %v", limited.header)
	}
	if a := get(other); a.status != http.StatusOK {
		t.Errorf("another token's limit was spent: %d", a.status)
	}
	b.clock.Advance(20 * time.Second)
	if a := get(b.secret); a.status != http.StatusOK {
		t.Errorf("after retry-after: %d", a.status)
	}
	b.clock.Advance(time.Hour)
	if a := get(b.secret); a.header.Get("ratelimit-remaining") != "9" {
		t.Errorf("after an hour: %v", a.header)
	}
}

func TestAdminTokensHaveNoLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) { c.HourlyLimit, c.MinuteLimit = 1, 1 })
	b.secret = b.token(t, store.ScopeAdmin)
	for range 20 {
		if a := b.do(t, http.MethodGet, "/v2/databases", ""); a.status != http.StatusOK {
			t.Fatalf("answer %d %s", a.status, a.body)
		}
	}
}

func TestHealthNeedsNoToken(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) { c.Ready = func(context.Context) error { return errors.New("the host converges") } })
	if a := b.do(t, http.MethodGet, "/healthz", "", "Authorization", ""); a.status != http.StatusOK {
		t.Errorf("healthz %d", a.status)
	}
	b.do(t, http.MethodGet, "/readyz", "", "Authorization", "").wantError(t, 503, "service_unavailable", "not ready: the host converges")
}

func TestRequestIDsAreKeptIfSane(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if got := b.do(t, http.MethodGet, "/healthz", "", "X-Request-Id", "my-id.1").header.Get("X-Request-Id"); got != "my-id.1" {
		t.Errorf("request id %q, want the client's", got)
	}
	for _, odd := range []string{"two words", strings.Repeat("x", 65)} {
		if got := b.do(t, http.MethodGet, "/healthz", "", "X-Request-Id", odd).header.Get("X-Request-Id"); got == odd || got == "" {
			t.Errorf("request id %q was kept", odd)
		}
	}
}

// failing is a store that cannot be reached.
type failing struct{}

func (failing) Authenticate(context.Context, string) (store.Token, error) {
	return store.Token{}, errors.New("connect to /secret/path: refused")
}

func TestOurFailuresSayNothingToClients(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *api.Config) { c.Auth = failing{} })
	b.do(t, http.MethodGet, "/v2/databases", "").wantError(t, 500, "server_error", "Server Error")
	if !strings.Contains(b.log.String(), "/secret/path") {
		t.Errorf("the log does not say why: %s", b.log)
	}
}

// member is what a JSON object has under a name; nil if it has nothing or is no object.
func member(object any, name string) any {
	fields, _ := object.(map[string]any)
	return fields[name]
}
