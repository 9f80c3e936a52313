package suspension

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/digitalocean/godo"
	"github.com/jackc/pgx/v5"

	"tine/e2e/harness"
	"tine/internal/engine"
)

// A cluster that was woken while the control plane's database refused to record it is served, and shown as awake as soon as that is possible. Whatever is asked
// for meanwhile reaches the node that runs, although the row says that it is stopped.
func TestWakeThatCouldNotBeRecorded(t *testing.T) { //nolint:paralleltest // see tine
	for _, o := range []struct {
		name string
		ask  func(t *testing.T, c *godo.Database)
		done func(t *testing.T, c *godo.Database)
		// restarts says that it is to start the node again.
		restarts bool
		want     []int
	}{
		{name: "nothing", want: []int{1}},
		{name: "install update", ask: askForUpdate, done: func(t *testing.T, c *godo.Database) {
			t.Helper()
			const began, done = 1, 1
			wantEvents(t, c, "cluster_maintenance_perform", began+done)
		}, restarts: true, want: []int{1}},
		{name: "resize", ask: askForMore, done: func(t *testing.T, c *godo.Database) {
			t.Helper()
			if got := waitOnline(t, sleeper{Database: c}); got.SizeSlug != larger {
				t.Errorf("the cluster has the plan %s", got.SizeSlug)
			}
		}, restarts: true, want: []int{1}},
		{name: "suspension", ask: func(t *testing.T, c *godo.Database) {
			t.Helper()
			call(t, http.MethodPut, c, "suspension", map[string]any{"now": true})
		}, done: func(t *testing.T, c *godo.Database) {
			t.Helper()
			tine.WaitNodes(t, 0)
			tine.WaitFor(t, "the row to say so", func() bool { return isSuspended(t, c) })
		}, want: []int{1}},
	} {
		t.Run(o.name, func(t *testing.T) {
			c := tine.NewCluster(t, harness.CreateRequest(tine.NewName("unrecorded")))
			insert(t, c, 1)
			suspend(t, c, 0)
			allow := refuseWakes(t)
			wantIDs(t, c, 1)
			pid := nodePID(t)
			if !isSuspended(t, c) {
				t.Fatal("the wake was recorded: the test has not refused it")
			}
			if o.ask != nil {
				o.ask(t, c)
			}
			allow()
			if o.done != nil {
				o.done(t, c)
			} else {
				tine.WaitFor(t, "the wake to be recorded", func() bool { return !isSuspended(t, c) })
				wantEvents(t, c, "cluster_woken", 1)
			}
			if o.restarts && nodePID(t) == pid {
				t.Error("the node was not started again")
			}
			wantIDs(t, c, o.want...)
			insert(t, c, 10)
			suspend(t, c, 0)
			wantIDs(t, c, append(o.want, 10)...)
		})
	}
}

// Two clusters of which one runs although its row says that it is suspended exchange their data, and both are watched afterwards: a node that is killed comes back.
func TestSwapAfterAWakeThatCouldNotBeRecorded(t *testing.T) { //nolint:paralleltest // see tine
	c, other := tine.NewCluster(t, harness.CreateRequest(tine.NewName("unrecorded"))), tine.NewCluster(t, harness.CreateRequest(tine.NewName("other")))
	insert(t, c, 1)
	insert(t, other, 2)
	suspend(t, other, 1)
	suspend(t, c, 0)
	allow := refuseWakes(t)
	wantIDs(t, c, 1)
	call(t, http.MethodPost, c, "swap", map[string]any{"with": other.Name})
	allow()
	wantEvents(t, c, "cluster_swap_done", 1)
	for _, c := range []*godo.Database{c, other} {
		tine.WaitFor(t, "both to be awake", func() bool { return !isSuspended(t, c) })
	}
	tine.WaitNodes(t, 2)
	wantIDs(t, c, 2)
	wantIDs(t, other, 1)
}

func askForUpdate(t *testing.T, c *godo.Database) {
	t.Helper()
	if _, err := tine.API.Databases.InstallUpdate(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
}

func askForMore(t *testing.T, c *godo.Database) {
	t.Helper()
	if _, err := tine.API.Databases.Resize(t.Context(), c.ID, &godo.DatabaseResizeRequest{SizeSlug: larger, NumNodes: 1}); err != nil {
		t.Fatal(err)
	}
}

func call(t *testing.T, method string, c *godo.Database, path string, body map[string]any) {
	t.Helper()
	if err := tine.Call(t.Context(), method, "/v2/databases/"+c.ID+"/"+path, body, nil); err != nil {
		t.Fatal(err, tine.LastLines())
	}
}

// wantEvents waits for that many events of a kind.
func wantEvents(t *testing.T, c *godo.Database, kind string, count int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), killPatience)
	defer cancel()
	if err := tine.WaitEvents(ctx, c.ID, kind, count); err != nil {
		t.Fatal(err, tine.LastLines())
	}
}

func nodePID(t *testing.T) int {
	t.Helper()
	pid, err := tine.NodePID()
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// refuseWakes has the control plane's database fail whoever records that a cluster is awake, until allow is called. Nothing else of it fails.
func refuseWakes(t *testing.T) (allow func()) {
	t.Helper()
	control(t, `CREATE FUNCTION tine.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused by a test'; END $$;
		CREATE TRIGGER refuse BEFORE UPDATE ON tine.clusters FOR EACH ROW
		WHEN (OLD.suspended_at IS NOT NULL AND NEW.suspended_at IS NULL) EXECUTE FUNCTION tine.refuse()`)
	allowed := false
	allow = func() {
		if !allowed {
			control(t, "DROP TRIGGER refuse ON tine.clusters; DROP FUNCTION tine.refuse")
		}
		allowed = true
	}
	t.Cleanup(allow)
	return allow
}

// control executes statements in the control plane's database.
func control(t *testing.T, sql string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	cfg, err := pgx.ParseConfig("host=/run/tine user=postgres sslmode=disable dbname=tine")
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc = engine.Dialer(filepath.Join(tine.DataDir(), "sockets", "control"))
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}
