package clients

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
)

// own starts a Tine for a test that kills it.
func own(t *testing.T) *harness.Tine {
	t.Helper()
	tine, err := harness.New(harness.Options{ImageGiB: 10})
	fatal(t, "prepare a Tine", err)
	t.Cleanup(func() {
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
