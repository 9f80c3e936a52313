package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestAuditLogIsReadNewestFirstByCluster(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	at := time.Date(2026, 8, 1, 14, 3, 0, 0, time.UTC)
	about, made := uuid.NewString(), uuid.NewString()
	record := store.AuditRecord{
		At: at, TokenID: uuid.NewString(), TokenName: "ci", Remote: "192.0.2.1", RequestID: "r", Action: "POST /v2/databases", Path: "/v2/databases",
	}
	creation := must(s.BeginAudit(t.Context(), record))(t)
	if err := s.EndAudit(t.Context(), creation, store.AuditOutcome{At: at.Add(time.Second), Status: 201, ClusterID: made}); err != nil {
		t.Fatal(err)
	}
	record.ClusterID = about
	interrupted := must(s.BeginAudit(t.Context(), record))(t)

	all := must(s.Audit(t.Context(), store.AuditPage{Size: 10}))(t)
	if len(all) != 2 || all[0].ID != interrupted || all[0].Outcome != nil || all[1].Outcome == nil || all[1].Outcome.Status != 201 || all[1].ClusterID != made {
		t.Errorf("audit log %+v", all)
	}
	for cluster, want := range map[string]int64{about: interrupted, made: creation} {
		if list := must(s.Audit(t.Context(), store.AuditPage{ClusterID: cluster, Size: 10}))(t); len(list) != 1 || list[0].ID != want {
			t.Errorf("audit log of %s: %+v, want record %d", cluster, list, want)
		}
	}
	if list := must(s.Audit(t.Context(), store.AuditPage{Before: interrupted, Size: 1}))(t); len(list) != 1 || list[0].ID != creation {
		t.Errorf("second page: %+v", list)
	}
}

func TestAuditLogCannotBeChanged(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for _, statement := range []string{
		"UPDATE tine.audit SET token_name = 'x'", "DELETE FROM tine.audit", "TRUNCATE tine.audit CASCADE",
		"UPDATE tine.audit_outcomes SET status = 1", "DELETE FROM tine.audit_outcomes",
	} {
		if _, err := s.Pool().Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v, want a refusal", statement, err)
		}
	}
}
