package fleet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/internal/catalog"
	"tine/internal/engine"
	"tine/internal/fleet"
	"tine/internal/store"
	"tine/internal/store/storetest"
	"tine/internal/testnode"
)

// node is the data of all clusters, on a real node; down makes it unreachable.
type node struct {
	socketDir string
	down      bool
}

// Use implements fleet.Data.
func (n *node) Use(ctx context.Context, _ store.Cluster, do func(*pgx.Conn) error) error {
	if n.down {
		return errors.New("the node is down")
	}
	cfg, err := pgx.ParseConfig("host=/run/tine user=tine_gateway sslmode=disable dbname=postgres")
	if err != nil {
		return err
	}
	cfg.DialFunc = engine.Dialer(n.socketDir)
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return do(conn)
}

func (n *node) Look(ctx context.Context, c store.Cluster, do func(*pgx.Conn) error) error {
	return n.Use(ctx, c, do)
}

// UsersChanged implements fleet.Data.
func (*node) UsersChanged(string) {}

// withNode is a fleet whose clusters have data.
func withNode(t *testing.T) (bundle, *node) {
	t.Helper()
	s := storetest.Open(t)
	c, err := catalog.Load("")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{socketDir: testnode.Start(t).SocketDir}
	return bundle{store: s, fleet: fleet.New(fleet.Config{
		Store: s, Data: n, Catalog: c, Clock: func() time.Time { return now }, Host: "local", GatewayHost: "tine.example.com",
		Ports: store.PortRange{First: 28000, Last: 28019},
	})}, n
}

// position is where the node's log ends now, and where its recovery would begin.
func (n *node) position(t *testing.T) (redo, end int64) {
	t.Helper()
	err := n.Use(t.Context(), store.Cluster{}, func(conn *pgx.Conn) error {
		return conn.QueryRow(t.Context(), `SELECT (redo_lsn - '0/0'::pg_lsn)::bigint, (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint
			FROM pg_control_checkpoint()`).Scan(&redo, &end)
	})
	if err != nil {
		t.Fatal(err)
	}
	return redo, end
}

func TestForkEstimateKnowsHowMuchIsToBeReplayed(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	b, n := withNode(t)
	redo, end := n.position(t)
	c := b.online(t, request("prod"))
	// Two restore points: 8 MiB were written in the hour between them, and all up to the end of the log in the hour since.
	for i, p := range []store.RestorePoint{
		{StartedAt: now.Add(-2 * time.Hour), RedoLSN: 1 * mib, MarkerLSN: 1 * mib, EndLSN: 2 * mib},
		{StartedAt: now.Add(-time.Hour), RedoLSN: 9 * mib, MarkerLSN: 10 * mib, EndLSN: 11 * mib},
	} {
		p.ClusterID, p.Volume, p.Timeline, p.CompletedAt = c.ID, string(rune('a'+i)), 1, p.StartedAt.Add(time.Minute)
		if _, err := b.store.AddRestorePoint(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	sinceLast := time.Hour - time.Minute
	for name, tt := range map[string]struct {
		at   time.Time
		down bool
		want int64
	}{
		"as a restore point is complete": {at: now.Add(-2*time.Hour + time.Minute), want: 1 * mib},
		"half-way to the next":           {at: now.Add(-90*time.Minute + 30*time.Second), want: 5 * mib},
		"while the next is taken":        {at: now.Add(-time.Hour + 30*time.Second), want: 10*mib - mib/2},
		"half-way to the present":        {at: now.Add(-sinceLast / 2), want: 2*mib + (end-11*mib)/2},
		"the present":                    {at: now, want: end - 9*mib},
		"the latest":                     {want: end - redo},
		"the latest, down":               {want: 64 * mib, down: true},
		"since the newest, down":         {at: now.Add(-time.Minute), want: 64 * mib, down: true},
		"between two, down":              {at: now.Add(-90*time.Minute + 30*time.Second), want: 5 * mib, down: true},
	} {
		n.down = tt.down
		got, err := b.fleet.ForkEstimate(t.Context(), c.ID, tt.at, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		// An idle node writes a little by itself.
		if diff := got.ReplayBytes - tt.want; diff < -mib/4 || diff > mib/4 {
			t.Errorf("%s: %d bytes, want about %d", name, got.ReplayBytes, tt.want)
		}
		if tt.at.IsZero() {
			tt.at = now
		}
		if !got.At.Equal(tt.at) || got.Duration < 100*time.Millisecond || got.Duration > 5*time.Second {
			t.Errorf("%s: estimate is %+v", name, got)
		}
	}
	small, err := b.fleet.ForkEstimate(t.Context(), c.ID, now.Add(-2*time.Hour+time.Minute), "")
	if err != nil {
		t.Fatal(err)
	}
	large, err := b.fleet.ForkEstimate(t.Context(), c.ID, now.Add(-time.Minute), "") // the node is down or up: either way it is more
	if err != nil || large.Duration <= small.Duration {
		t.Errorf("%d bytes take %s and %d take %s, %v", small.ReplayBytes, small.Duration, large.ReplayBytes, large.Duration, err)
	}
}

func TestForkEstimateRefusesWhatAForkWouldBeRefusedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, request("prod"), now.Add(-time.Hour))
	bare := b.online(t, request("bare"))
	young := b.create(t, request("young"))
	at := now.Add(-2 * time.Hour)
	_, err := b.fleet.ForkEstimate(t.Context(), c.ID, at, "")
	wantError(t, err, fleet.Invalid, "at",
		`at must be between 2026-08-10T11:00:00.25Z and 2026-08-10T12:00:00.25Z, the history of "prod"; got 2026-08-10T10:00:00.25Z`)
	_, err = b.fleet.ForkEstimate(t.Context(), bare.ID, at, "")
	wantError(t, err, fleet.NotReady, "at", `at cannot be chosen yet: the cluster "bare" has no restore point so far`)
	_, err = b.fleet.ForkEstimate(t.Context(), young.ID, at, "")
	wantError(t, err, fleet.NotReady, "", `the cluster "young" must be online; it is still being created`)
	_, err = b.fleet.ForkEstimate(t.Context(), "nope", at, "")
	wantError(t, err, fleet.NotFound, "", `there is no cluster with the id "nope"`)
}
