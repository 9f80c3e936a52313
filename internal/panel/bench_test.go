package panel_test

import (
	"net/http"
	"testing"
	"time"

	"tine/internal/store"
)

// crowd is how many clusters a benchmark's fleet has.
const crowd = 1000

// BenchmarkPages renders each page with 1,000 clusters, a quarter of which are forks; the one that is looked at has a week of history and samples.
func BenchmarkPages(b *testing.B) {
	set := setup(b)
	id := set.fill(b)
	w := set.loggedIn(b, store.ScopeAdmin)
	database := "/databases/" + id
	for _, path := range []string{
		"/databases", "/databases?q=cluster-05", "/databases?page=20", "/databases/new", database, database + "/users", database + "/history", database + "/insights?range=1h",
		database + "/insights?range=24h", database + "/insights?range=7d", database + "/logs", database + "/events", database + "/settings", database + "/resize",
		database + "/fork", database + "/destroy", "/billing", "/tokens", "/audit",
	} {
		b.Run(path[:min(len(path), len("/databases"))]+tail(path, id), func(b *testing.B) {
			for b.Loop() {
				if a := w.get(b, path); a.status != http.StatusOK {
					b.Fatalf("%s: %d\n%s", path, a.status, a.body)
				}
			}
		})
	}
}

// tail is a path without the cluster's id.
func tail(path, id string) string {
	const list = "/databases"
	if len(path) <= len(list) {
		return ""
	}
	rest := path[len(list):]
	if len(rest) > len(id) && rest[1:len(id)+1] == id {
		return "/ID" + rest[len(id)+1:]
	}
	return rest
}

// fill makes the clusters by SQL, which is quicker than asking for each, and returns the id of one with a long history.
func (b *bundle) fill(tb testing.TB) string {
	tb.Helper()
	first := b.online(tb, "backend")
	exec := func(sql string, args ...any) {
		tb.Helper()
		if _, err := b.store.Pool().Exec(tb.Context(), sql, args...); err != nil {
			tb.Fatal(err)
		}
	}
	exec(`INSERT INTO tine.clusters (id, name, engine, version, region, size, num_nodes, storage_mib, status, created_at, requested_at, host, port, doadmin_verifier,
			node_id, history_id, node_size, tags, source_id, source_name)
		SELECT gen_random_uuid(), 'cluster-' || to_char(n, 'FM0000'), 'mongodb', '8', 'nyc1', 'db-s-1vcpu-1gb', 1, 15360, 'online', $2, $2, 'local', 28000 + n, 'x',
			gen_random_uuid(), gen_random_uuid(), 'db-s-1vcpu-1gb', ARRAY['prod'], CASE WHEN n % 4 = 0 THEN $1::uuid END, CASE WHEN n % 4 = 0 THEN 'backend' ELSE '' END
		FROM generate_series(1, $3::int) AS n`, first.ID, now.Add(-7*24*time.Hour), crowd-1)
	exec(`INSERT INTO tine.usage (cluster_id, cluster_name, project_id, source_id, source_name, size, num_nodes, storage_mib, monthly_price, shared_bytes, from_at)
		SELECT id, name, '', source_id, source_name, size, 1, storage_mib, 15000000, CASE WHEN source_id IS NULL THEN 0 ELSE 1073741824 END, $1 FROM tine.clusters WHERE name LIKE 'cluster-%'`, now.Add(-5*24*time.Hour))
	exec(`INSERT INTO tine.restore_points (cluster_id, volume, started_at, completed_at, redo_lsn, end_lsn, marker_lsn, timeline, size_bytes)
		SELECT c.id, 'v', $1::timestamptz - n * interval '1 hour', $1::timestamptz - n * interval '1 hour', 1000000000 - n * 1000000, 1000000000 - n * 1000000, 1000000000 - n * 1000000, 1, 1 << 30
		FROM tine.clusters c, generate_series(0, 167) AS n WHERE c.name = 'backend' OR n < 2`, now.Add(-time.Minute))
	exec(`INSERT INTO tine.events (cluster_id, cluster_name, type, message, created_at)
		SELECT $1, 'backend', 'drop', 'The collection shop.orders' || n || ' was dropped.', $2::timestamptz - n * interval '1 hour' FROM generate_series(1, 160) AS n`, first.ID, now)
	// As the sampler leaves them: a day of minutes, and ten minutes before.
	exec(`INSERT INTO tine.samples (cluster_id, at, span_seconds, connections, reads, writes, commands, busy_micros, slow_micros, cpu_micros, memory_bytes, storage_bytes, lsn)
		SELECT $1, $2::timestamptz - n * interval '1 minute', 60, 10 + n % 7, n % 1000, n % 300, n % 10, 100000, 2500, 3000000, 1 << 28, 1 << 30, 1000000000 - n * 20000
		FROM generate_series(0, 10079) AS n WHERE n < 1500 OR n % 10 = 0`, first.ID, now)
	exec(`INSERT INTO tine.audit (at, token_id, token_name, remote, request_id, action, path)
		SELECT $1, gen_random_uuid(), 'ci', '127.0.0.1', n::text, 'POST /v2/databases', '/v2/databases' FROM generate_series(1, 1000) AS n`, now)
	exec("ANALYZE tine.clusters, tine.samples, tine.restore_points, tine.events, tine.usage, tine.audit")
	return first.ID
}

// The first page, as somebody loads it who was never here: all that the browser asks for, compressed.
func TestTheFirstPageIsSmall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.browser(t)
	const most = 50_000
	total := 0
	for _, path := range append(assetPath.FindAllString(w.get(t, "/login").body, -1), "/login") {
		body := w.do(t, http.MethodGet, path, "", "Accept-Encoding", "gzip").body
		total += len(body)
		t.Logf("%6d %s", len(body), path)
	}
	if total < most/5 || total > most {
		t.Errorf("the first page takes %d bytes, want at most %d", total, most)
	}
}
