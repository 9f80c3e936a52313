package engine

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
)

// startVersion starts a node as a Tine that knew only the first versions of the schema has made it.
func startVersion(tb testing.TB, version int) *Node {
	tb.Helper()
	root, p := installedRoot(tb), newPlace(tb)
	all, err := migrations(schemaFiles)
	noError(tb, err)
	b := &goldenBuild{
		root: root, pool: p.pool, runtime: p.runtime, dir: filepath.Join(p.dir, "work", draftNode),
		migrations: all[:version-firstVersion],
	}
	noError(tb, b.fill(tb.Context()))
	noError(tb, p.pool.Snapshot(tb.Context(), draftVolume, "golden/old"))
	noError(tb, b.clean(tb.Context()))
	return p.startNode(tb, root, "golden/old", "node-1")
}

func TestOldClusterIsMigrated(t *testing.T) {
	t.Parallel()
	n := startVersion(t, firstVersion)
	conn := connect(t, n, RoleSuperuser)
	if got := query[bool](t, conn, "SELECT to_regrole('tine_writer') IS NULL"); !got {
		t.Fatal("the first version has what the second brings")
	}
	var wg sync.WaitGroup
	for range 4 { // also from several at once
		wg.Go(func() {
			if err := n.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := migrations(schemaFiles)
	noError(t, err)
	if got := query[int](t, conn, "SELECT count(*)::int FROM tine.migrations"); got != len(all) {
		t.Errorf("%d migrations are recorded, want %d", got, len(all))
	}
	if got := query[bool](t, conn, "SELECT to_regrole('tine_writer') IS NOT NULL"); !got {
		t.Error("the second version's role is missing")
	}
	noError(t, Migrate(t.Context(), conn))
}

func TestDataOfALaterTineIsRefused(t *testing.T) {
	t.Parallel()
	conn := connect(t, startVersion(t, firstVersion+1), RoleSuperuser)
	if err := migrate(t.Context(), conn, nil); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("the error is %v", err)
	}
}

// countQueries counts what is sent to the server.
type countQueries struct{ n int }

func (c *countQueries) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n++
	return ctx
}

func (c *countQueries) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestNothingToMigrateCostsOneQuery(t *testing.T) {
	t.Parallel()
	n := startVersion(t, firstVersion+1)
	noError(t, n.Migrate(t.Context()))
	cfg, err := n.ConnConfig(RoleSuperuser)
	noError(t, err)
	var count countQueries
	cfg.Tracer = &count
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	noError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	noError(t, Migrate(t.Context(), conn))
	if count.n != 1 {
		t.Errorf("%d queries", count.n)
	}
}

func TestMigrationThatFailsLeavesTheVersionBefore(t *testing.T) {
	t.Parallel()
	conn := connect(t, startVersion(t, firstVersion), RoleSuperuser)
	broken := []migration{
		{version: 2, name: "good", sql: "CREATE TABLE tine.one (a int)"},
		{version: 3, name: "broken", sql: "CREATE TABLE tine.two (a int); SELECT 1/0"},
	}
	if err := migrate(t.Context(), conn, broken); err == nil {
		t.Fatal("no error")
	}
	if got := query[bool](t, conn, "SELECT to_regclass('tine.one') IS NOT NULL AND to_regclass('tine.two') IS NULL"); !got {
		t.Error("what is there is not version 2")
	}
	broken[1].sql = "CREATE TABLE tine.two (a int)"
	noError(t, migrate(t.Context(), conn, broken))
	if got := query[int](t, conn, "SELECT max(version)::int FROM tine.migrations"); got != 3 {
		t.Errorf("the version is %d", got)
	}
}

func TestMigrationsAreNumberedWithoutGaps(t *testing.T) {
	t.Parallel()
	if _, err := migrations(schemaFiles); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"schema/0003_x.sql", "schema/2_x.sql", "schema/words.sql"} {
		if _, err := migrations(fstest.MapFS{name: {}}); err == nil {
			t.Errorf("%s is taken for version 2", name)
		}
	}
}
