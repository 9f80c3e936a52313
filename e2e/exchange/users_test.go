package exchange

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tine/internal/host"
)

// Two clusters that are swapped keep their users, whatever step Tine is killed after: passwords do not go from one to the other.
func TestSwapThroughKillsKeepsTheUsers(t *testing.T) { //nolint:paralleltest // it kills Tine
	a, b := newMember(t, "ada"), newMember(t, "bea")
	data := [2]string{a.own, b.own}
	swaps := 0
	for _, step := range host.Steps() {
		if !strings.HasPrefix(step, "exchange/") {
			continue
		}
		t.Run(step, func(t *testing.T) {
			if err := tine.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := tine.Start(t.Context(), "TINE_FAILPOINT="+step); err != nil {
				t.Fatal(err)
			}
			_ = swap(t.Context(), a, b)
			if err := tine.Exited(t.Context()); t.Context().Err() != nil {
				t.Fatal(err)
			}
			if err := tine.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			swaps++
			data[0], data[1] = data[1], data[0]
			wait(t, a, "cluster_swap_done", swaps)
			wantUsers(t, a, b, data[0])
			wantUsers(t, b, a, data[1])
		})
	}
	if swaps == 0 {
		t.Error("an exchange has no steps")
	}
}

// A swap that cannot be done leaves both clusters with their users, at each attempt and when it is given up, and the next one has them, too.
func TestSwapThatFailsKeepsTheUsers(t *testing.T) { //nolint:paralleltest // see tine
	a, b := newMember(t, "ann"), newMember(t, "bob")
	allow := refuseUsers(t, b)
	if err := swap(t.Context(), a, b); err != nil {
		t.Fatal(err)
	}
	tine.WaitFailed(t, "cluster_swap", a.ID)
	wait(t, a, "cluster_swap_failed", 1)
	wantUsers(t, a, b, a.own)
	wantUsers(t, b, a, b.own)
	allow()
	if err := swap(t.Context(), a, b); err != nil {
		t.Fatal(err)
	}
	wait(t, a, "cluster_swap_done", 1)
	wantUsers(t, a, b, b.own)
	wantUsers(t, b, a, a.own)
}

// Tine is stopped while the control plane's database takes long to record that two clusters have exchanged their data, and does not wait for the answer. They have, and have their users.
func TestSwapOfWhichNobodyKnowsWhetherItIsRecorded(t *testing.T) { //nolint:paralleltest // it stops Tine
	a, b := newMember(t, "amy"), newMember(t, "ben")
	recording, record := tine.Hold(t, "NEW.node_id <> OLD.node_id")
	if err := swap(t.Context(), a, b); err != nil {
		t.Fatal(err)
	}
	recording()
	if err := tine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	record()
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, a, "cluster_swap_done", 1)
	wantUsers(t, a, b, b.own)
	wantUsers(t, b, a, a.own)
}

// A cluster that a later Tine has used cannot be woken by this one, so that it cannot be swapped: both stay as they are, and the next swap is not kept from them.
func TestSwapWithAClusterOfALaterTineIsGivenUp(t *testing.T) { //nolint:paralleltest // it stops Tine
	a, b := newMember(t, "abe"), newMember(t, "bix")
	const later = "INSERT INTO tine.migrations (version, name) SELECT max(version) + 1, 'later' FROM tine.migrations"
	tine.OnNode(t, b.ID, func(ctx context.Context, conn *pgx.Conn) error { _, err := conn.Exec(ctx, later); return err })
	if err := tine.Suspend(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if err := tine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := swap(t.Context(), a, b); err != nil {
		t.Fatal(err)
	}
	wait(t, a, "cluster_swap_failed", 1)
	wantUsers(t, a, b, a.own)
	for _, c := range []member{a, b} {
		if err := tine.WaitOnline(t.Context(), c.ID); err != nil {
			t.Error(err)
		}
	}
}
