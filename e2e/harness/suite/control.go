package suite

import (
	"context"
	"path/filepath"
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
	cfg, err := pgx.ParseConfig("host=/run/tine user=postgres sslmode=disable dbname=" + database)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc = engine.Dialer(filepath.Join(s.DataDir(), "sockets", node))
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := do(ctx, conn); err != nil {
		t.Fatal(err)
	}
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
