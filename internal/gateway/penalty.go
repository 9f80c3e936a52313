package gateway

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"tine/internal/gateway/mongoerr"
)

const (
	// firstPenalty is what the first failed log-in of an address costs; each further one costs twice as much.
	firstPenalty = 200 * time.Millisecond
	// longestPenalty is what a failed log-in costs at most.
	longestPenalty = 5 * time.Second
	// penaltyMemory is how long after its last failure an address is as good as new.
	penaltyMemory = 10 * time.Minute
	// maxPenalties is how many addresses are remembered.
	maxPenalties = 10_000
)

// penalties make guessing passwords slow.
type penalties struct {
	clock func() time.Time

	mu struct {
		sync.Mutex
		failures map[netip.Prefix]failures
	}
}

// failures are the failed log-ins of an address.
type failures struct {
	count int
	last  time.Time
}

func newPenalties(clock func() time.Time) *penalties {
	p := &penalties{clock: clock}
	p.mu.failures = map[netip.Prefix]failures{}
	return p
}

// add counts a failed log-in and returns what it costs.
func (p *penalties) add(from netip.Addr) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, key := p.clock(), neighbourhood(from)
	f, known := p.mu.failures[key]
	if now.Sub(f.last) > penaltyMemory {
		f.count = 0
	}
	if !known && len(p.mu.failures) >= maxPenalties {
		p.makeRoomLocked(now)
	}
	const doublings = 5
	cost := min(firstPenalty<<min(f.count, doublings), longestPenalty)
	f.count, f.last = f.count+1, now
	p.mu.failures[key] = f
	return cost
}

// makeRoomLocked forgets who is forgiven, or else somebody.
func (p *penalties) makeRoomLocked(now time.Time) {
	for key, f := range p.mu.failures {
		if now.Sub(f.last) > penaltyMemory {
			delete(p.mu.failures, key)
		}
	}
	for key := range p.mu.failures {
		if len(p.mu.failures) < maxPenalties {
			return
		}
		delete(p.mu.failures, key)
	}
}

// neighbourhood is what one client has of addresses: with IPv6 a whole network.
func neighbourhood(a netip.Addr) netip.Prefix {
	const network = 64
	bits := a.BitLen()
	if a.Is6() {
		bits = network
	}
	p, _ := a.Prefix(bits) // without an address, no prefix
	return p
}

// loginFailed counts a failed log-in and returns, with the error that the client is to be told, when it has cost its time. A node that
// is down is nobody's failure.
func (c *conn) loginFailed(ctx context.Context, err error) error {
	if mongoerr.From(err).Code != mongoerr.AuthenticationFailed {
		return err
	}
	c.cluster.stats.failedLogins.Add(1)
	pause(ctx, c.cluster.penalties.add(c.remote))
	return err
}
