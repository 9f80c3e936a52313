package gateway

import (
	"context"
	"net"
	"time"

	"tine/internal/gateway/mongoerr"
)

const (
	// cutGrace is how long commands may still take when their cluster is cut off from its node; most end well within it.
	cutGrace = 200 * time.Millisecond
	// cutAnswer is how long those that did not may take to tell their clients so.
	cutAnswer = time.Second
)

// Cut stops serving a cluster and keeps its listener, which it returns: clients that connect meanwhile wait until Open has it again, or it
// is closed, which is the caller's to do. Commands that run may end for a moment; then they end with an error by which drivers try
// again, connections are closed, and with them sessions, transactions and cursors are over. When it returns, everything that
// clients were told of was done, and nobody will be told of anything more. It returns nil if the cluster is not open.
func (s *Server) Cut(ctx context.Context, id string) net.Listener {
	c := s.remove(id)
	if c == nil {
		return nil
	}
	c.cut(ctx)
	return c.listener
}

// deadlined is what a listener must be to be kept.
type deadlined interface {
	SetDeadline(t time.Time) error
}

func (c *cluster) cut(ctx context.Context) {
	// First the accept loop: a connection that is accepted and closed is one more failure for a driver that tries to come back.
	if ln, ok := c.listener.(deadlined); ok {
		c.deaf.Store(true)
		_ = ln.SetDeadline(past())
		<-c.accepted
		defer func() { _ = ln.SetDeadline(time.Time{}) }()
	}
	c.closeConns(false)
	c.topology.wake()
	if !c.await(ctx, cutGrace) {
		c.eachConn(func(other *conn) {
			if op := other.running.op; op != nil {
				op.cancel(errCut(op.request))
			}
		})
		c.await(ctx, cutAnswer)
	}
	c.end()
}

// await returns when no connection is left, or after d, and then false.
func (c *cluster) await(ctx context.Context, d time.Duration) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.awaitConns() // the caller ends those that are left
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	}
}

// errCut is for a command that runs when its cluster is cut off. The label says what a driver does with it, once it is
// connected again; where the outcome is not known and the command has no number there is none.
func errCut(r *request) *mongoerr.Error {
	err := mongoerr.New(mongoerr.PrimarySteppedDown, "the cluster is given other data; whether the operation was carried out before is not known")
	switch {
	case r.inTxn && r.command != "commitTransaction":
		return err.WithLabel(mongoerr.TransientTransaction)
	case r.hasTxn:
		return err.WithLabel(mongoerr.RetryableWrite)
	default:
		return err
	}
}
