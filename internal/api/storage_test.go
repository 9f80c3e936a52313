package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tine/internal/store"
)

// What a cluster occupies is what its host has measured, with the log as its own.
func TestStorageIsWhatWasMeasuredLast(t *testing.T) {
	t.Parallel()
	b := setup(t)
	db := b.online(t, "shop")
	path := "/v2/databases/" + db.ID + "/storage"
	const nothing = `{"storage":{"storage_size_mib":15360,"writes_blocked":false,"exclusive_bytes":0,"shared_bytes":0,` +
		`"history":{"restore_points_bytes":0,"wal_bytes":0},"measured_at":null}}`
	if got := strings.TrimSpace(b.do(t, http.MethodGet, path, "").body); got != nothing {
		t.Errorf("before any measurement: %s", got)
	}
	if got := b.do(t, http.MethodGet, "/v2/databases", "").body; strings.Contains(got, "exclusive_bytes") {
		t.Errorf("the list knows what was never measured: %s", got)
	}
	err := b.store.SetClusterSpace(t.Context(), []store.ClusterSpace{{
		ClusterID: db.ID, ExclusiveBytes: 1 << 30, SharedBytes: 2, PointsBytes: 3, WALBytes: 4, MeasuredAt: time.Date(2026, 8, 10, 11, 0, 0, 0, time.UTC),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.SetOverStorage(t.Context(), db.ID, true, "It is full."); err != nil {
		t.Fatal(err)
	}
	const want = `{"storage":{"storage_size_mib":15360,"writes_blocked":true,"exclusive_bytes":1073741828,"shared_bytes":2,` +
		`"history":{"restore_points_bytes":3,"wal_bytes":4},"measured_at":"2026-08-10T11:00:00Z"}}`
	if got := strings.TrimSpace(b.do(t, http.MethodGet, path, "").body); got != want {
		t.Errorf("answer\n%s, want\n%s", got, want)
	}
	for _, path := range []string{"/v2/databases", "/v2/databases/" + db.ID} {
		if got := b.do(t, http.MethodGet, path, "").body; !strings.Contains(got, `"exclusive_bytes":1073741828,"shared_bytes":2`) {
			t.Errorf("%s does not say what the cluster occupies: %s", path, got)
		}
	}
	b.do(t, http.MethodGet, "/v2/databases/nope/storage", "").wantError(t, http.StatusNotFound, "not_found", `there is no cluster with the id "nope"`)
}
