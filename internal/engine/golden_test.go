package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tine/internal/sandbox"
	"tine/internal/storage"
)

// installedRoot returns the engine that tests run on, installing it first if the machine has none.
func installedRoot(tb testing.TB) *Root {
	tb.Helper()
	dir := os.Getenv("TINE_ENGINE_DIR")
	if dir == "" {
		dir = "/var/lib/tine/engine"
	}
	noError(tb, Install(tb.Context(), dir, func(line string) { tb.Log(line) }))
	r, err := Open(dir)
	noError(tb, err)
	return r
}

func noError(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// place is a pool and a sandbox of a test's own.
type place struct {
	pool    *storage.Pool
	runtime *sandbox.Runtime
	dir     string
}

func newPlace(tb testing.TB) *place {
	tb.Helper()
	temp := tb.TempDir()
	dir := filepath.Join(temp, "[b") // as a pattern it would be wrong
	pool, err := storage.OpenPool(tb.Context(), storage.PoolConfig{
		Path: filepath.Join(dir, "pool"), Image: filepath.Join(dir, "pool.img"), ImageSize: 4 << 30,
	})
	noError(tb, err)
	tb.Cleanup(func() { noError(tb, pool.Close(context.WithoutCancel(tb.Context()))) })
	rt, err := sandbox.New(sandbox.Config{
		Dir:          filepath.Join(dir, "sandbox"),
		CgroupParent: fmt.Sprintf("tine-test-%d-%s", os.Getpid(), filepath.Base(filepath.Dir(temp))),
	})
	noError(tb, err)
	return &place{pool: pool, runtime: rt, dir: dir}
}

// startNode starts a node on a clone of a volume, to be removed after the test.
func (p *place) startNode(tb testing.TB, root *Root, golden, id string) *Node {
	tb.Helper()
	volume := "volumes/" + id
	noError(tb, p.pool.Clone(tb.Context(), golden, volume))
	n := NewNode(NodeConfig{
		ID: id, Root: root, Runtime: p.runtime, Volume: p.pool.VolumePath(volume),
		SocketDir: filepath.Join(p.dir, "run", id), LogPath: filepath.Join(p.dir, id+".log"),
	})
	tb.Cleanup(func() { noError(tb, n.Kill(context.WithoutCancel(tb.Context()))) })
	noError(tb, n.Start(tb.Context()))
	return n
}

func query[T any](tb testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	tb.Helper()
	var value T
	if err := conn.QueryRow(tb.Context(), sql, args...).Scan(&value); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return value
}

func connect(tb testing.TB, n *Node, role string) *pgx.Conn {
	tb.Helper()
	conn, err := n.Connect(tb.Context(), role)
	noError(tb, err)
	tb.Cleanup(func() { noError(tb, conn.Close(context.WithoutCancel(tb.Context()))) })
	return conn
}

func TestGoldenVolumeIsWhatAClusterStartsFrom(t *testing.T) {
	t.Parallel()
	root, p := installedRoot(t), newPlace(t)
	workDir := filepath.Join(p.dir, "work")
	golden, err := root.BuildGolden(t.Context(), p.pool, p.runtime, workDir)
	noError(t, err)
	again, err := root.BuildGolden(t.Context(), p.pool, p.runtime, workDir)
	noError(t, err)
	if again != golden || golden != root.GoldenVolume() {
		t.Fatalf("the volume is %s, then %s", golden, again)
	}
	wantClean(t, p, workDir)
	if archived, err := os.ReadDir(ArchiveDir(p.pool.VolumePath(golden))); err != nil || len(archived) > 0 {
		t.Errorf("its archive holds %v, %v", archived, err)
	}

	n := p.startNode(t, root, golden, "node-1")
	conn := connect(t, n, RoleSuperuser)
	for sql, want := range map[string]string{
		"SHOW data_checksums":   "on",
		"SHOW fsync":            "on",
		"SHOW listen_addresses": "",
		"SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'postgres'":               "bC.UTF-8",
		"SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension WHERE extname LIKE '%document%'": "documentdb documentdb_core documentdb_extended_rum",
		"SELECT string_agg(command, ' ' ORDER BY command) FROM cron.job WHERE active":                        "CALL documentdb_api_internal.delete_expired_rows();",
		"SELECT role FROM tine.grants WHERE user_name = 'doadmin'":                                           "root",
		"SELECT string_agg(name, ' ') FROM tine.users WHERE verifier IS NULL":                                "doadmin",
	} {
		if got := query[string](t, conn, sql); got != want {
			t.Errorf("%s gives %q, want %q", sql, got, want)
		}
	}
}

// wantClean fails if the build left anything but the golden volume.
func wantClean(t *testing.T, p *place, workDir string) {
	t.Helper()
	if left, err := os.ReadDir(workDir); err != nil || len(left) > 0 {
		t.Errorf("the working directory holds %v, %v", left, err)
	}
	if volumes, err := p.pool.List("."); err != nil || len(volumes) > 0 {
		t.Errorf("the pool still has %v, %v", volumes, err)
	}
	if containers, err := p.runtime.List(t.Context()); err != nil || len(containers) > 0 {
		t.Errorf("containers are left: %v, %v", containers, err)
	}
}

func TestGatewayRoleHasNoDataAccessOfItsOwn(t *testing.T) {
	t.Parallel()
	conn := connect(t, startNewest(t), "tine_gateway")
	const insert = `SELECT p_success::text FROM documentdb_api.insert('defaultdb', '{"insert":"c","documents":[{"_id":1}]}')`
	const find = `SELECT cursorpage::text FROM documentdb_api.find_cursor_first_page('defaultdb', '{"find":"c"}', 0)`
	for _, sql := range []string{
		insert, "SET ROLE postgres", "SET ROLE pg_read_all_data", "CREATE ROLE x", "GRANT tine_writer TO tine_gateway WITH INHERIT TRUE",
		"SELECT rolpassword FROM pg_authid", "SELECT pg_read_file('/etc/passwd')", "COPY (SELECT 1) TO PROGRAM 'true'",
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("without SET ROLE the gateway's login can %s", sql)
		}
	}
	_, err := conn.Exec(t.Context(), "SET ROLE tine_writer")
	noError(t, err)
	if got := query[string](t, conn, insert); got != "true" {
		t.Errorf("the writer's insert gave %s", got)
	}
	_, err = conn.Exec(t.Context(), "SET ROLE tine_reader")
	noError(t, err)
	const id = "5f6964" // BSON comes as text in hexadecimal digits
	if got := query[string](t, conn, find); !strings.Contains(got, id) {
		t.Errorf("the reader found %s", got)
	}
	// The engine reports that it may not write as a reply with an error in it.
	if got := query[string](t, conn, strings.ReplaceAll(insert, "1}]", "2}]")); got != "false" {
		t.Errorf("the reader's insert gave %s", got)
	}
	_, err = conn.Exec(t.Context(), "RESET ROLE")
	noError(t, err)
	if _, err := conn.Exec(t.Context(), find); err == nil {
		t.Error("without SET ROLE the gateway's login can find")
	}
	_, err = conn.Exec(t.Context(), "SET ROLE tine_reader")
	noError(t, err)
	for _, sql := range []string{
		"SELECT documentdb_api.drop_collection('defaultdb', 'c')", "SELECT documentdb_api.create_collection('defaultdb', 'd')",
		"SELECT documentdb_api.drop_database('defaultdb')", "SELECT * FROM tine.users", "SELECT rolpassword FROM pg_authid", "CREATE TABLE public.x (a int)", "CREATE ROLE x",
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("the reader can %s", sql)
		}
	}
}

// startNewest starts a node as new clusters are made.
func startNewest(tb testing.TB) *Node {
	tb.Helper()
	root, p := installedRoot(tb), newPlace(tb)
	golden, err := root.BuildGolden(tb.Context(), p.pool, p.runtime, filepath.Join(p.dir, "work"))
	noError(tb, err)
	return p.startNode(tb, root, golden, "node-1")
}

// A build that was killed leaves its draft in the pool and its server running.
func TestKilledBuildIsReplaced(t *testing.T) {
	t.Parallel()
	root, p := installedRoot(t), newPlace(t)
	workDir := filepath.Join(p.dir, "work")
	b := &goldenBuild{root: root, pool: p.pool, runtime: p.runtime, dir: filepath.Join(workDir, draftNode)}
	noError(t, b.makePlaces(t.Context()))
	noError(t, os.WriteFile(filepath.Join(b.volume(), "half"), nil, 0o600))
	noError(t, p.runtime.Run(t.Context(), sandbox.Spec{
		ID: draftNode, Root: root.Dir(), Args: []string{"/bin/sleep", "1000"}, UID: UserID, GID: UserID, LogPath: b.logPath(),
	}))
	golden, err := root.BuildGolden(t.Context(), p.pool, p.runtime, workDir)
	noError(t, err)
	if _, err := os.Stat(filepath.Join(p.pool.VolumePath(golden), "half")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the golden volume has the killed build's file")
	}
	wantClean(t, p, workDir)
}

func TestCancelledBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	root, p := installedRoot(t), newPlace(t)
	workDir := filepath.Join(p.dir, "work")
	ctx, cancel := context.WithCancel(t.Context())
	built := make(chan error, 1)
	go func() {
		_, err := root.BuildGolden(ctx, p.pool, p.runtime, workDir)
		built <- err
	}()
	for { // until initdb or the server runs
		s, err := p.runtime.Status(t.Context(), draftNode)
		noError(t, err)
		if s.Running {
			break
		}
	}
	cancel()
	if err := <-built; !errors.Is(err, context.Canceled) {
		t.Fatalf("the build returned %v", err)
	}
	wantClean(t, p, workDir)
}

func TestStatements(t *testing.T) {
	t.Parallel()
	got := statements("-- a; comment\nSELECT 1;\n\nCREATE FUNCTION f()\n  AS $$\n  SELECT 2; -- kept\n  SELECT 3;\n$$;\nSELECT 4; SELECT 5;\nSELECT 6")
	want := []string{
		"SELECT 1;", "CREATE FUNCTION f()\n  AS $$\n  SELECT 2; -- kept\n  SELECT 3;\n$$;", "SELECT 4; SELECT 5;", "SELECT 6",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q", got)
	}
}

func BenchmarkBuildGolden(b *testing.B) {
	root, p := installedRoot(b), newPlace(b)
	for b.Loop() {
		golden, err := root.BuildGolden(b.Context(), p.pool, p.runtime, filepath.Join(p.dir, "work"))
		noError(b, err)
		b.StopTimer()
		noError(b, p.pool.Delete(b.Context(), golden))
		b.StartTimer()
	}
}
