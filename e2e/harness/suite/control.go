package suite

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
)

// control connects to the control plane's database and does something there.
func (s *Suite) control(t *testing.T, do func(context.Context, *pgx.Conn) error) {
	t.Helper()
	s.connect(t, "control", "tine", do)
}

// OnNode connects to a cluster's node as superuser and does something there.
func (s *Suite) OnNode(t *testing.T, clusterID string, do func(context.Context, *pgx.Conn) error) {
	t.Helper()
	var node string
	s.control(t, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT node_id::text FROM tine.clusters WHERE id = $1", clusterID).Scan(&node)
	})
	s.connect(t, node, "postgres", do)
}

func (s *Suite) connect(t *testing.T, node, database string, do func(context.Context, *pgx.Conn) error) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn := s.connection(t, node, database)
	defer func() { _ = conn.Close(ctx) }()
	if err := do(ctx, conn); err != nil {
		t.Fatal(err)
	}
}

func (s *Suite) connection(t *testing.T, node, database string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig("host=/run/tine user=postgres sslmode=disable dbname=" + database)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc = engine.Dialer(filepath.Join(s.DataDir(), "sockets", node))
	conn, err := pgx.ConnectConfig(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// RefuseWakes has the control plane's database fail whoever records that a cluster is awake, until allow is called. Nothing else of it fails.
func (s *Suite) RefuseWakes(t *testing.T) (allow func()) {
	t.Helper()
	execute := func(sql string) {
		s.control(t, func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
			return err
		})
	}
	execute(`CREATE FUNCTION tine.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused by a test'; END $$;
		CREATE TRIGGER refuse BEFORE UPDATE ON tine.clusters FOR EACH ROW
		WHEN (OLD.suspended_at IS NOT NULL AND NEW.suspended_at IS NULL) EXECUTE FUNCTION tine.refuse()`)
	allowed := false
	allow = func() {
		if !allowed {
			execute("DROP TRIGGER refuse ON tine.clusters; DROP FUNCTION tine.refuse")
		}
		allowed = true
	}
	t.Cleanup(allow)
	return allow
}

// WaitFailed returns when a job of that kind on a cluster has failed, and waits for its next attempt or is in it.
func (s *Suite) WaitFailed(t *testing.T, kind, clusterID string) {
	t.Helper()
	s.WaitFor(t, "the job "+kind+" to fail", func() (failed bool) {
		s.control(t, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM tine.river_job
				WHERE kind = $1 AND args ->> 'cluster_id' = $2 AND finalized_at IS NULL AND cardinality(errors) > 0)`, kind, clusterID).Scan(&failed)
		})
		return failed
	})
}

// holds is how many Hold has made.
var holds atomic.Int64

// Hold has whoever updates a cluster's row in the control plane's database wait in the end of the transaction, if the condition holds for the row as OLD and NEW, until release is called. reached returns when
// somebody waits. Holds must be made before anybody waits. Who gives up waiting has been too late: the update is made all the same.
func (s *Suite) Hold(t *testing.T, when string) (reached, release func()) {
	t.Helper()
	const class = 4711 // of advisory locks
	key := holds.Add(1)
	conn := s.connection(t, "control", "tine")
	ctx := context.WithoutCancel(t.Context())
	execute := func(conn *pgx.Conn, sql string) {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	execute(conn, fmt.Sprintf(`SELECT pg_advisory_lock(%[1]d, %[2]d);
		CREATE FUNCTION tine.hold_%[2]d() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN PERFORM pg_advisory_xact_lock_shared(%[1]d, %[2]d); RETURN NEW; EXCEPTION WHEN query_canceled THEN RETURN NEW; END $$;
		CREATE CONSTRAINT TRIGGER hold_%[2]d AFTER UPDATE ON tine.clusters DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (%[3]s) EXECUTE FUNCTION tine.hold_%[2]d()`, class, key, when))
	release = sync.OnceFunc(func() { _ = conn.Close(ctx) })
	t.Cleanup(func() {
		release()
		s.control(t, func(_ context.Context, conn *pgx.Conn) error {
			execute(conn, fmt.Sprintf("DROP TRIGGER hold_%[1]d ON tine.clusters; DROP FUNCTION tine.hold_%[1]d", key))
			return nil
		})
	})
	reached = func() {
		t.Helper()
		s.WaitFor(t, "somebody who updates a cluster so that "+when, func() (waits bool) {
			s.control(t, func(ctx context.Context, conn *pgx.Conn) error {
				const sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND NOT granted)"
				return conn.QueryRow(ctx, sql, class, key).Scan(&waits)
			})
			return waits
		})
	}
	return reached, release
}

// Phase is the last step of a cluster's making that is complete.
func (s *Suite) Phase(t *testing.T, clusterID string) (phase string) {
	t.Helper()
	s.control(t, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT phase FROM tine.clusters WHERE id = $1", clusterID).Scan(&phase)
	})
	return phase
}
