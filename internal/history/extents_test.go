package history_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"tine/internal/engine"
	"tine/internal/history"
)

// churn fills, changes, empties and shortens tables and indexes, some of which exist when it begins.
func (c *cluster) churn() {
	c.tb.Helper()
	for _, sql := range []string{
		"INSERT INTO churn SELECT n, repeat(md5(n::text), 20), ARRAY[n % 10, n] FROM generate_series(10001, 30000) n",
		"UPDATE churn SET t = t || 'x' WHERE n % 7 = 0",
		"DELETE FROM churn WHERE n > 15000",
		"VACUUM churn", // gives pages at the end back
		"INSERT INTO churn SELECT n, repeat(md5(n::text), 20), ARRAY[n % 10, n] FROM generate_series(30001, 40000) n",
		"TRUNCATE short",
		"INSERT INTO short SELECT n FROM generate_series(1, 50000) n",
		"CREATE TABLE later AS SELECT * FROM churn WHERE n % 2 = 0",
		"CREATE INDEX ON later (n)",
		"DROP TABLE gone",
	} {
		c.exec(sql)
	}
}

// A fork's files are as long as its recovery makes them before it begins, without using space for that; what the recovery makes of them is sound and complete.
func TestFilesAreLengthenedBeforeTheRecovery(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{Budget: 1 << 40})
	c.exec("CREATE TABLE churn (n int PRIMARY KEY, t text, list int[])")
	c.exec("CREATE INDEX ON churn USING gin (list)")
	c.exec("CREATE TABLE short (n int)")
	c.exec("CREATE TABLE gone AS SELECT n, repeat('x', 500) FROM generate_series(1, 10000) n")
	c.exec("INSERT INTO churn SELECT n, repeat(md5(n::text), 20), ARRAY[n % 10, n] FROM generate_series(1, 10000) n")
	c.take(h)
	c.exec("INSERT INTO gone SELECT n, repeat('x', 500) FROM generate_series(1, 10000) n")
	var path string
	var before, after int64
	size := func(bytes *int64) {
		t.Helper()
		if err := c.conn.QueryRow(t.Context(), "SELECT pg_relation_filepath('churn'), pg_relation_size('churn')").Scan(&path, bytes); err != nil {
			t.Fatal(err)
		}
	}
	size(&before)
	c.churn()
	size(&after)
	at := now()
	c.exec("DELETE FROM churn WHERE n % 5 = 0")

	volume := "lengthened-" + c.id
	t.Cleanup(func() { machine.remove(t, volume) })
	r, err := h.Restore(t.Context(), c.src, history.Target{At: at}, "volumes/"+volume)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(machine.pool.VolumePath("volumes/"+volume), "pgdata", path))
	if err != nil {
		t.Fatal(err)
	}
	// VACUUM has shortened the table in between: at its longest it was longer than in the end.
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Size() < after || st.Blocks*512 > before+before/10 {
		t.Errorf("the table's file has %d bytes, of which it occupies %+v; it had %d and was to get %d", info.Size(), st, before, after)
	}
	n := machine.node(volume)
	conn, err := n.StartFresh(t.Context(), r.Recovery)
	if err != nil {
		t.Fatalf("%v\n%s", err, machine.log(volume))
	}
	closeLater(t, conn)
	wantSound(t, n)
	const sums = `SELECT format('%s %s %s %s', (SELECT md5(string_agg(churn::text, '' ORDER BY n)) FROM churn WHERE n % 5 <> 0), (SELECT count(*) FROM short),
		(SELECT md5(string_agg(later::text, '' ORDER BY n)) FROM later WHERE n % 5 <> 0), to_regclass('gone'))`
	var got, want string
	if err := conn.QueryRow(t.Context(), sums).Scan(&got); err != nil {
		t.Fatal(err)
	}
	if err := c.conn.QueryRow(t.Context(), sums).Scan(&want); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("the fork has %s, want %s", got, want)
	}
	var length int64
	if err := conn.QueryRow(t.Context(), "SELECT pg_relation_size('churn')").Scan(&length); err != nil {
		t.Fatal(err)
	}
	if length > after {
		t.Errorf("the table has %d bytes in the fork and %d in its source", length, after)
	}
	(&cluster{tb: t, node: n, conn: conn}).exec("INSERT INTO churn SELECT n, 'new', '{1}' FROM generate_series(100001, 120000) n")
	wantSound(t, n)
}

// wantSound has PostgreSQL check all tables and B-trees of a node.
func wantSound(t *testing.T, n *engine.Node) {
	t.Helper()
	conn := connect(t, n)
	for _, sql := range []string{
		"CREATE EXTENSION IF NOT EXISTS amcheck",
		`SELECT bt_index_check(c.oid, heapallindexed => true) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
			WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p'`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	var damage string
	err := conn.QueryRow(t.Context(), `SELECT coalesce(string_agg(format('%s: %s', c.relname, h.msg), ', '), '') FROM pg_class c, verify_heapam(c.oid) h
		WHERE c.relkind = 'r' AND c.relpersistence = 'p'`).Scan(&damage)
	if err != nil || damage != "" {
		t.Error("tables are damaged:", damage, err)
	}
}

// The indexes of segments say how far their records reach, whether they are read or made again.
func TestExtentsOutliveTheirEncoding(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{Budget: 1 << 40})
	c.bulk(1)
	c.take(h)
	c.bulk(40)
	c.archive(t, h)
	at := now()
	c.insert(1)
	lengths := func(name string) string {
		t.Helper()
		t.Cleanup(func() { machine.remove(t, name) })
		if _, err := h.Restore(t.Context(), c.src, history.Target{At: at}, "volumes/"+name); err != nil {
			t.Fatal(err)
		}
		var path string
		if err := c.conn.QueryRow(t.Context(), "SELECT pg_relation_filepath('bulk')").Scan(&path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(machine.pool.VolumePath("volumes/"+name), "pgdata", path))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(info.Size())
	}
	read := lengths("read-" + c.id)
	if err := os.RemoveAll(filepath.Join(machine.pool.Path(), "history", c.src.HistoryID, "commits")); err != nil {
		t.Fatal(err)
	}
	made := lengths("made-" + c.id)
	var size string
	if err := c.conn.QueryRow(t.Context(), "SELECT pg_relation_size('bulk')::text").Scan(&size); err != nil {
		t.Fatal(err)
	}
	if read != made || len(read) != len(size) {
		t.Errorf("by the indexes the file has %s bytes, by new ones %s; the source's has %s", read, made, size)
	}
}

// What was written and given back before the restore point, in the segment with which its log begins, makes no file longer.
func TestFilesThatWereShortenedBeforeTheRestorePointStayShort(t *testing.T) {
	t.Parallel()
	c, h := newCluster(t), newHistory(history.Config{Budget: 1 << 40})
	c.exec("CREATE TABLE shrunk (n int, t text)")
	c.exec("SELECT pg_switch_wal()") // all of it in one segment
	c.exec("INSERT INTO shrunk SELECT n, repeat('x', 500) FROM generate_series(1, 5000) n")
	c.exec("DELETE FROM shrunk WHERE n > 100")
	c.exec("VACUUM shrunk")
	c.take(h)
	c.insert(1)
	at := now()
	c.insert(2)
	const size = "SELECT pg_relation_size('shrunk')"
	var want, got int64
	if err := c.conn.QueryRow(t.Context(), size).Scan(&want); err != nil {
		t.Fatal(err)
	}
	for _, archived := range []bool{false, true} {
		if archived {
			c.archive(t, h)
		}
		n, _ := c.forkAt(h, at)
		if err := connect(t, n).QueryRow(t.Context(), size).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want || want > 100<<10 {
			t.Errorf("the table has %d bytes in the fork and %d in its source", got, want)
		}
	}
}
