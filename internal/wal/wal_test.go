package wal_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
	"tine/internal/testnode"
	"tine/internal/wal"
)

// log is the write-ahead log of a node of the test's own, and a superuser's connection to it.
type log struct {
	t    *testing.T
	node *testnode.Node
	conn *pgx.Conn
}

func newLog(t *testing.T) *log {
	t.Helper()
	l := &log{t: t, node: testnode.Start(t)}
	cfg, err := pgx.ParseConfig("host=/run/tine user=postgres dbname=postgres")
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc = engine.Dialer(l.node.SocketDir)
	if l.conn, err = pgx.ConnectConfig(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.conn.Close(context.WithoutCancel(t.Context())) })
	l.exec("ALTER SYSTEM SET wal_keep_size = '1GB'") // the tests read what is in pg_wal
	l.exec("SELECT pg_reload_conf()")
	return l
}

func (l *log) exec(sql string, args ...any) {
	l.t.Helper()
	if _, err := l.conn.Exec(l.t.Context(), sql, args...); err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
}

func (l *log) lsn(sql string) wal.LSN {
	l.t.Helper()
	var text string
	if err := l.conn.QueryRow(l.t.Context(), sql).Scan(&text); err != nil {
		l.t.Fatal(err)
	}
	lsn, err := wal.ParseLSN(text)
	if err != nil {
		l.t.Fatal(err)
	}
	return lsn
}

// insertEnd is where the log ends, all of it in its files.
func (l *log) insertEnd() wal.LSN {
	l.t.Helper()
	l.exec("SELECT pg_logical_emit_message(true, 'end', '')") // its commit flushes
	return l.lsn("SELECT pg_current_wal_flush_lsn()::text")
}

func (l *log) open(s wal.Segment) (*os.File, error) {
	return os.Open(filepath.Join(engine.WALDir(l.node.VolumePath), s.Name()))
}

func (l *log) reader(from wal.LSN) *wal.Reader {
	r := wal.NewReader(l.open, 1, from)
	l.t.Cleanup(func() { _ = r.Close() })
	return r
}

// records reads up to the end of the log.
func (l *log) records(from wal.LSN) []wal.Record {
	l.t.Helper()
	r := l.reader(from)
	var all []wal.Record
	for {
		rec, err := r.Next()
		if errors.Is(err, wal.ErrEnd) {
			return all
		}
		if err != nil {
			l.t.Fatal(err)
		}
		rec.Data = nil
		all = append(all, rec)
	}
}

// PostgreSQL's own reader of its log is the judge.
func TestEveryRecordIsReadAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.exec("CREATE EXTENSION pg_walinspect")
	from := wal.SegmentOf(1, l.lsn("SELECT pg_current_wal_insert_lsn()::text")).Begin() + wal.SegmentSize
	l.exec("SELECT pg_switch_wal()")
	l.exec("CREATE TABLE t (n int PRIMARY KEY, x text)")
	for range 3 {
		l.exec("INSERT INTO t SELECT n + coalesce((SELECT max(n) FROM t), 0), repeat('x', n % 2000) FROM generate_series(1, 5000) n")
		l.exec("CHECKPOINT") // the next change of each page carries the page
		l.exec("UPDATE t SET x = x || 'y' WHERE n % 7 = 0")
		l.exec("SELECT pg_logical_emit_message(false, 'test', repeat('m', 20000000))") // more than a segment
	}
	l.exec("SELECT pg_switch_wal()")
	l.exec("DELETE FROM t WHERE n % 2 = 0")
	end := l.insertEnd()
	got := l.records(from)
	rows, err := l.conn.Query(t.Context(), `SELECT start_lsn::text, end_lsn::text, xid::text::bigint, record_length
		FROM pg_get_wal_records_info($1::pg_lsn, $2::pg_lsn)`, from.String(), end.String())
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Start, End  string
		XID, Length int64
	}
	want, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 10_000 || len(got) < len(want) {
		t.Fatalf("%d records were read, PostgreSQL reads %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		next := (g.End + 7) &^ 7
		if g.Start.String() != w.Start || int64(g.XID) != w.XID || next.String() != w.End && i+1 < len(want) && got[i+1].Start.String() != want[i+1].Start {
			t.Fatalf("record %d is %s to %s of transaction %d, want %+v", i, g.Start, next, g.XID, w)
		}
	}
}

// PostgreSQL's own reader is the judge here, too: of all managers' records, images of pages in all forms, and each part of a relation.
func TestPagesOfRecordsAreThoseOfPostgreSQL(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.exec("CREATE EXTENSION pg_walinspect")
	l.exec("CREATE TABLE t (n int PRIMARY KEY, x text, list int[])")
	l.exec("CREATE INDEX ON t USING gin (list)")
	from := l.insertEnd()
	for _, compression := range []string{"off", "pglz", "lz4"} {
		l.exec("SET wal_compression = " + compression)
		l.exec("INSERT INTO t SELECT n + coalesce((SELECT max(n) FROM t), 0), repeat('x', n % 2000), ARRAY[n % 10, n % 77] FROM generate_series(1, 3000) n")
		l.exec("CHECKPOINT")
		l.exec("UPDATE t SET x = x || 'y' WHERE n % 7 = 0")
		l.exec("CREATE TABLE copy AS SELECT * FROM t")
		l.exec("CREATE INDEX ON copy USING hash (n)")
		l.exec("DELETE FROM t WHERE n % 3 = 0")
		l.exec("VACUUM (FREEZE) t")
		l.exec("DROP TABLE copy")
	}
	end := l.insertEnd()
	type page struct {
		Start                               string
		Tablespace, Database, Table, Number int64
	}
	rows, err := l.conn.Query(t.Context(), `SELECT start_lsn::text, reltablespace::bigint, reldatabase::bigint, relfilenode::bigint, relblocknumber
		FROM pg_get_wal_block_info($1::pg_lsn, $2::pg_lsn, false) WHERE relforknumber = 0 ORDER BY start_lsn, block_id`, from.String(), end.String())
	if err != nil {
		t.Fatal(err)
	}
	want, err := pgx.CollectRows(rows, pgx.RowToStructByPos[page])
	if err != nil {
		t.Fatal(err)
	}
	var got []page
	for r := l.reader(from); r.Position() < end; {
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		blocks, err := rec.Blocks(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			got = append(got, page{rec.Start.String(), int64(b.Relation.Tablespace), int64(b.Relation.Database), int64(b.Relation.Number), int64(b.Number)})
		}
	}
	if len(want) < 10_000 {
		t.Fatalf("PostgreSQL names only %d pages", len(want))
	}
	for i := range min(len(want), len(got)) {
		if got[i] != want[i] {
			t.Fatalf("page %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d pages were read, PostgreSQL reads %d", len(got), len(want))
	}
}

func TestSwitchRecordIsThatOfPostgreSQL(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	from := l.insertEnd()
	l.exec("SELECT pg_switch_wal()")
	l.insertEnd()
	r := l.reader(from)
	for {
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if r.Position()%wal.SegmentSize != 0 {
			continue
		}
		f, err := l.open(wal.SegmentOf(1, rec.Start))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		got, want := wal.SwitchRecord(rec.Previous), make([]byte, rec.End-rec.Start)
		if _, err := f.ReadAt(want, int64(rec.Start%wal.SegmentSize)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("the record is % x, PostgreSQL's is % x", got, want)
		}
		return
	}
}

// What is no record's content must not bring the reader down.
func TestPagesOfDamagedRecords(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{
		"an unknown part":            {33, 0, 0, 0},
		"a header that is cut off":   {0, 0x20},
		"no relation":                {0, 0x80, 0, 0, 1, 0, 0, 0},
		"an image that is cut off":   {0, 0x10, 0, 0, 1},
		"a relation that is cut off": {0, 0, 0, 0, 1, 2, 3},
		"an origin that is cut off":  {253, 1},
	} {
		rec := wal.Record{Data: data}
		if list, err := rec.Blocks(nil); err == nil {
			t.Errorf("%s: %v, want an error", name, list)
		}
	}
}

// Wherever reading begins, it comes to the same records.
func TestReadingBeginsAtAnySegment(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	first := wal.SegmentOf(1, l.lsn("SELECT pg_current_wal_insert_lsn()::text"))
	for range 3 {
		l.exec("SELECT pg_logical_emit_message(false, 'test', repeat('m', 20000000))")
	}
	end := l.insertEnd()
	all := l.records(first.Begin())
	for s := first; s.Begin() < end; s.Number++ {
		got := l.records(s.Begin())
		if len(got) == 0 {
			t.Fatalf("nothing begins in or after segment %s", s.Name())
		}
		for i := range all {
			if all[i].Start < s.Begin() {
				continue
			}
			if all[i].Start != got[0].Start || len(all)-i != len(got) {
				t.Errorf("segment %s: the first of %d records begins at %s, want %s, of %d", s.Name(), len(got), got[0].Start, all[i].Start, len(all)-i)
			}
			break
		}
	}
}

func TestOutcomesAndMessagesOfTransactions(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.exec("CREATE TABLE t (n int)")
	from := l.insertEnd()
	before := time.Now()
	var committed, rolledBack int64
	run := func(into *int64, sql ...string) {
		t.Helper()
		l.exec("BEGIN")
		for _, s := range sql {
			l.exec(s)
		}
		if err := l.conn.QueryRow(t.Context(), "SELECT pg_current_xact_id()::text::bigint").Scan(into); err != nil {
			t.Fatal(err)
		}
	}
	run(&committed, "INSERT INTO t VALUES (1)", "SAVEPOINT a", "SELECT pg_logical_emit_message(true, 'tine', 'hello')", "RELEASE a", "CREATE TABLE u (n int)")
	l.exec("COMMIT")
	run(&rolledBack, "INSERT INTO t VALUES (2)", "SELECT pg_logical_emit_message(true, 'tine', 'lost')")
	l.exec("ROLLBACK")
	end := l.insertEnd()
	after := time.Now()

	outcomes := map[uint32]wal.Outcome{}
	messages := map[uint32]string{}
	r := l.reader(from)
	for {
		rec, err := r.Next()
		if errors.Is(err, wal.ErrEnd) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		o, ok, err := rec.Outcome()
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			outcomes[rec.XID] = o
		}
		m, ok, err := rec.Message()
		if err != nil {
			t.Fatal(err)
		}
		if ok && m.Prefix == "tine" && m.Transactional {
			messages[rec.XID] = string(m.Content)
		}
	}
	if r.Position() < end {
		t.Errorf("reading ended at %s, the log at %s", r.Position(), end)
	}
	o := outcomes[uint32(committed)]
	if !o.Committed || o.At.Before(before.Truncate(time.Microsecond)) || o.At.After(after) || len(o.Children) != 1 {
		t.Fatalf("outcome is %+v", o)
	}
	if messages[o.Children[0]] != "hello" {
		t.Errorf("messages are %v", messages)
	}
	if o, ok := outcomes[uint32(rolledBack)]; !ok || o.Committed || messages[uint32(rolledBack)] != "lost" {
		t.Errorf("outcome of what was rolled back is %+v (%v), messages %v", o, ok, messages)
	}
}

// A log that is being written ends where it ends, and goes on when more was written.
func TestReadingGoesOnWhenMoreIsWritten(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	r := l.reader(l.insertEnd())
	l.exec("CREATE TABLE t (n int)")
	last := wal.LSN(0)
	for range 50 {
		l.exec("INSERT INTO t SELECT generate_series(1, 100)")
		end := l.insertEnd()
		r.Again()
		for {
			rec, err := r.Next()
			if errors.Is(err, wal.ErrEnd) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if rec.Start <= last {
				t.Fatalf("record at %s after that at %s", rec.Start, last)
			}
			last = rec.Start
		}
		if r.Position() < end {
			t.Fatalf("reading ended at %s, the log at %s", r.Position(), end)
		}
	}
}

// Damage is found where it is, and what is before it is read.
func TestDamageEndsTheLog(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	s := wal.SegmentOf(1, l.lsn("SELECT pg_current_wal_insert_lsn()::text"))
	l.exec("CREATE TABLE t (n int)")
	l.exec("INSERT INTO t SELECT generate_series(1, 1000)")
	l.insertEnd()
	path := filepath.Join(engine.WALDir(l.node.VolumePath), s.Name())
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := l.records(s.Begin())
	hit := all[len(all)/2]
	for name, damage := range map[string]func(b []byte) []byte{
		"a bit of a record is flipped":         func(b []byte) []byte { b[hit.Start%wal.SegmentSize+21] ^= 4; return b },
		"a bit of its data is flipped":         func(b []byte) []byte { b[(hit.End-1)%wal.SegmentSize] ^= 1; return b },
		"zeros in the middle":                  func(b []byte) []byte { clear(b[hit.Start%wal.SegmentSize : hit.End%wal.SegmentSize]); return b },
		"the file is cut off":                  func(b []byte) []byte { return b[:hit.Start%wal.SegmentSize&^8191] },
		"the page of another segment":          func(b []byte) []byte { b[hit.Start%wal.SegmentSize&^8191+10] ^= 1; return b },
		"a page that is not of our PostgreSQL": func(b []byte) []byte { b[hit.Start%wal.SegmentSize&^8191] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, s.Name()), damage([]byte(strings.Clone(string(whole)))), 0o600); err != nil {
				t.Fatal(err)
			}
			r := wal.NewReader(func(s wal.Segment) (*os.File, error) { return os.Open(filepath.Join(dir, s.Name())) }, 1, s.Begin())
			defer func() { _ = r.Close() }()
			count := 0
			for {
				_, err := r.Next()
				if errors.Is(err, wal.ErrEnd) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				count++
			}
			if r.Position() > hit.Start || count > len(all)/2 || count == 0 {
				t.Errorf("%d of %d records were read, up to %s; the damage is at %s", count, len(all), r.Position(), hit.Start)
			}
		})
	}
}
