package gateway

import (
	"context"

	"tine/internal/gateway/mongoerr"
	"tine/internal/gateway/wire"
)

// maxRefusals is how many connections are told at a time why they are refused; more are just closed.
const maxRefusals = 16

// verdict is what becomes of a new connection.
type verdict int

const (
	admitted verdict = iota
	overLimit
	turnedAway // without a word
)

// admit serves a new connection, or refuses it. Nothing has been read from it.
func (c *cluster) admit(ctx context.Context, conn *conn) {
	switch c.add(conn) {
	case admitted:
		c.stats.accepted.Add(1)
		c.wg.Go(func() { c.begin(ctx, conn) })
	case overLimit:
		c.stats.refused.Add(1)
		c.refuse(ctx, conn)
	case turnedAway:
		_ = conn.net.Close()
	}
}

// add takes a connection in if its address may connect and there is room.
func (c *cluster) add(conn *conn) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.settings()
	if !s.trusts(conn.remote) {
		c.stats.untrusted.Add(1)
		return turnedAway
	}
	if c.mu.closing {
		return turnedAway
	}
	if s.MaxConnections > 0 && len(c.mu.conns) >= s.MaxConnections && !c.evictLocked(max(s.MaxConnections/2, 1)) {
		return overLimit
	}
	c.mu.conns[conn] = struct{}{}
	return admitted
}

// evictLocked makes room where connections that have not logged in hold more than they may of a full cluster: whoever
// only connects must not keep out those who work. One that has said nothing goes first.
func (c *cluster) evictLocked(most int) bool {
	var victim *conn
	anonymous := 0
	for conn := range c.mu.conns {
		stage := conn.stage.Load()
		if stage == stageLoggedIn {
			continue
		}
		if anonymous++; victim == nil || stage < victim.stage.Load() {
			victim = conn
		}
	}
	if anonymous <= most {
		return false
	}
	delete(c.mu.conns, victim)
	victim.close(true)
	c.stats.evicted.Add(1)
	return true
}

// begin serves a new connection.
func (c *cluster) begin(ctx context.Context, conn *conn) {
	if err := conn.open(ctx, c.times.First); err != nil {
		conn.logEnd(err)
		_ = conn.net.Close()
		c.forget(conn)
		return
	}
	c.serve(ctx, conn)
}

// serve serves a connection until it ends, on a fresh goroutine whenever it has been idle.
func (c *cluster) serve(ctx context.Context, conn *conn) {
	if conn.serve(ctx) {
		c.forget(conn)
		return
	}
	c.wg.Go(func() { c.serve(ctx, conn) })
}

func (c *cluster) forget(conn *conn) {
	c.mu.Lock()
	delete(c.mu.conns, conn)
	c.mu.Unlock()
	close(conn.done)
}

func (c *cluster) connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.conns)
}

// refuse answers the first message of a connection over the limit with the reason, so that the user can read it in the
// driver's error instead of "connection reset". A few at a time: whoever floods gets a closed connection.
func (c *cluster) refuse(ctx context.Context, conn *conn) {
	select {
	case c.refusals <- struct{}{}:
	default:
		_ = conn.net.Close()
		return
	}
	c.wg.Go(func() {
		defer func() { <-c.refusals }()
		defer context.AfterFunc(ctx, func() { _ = conn.net.Close() })()
		defer func() { _ = conn.stream.Close() }()
		if err := conn.open(ctx, c.times.Refusal); err != nil {
			return
		}
		conn.answerOnce(mongoerr.New(mongoerr.IngressConnectionLimitReached,
			"the cluster has as many connections as its plan allows (%d)", c.settings().MaxConnections))
	})
}

// answerOnce answers the connection's first message with an error.
func (c *conn) answerOnce(reason *mongoerr.Error) {
	if err := c.setReadDeadline(c.cluster.times.Refusal); err != nil {
		return
	}
	frame, err := wire.ReadFrame(c.reader, preAuthMessage)
	if err != nil {
		return
	}
	if err := c.net.SetWriteDeadline(deadline(c.cluster.times.Refusal)); err != nil {
		return
	}
	_, _, _ = c.cluster.codecs.Write(c.stream, wire.Reply{To: frame.RequestID, Legacy: frame.IsQuery(), Document: reason.Document()})
}
