package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tine/internal/gateway/mongoerr"
)

const (
	// wakePatience is how long a command waits for a node that is being woken. Drivers give a log-in 30 s.
	wakePatience = 25 * time.Second
)

// rest is whether a cluster's node is needed, and what stands between a command and a node that was stopped because it was not. Who needs the node
// calls enter, or enterIfAwake, and afterwards leave; so long the node is not stopped.
type rest struct {
	clock func() time.Time
	wake  func() error // nil: the node never rests

	asleep atomic.Bool
	uses   atomic.Int64
	last   atomic.Int64 // when the node was last needed for a client's work, in Unix nanoseconds

	mu     sync.Mutex
	waking *waking // nil: nobody has asked for the node since it was stopped
}

// waking is one start of the node, for all who wait for it.
type waking struct {
	done chan struct{} // closed at its end
	err  error         // then
}

func newRest(clock func() time.Time, wake func() error, asleep bool) *rest {
	r := &rest{clock: clock, wake: wake}
	r.asleep.Store(asleep && wake != nil)
	r.touch()
	return r
}

func (r *rest) touch() { r.last.Store(r.clock().UnixNano()) }

// enterIfAwake is enter for our own work, which wakes nobody. If it returns false there is nothing to leave.
func (r *rest) enterIfAwake() bool {
	r.uses.Add(1)
	if r.asleep.Load() { // set before uses are counted: see fallAsleep
		r.uses.Add(-1)
		return false
	}
	return true
}

// leave is the end of a use. work says that it was a client's work, by which the node's idle time begins anew.
func (r *rest) leave(work bool) {
	if work {
		r.touch()
	}
	r.uses.Add(-1)
}

// enter makes sure of the node for a client's command, and wakes it if it sleeps. All who come meanwhile wait for the same start.
func (r *rest) enter(ctx context.Context) error {
	if r.enterIfAwake() {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wakePatience, errNotAwake)
	defer cancel()
	for !r.enterIfAwake() {
		w := r.join()
		select {
		case <-w.done:
		case <-ctx.Done():
			return unavailable(context.Cause(ctx))
		}
		if w.err != nil {
			return unavailable(w.err)
		}
		if r.asleep.Load() { // stopped again already
			pause(ctx, nodeRetry)
		}
	}
	return nil
}

var errNotAwake = errors.New("the node was not awake in time")

func unavailable(err error) error {
	if _, ours := errors.AsType[*mongoerr.Error](err); ours {
		return err
	}
	return mongoerr.Wrap(errors.Join(errUnavailable, err), mongoerr.PrimarySteppedDown, "the cluster's node could not be woken").
		WithLabel(mongoerr.RetryableWrite)
}

// join returns the start that is under way, or begins one. It goes on when nobody waits for it any more.
func (r *rest) join() *waking {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waking != nil {
		return r.waking
	}
	w := &waking{done: make(chan struct{})}
	r.waking = w
	go func() {
		w.err = r.wake()
		r.mu.Lock()
		if r.waking == w {
			r.waking = nil
		}
		r.mu.Unlock()
		close(w.done)
	}()
	return w
}

// wakeUp lets commands through again.
func (r *rest) wakeUp() {
	r.touch()
	r.asleep.Store(false)
}

// fallAsleep keeps commands from the node from now on, if nobody needs it. isFree is asked when no command can come any more.
func (r *rest) fallAsleep(isFree func() bool) bool {
	if r.wake == nil || r.asleep.Swap(true) {
		return r.wake != nil
	}
	if r.uses.Load() != 0 || !isFree() {
		r.asleep.Store(false)
		return false
	}
	return true
}

// idleFor is how long nobody has needed the node.
func (r *rest) idleFor() time.Duration {
	return r.clock().Sub(time.Unix(0, r.last.Load()))
}

// isFree says whether nothing that a client has begun would be lost with the node's process.
func (c *cluster) isFree() bool { return c.transactions.open() == 0 && c.cursors.count() == 0 }

// Idle returns the clusters whose nodes have not been needed for as long as their settings say.
func (s *Server) Idle() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var idle []string
	for id, c := range s.clusters {
		after := c.settings().SuspendAfter
		if after > 0 && !c.rest.asleep.Load() && c.rest.uses.Load() == 0 && c.isFree() && c.rest.idleFor() >= after {
			idle = append(idle, id)
		}
	}
	return idle
}

// Suspend keeps clients from a cluster's node, which the caller then stops, if nobody has needed it for as long as that. It returns false, and
// changes nothing, if somebody has, or the cluster is not open. From then on Config.Wake is called when somebody does; the caller must have called
// Woken by the time it returns. Connections of clients stay.
func (s *Server) Suspend(id string, idle time.Duration) bool {
	c := s.cluster(id)
	if c == nil {
		return false
	}
	free := func() bool { return c.isFree() && c.rest.idleFor() >= idle }
	if !c.rest.fallAsleep(free) {
		return false
	}
	c.node.reset()
	return true
}

// Woken says that a cluster's node runs. A cluster that is not open, or did not sleep, is fine.
func (s *Server) Woken(id string) {
	c := s.cluster(id)
	if c == nil || !c.rest.asleep.Load() {
		return
	}
	c.node.reset()
	c.accounts.outlive() // nobody could change a user meanwhile
	c.rest.wakeUp()
	c.buildLater()
}

func (s *Server) cluster(id string) *cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clusters[id]
}

// enter makes sure of the node for a command, if it can need it; then rest.leave must be called at the command's end, with work.
func (c *conn) enter(ctx context.Context, r *request) (entered, work bool, err error) {
	cmd := c.cluster.commands[r.command]
	work = cmd.privilege > handshake && c.user != ""
	if !work && r.command != "saslStart" && r.command != "saslContinue" && !logsIn(r) {
		return false, false, nil // what is asked to watch a server, or goes nowhere, wakes nobody
	}
	if !c.cluster.rest.enterIfAwake() {
		err = c.awaken(ctx, r)
	}
	return err == nil, work, err
}

// logsIn says whether a hello has the first step of a log-in with it.
func logsIn(r *request) bool { return isHello(r.command) && has(r.field("speculativeAuthenticate")) }

// awaken waits for the node as long as the client does.
func (c *conn) awaken(ctx context.Context, r *request) error {
	ctx, stop := c.watched(ctx)
	defer stop()
	if r.maxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.maxTime, mongoerr.New(mongoerr.ExceededTimeLimit, "operation exceeded time limit"))
		defer cancel()
	}
	start := c.cluster.clock()
	err := c.cluster.rest.enter(ctx)
	c.log.DebugContext(ctx, "waited for the node to wake", slog.String("command", r.command), slog.Duration("duration", c.cluster.clock().Sub(start)))
	return err
}

// whileAwake runs do, some work of our own on the node, unless that sleeps, and reports whether it has.
func (c *cluster) whileAwake(do func()) bool {
	if !c.rest.enterIfAwake() {
		return false
	}
	defer c.rest.leave(false)
	do()
	return true
}
