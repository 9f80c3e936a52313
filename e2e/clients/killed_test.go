package clients

import (
	"context"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
	"tine/internal/contract"
)

// own starts a Tine for a test that kills it.
func own(t *testing.T) *harness.Tine {
	t.Helper()
	tine, err := harness.New(harness.Options{ImageGiB: 10, Transport: contract.Wrap})
	fatal(t, "prepare a Tine", err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Tine warned:\n%s", warnings(tine.LogText()))
		}
		if err := tine.Destroy(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	fatal(t, "start a Tine", tine.Start(t.Context()))
	return tine
}

// tine up is killed when a write has been carried out and its reply not delivered. The driver sends the write again, to the one that is
// started then, and it is not carried out twice.
func TestRetriedWriteIsCarriedOutOnceWhenTineIsKilled(t *testing.T) {
	t.Parallel()
	tine := own(t)
	p, through := newProxy(t, newCluster(t, tine))
	client := connect(t, through, options.Client().SetServerSelectionTimeout(2*time.Minute))
	restart := func() {
		if err := tine.Kill(t.Context()); err != nil {
			t.Errorf("kill tine: %v", err)
		}
		if err := tine.Start(t.Context()); err != nil {
			t.Errorf("start tine: %v", err)
		}
	}
	for kind, do := range writes() {
		t.Run(kind, func(t *testing.T) {
			fatal(t, "empty the bank", client.Database("bank").Drop(t.Context()))
			c := bank(t, client)
			lost := p.lose(loss{command: commandOf(kind), forward: true, before: restart})
			fatal(t, kind, do(t.Context(), c))
			wantDone(t, lost)
			wantN(t, c, 0, balance+1)
		})
	}
	t.Run("commitTransaction", func(t *testing.T) {
		fatal(t, "empty the bank", client.Database("bank").Drop(t.Context()))
		c := bank(t, client)
		lost := p.lose(loss{command: "commitTransaction", forward: true, before: restart})
		var tries atomic.Int64
		fatal(t, "transfer", transfer(t.Context(), c, 0, 1, &tries))
		wantDone(t, lost)
		wantN(t, c, 0, balance-1)
		wantN(t, c, 1, balance+1)
	})
}

// Connections break in the middle of everything, again and again.
func TestLoadThroughBreakingConnections(t *testing.T) {
	t.Parallel()
	uri := newCluster(t, shared)
	p, through := newProxy(t, uri)
	l := startLoad(t, uri, through)
	l.await(t, 100)
	for range 6 {
		p.follow(some(11, "update", "insert", "commitTransaction"))
		l.await(t, 100)
		p.follow(nil)
		p.cut()
		l.await(t, 20)
	}
	l.finish(t)
}

// kill -9 of tine up and of the node's PostgreSQL, in turns.
func TestLoadSurvivesKills(t *testing.T) {
	t.Parallel()
	tine := own(t)
	cluster, err := tine.Make(t.Context(), harness.CreateRequest("load"))
	fatal(t, "make cluster", err)
	l := startLoad(t, cluster.Connection.URI, cluster.Connection.URI)
	l.await(t, 100)
	for round := range 2 {
		fatal(t, "kill tine", tine.Kill(t.Context()))
		fatal(t, "start tine", tine.Start(t.Context()))
		l.await(t, 100)
		pid, err := tine.NodePID()
		fatal(t, "find the node", err)
		fatal(t, "kill the node", syscall.Kill(pid, syscall.SIGKILL))
		fatal(t, "wait for the node", tine.WaitEvents(t.Context(), cluster.ID, "node_restart", round+1))
		l.await(t, 100)
	}
	l.finish(t)
}
