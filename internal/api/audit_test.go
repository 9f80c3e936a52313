package api_test

import (
	"net/http"
	"testing"

	"tine/internal/store"
)

func TestChangesAreInTheAuditLogAndReadsAreNot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	created := b.do(t, http.MethodPost, "/v2/databases", valid, "X-Request-Id", "first")
	id, _ := member(created.json(t)["database"], "id").(string)
	b.do(t, http.MethodPost, "/v2/databases", valid)
	b.do(t, http.MethodGet, "/v2/databases/"+id, "")
	b.do(t, http.MethodDelete, "/v2/databases/"+id, "")
	b.do(t, http.MethodGet, "/v2/audit", "").wantError(t, 403, "forbidden", "You are missing the required permission admin.")

	b.secret = b.token(t, store.ScopeAdmin)
	records, _ := b.do(t, http.MethodGet, "/v2/audit", "").json(t)["audit"].([]any)
	if len(records) != 3 {
		t.Fatalf("audit log has %d records, want 3: %v", len(records), records)
	}
	for i, want := range []struct {
		action, cluster string
		status          float64
	}{
		{"DELETE /v2/databases/{id}", id, 204},
		{"POST /v2/databases", "", 422},
		{"POST /v2/databases", id, 201},
	} {
		got := records[i]
		cluster, _ := member(got, "cluster_id").(string)
		if member(got, "action") != want.action || cluster != want.cluster || member(member(got, "outcome"), "status") != want.status ||
			member(got, "token_name") != "write" || member(got, "remote") != "127.0.0.1" {
			t.Errorf("record %d: %v, want %+v", i, got, want)
		}
	}
	if member(records[2], "request_id") != "first" || member(member(records[1], "outcome"), "message") == nil {
		t.Errorf("records %v", records)
	}
	before, _ := member(records[1], "id").(string)
	if older, _ := b.do(t, http.MethodGet, "/v2/audit?cluster_id="+id+"&before="+before, "").json(t)["audit"].([]any); len(older) != 1 {
		t.Errorf("older records of the cluster: %v", older)
	}
}
