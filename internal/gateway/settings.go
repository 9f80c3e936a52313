package gateway

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

const (
	majority = "majority"

	defaultSlowOperation       = 100 * time.Millisecond
	defaultTransactionLifetime = time.Minute
)

// Settings are what may change of a cluster while it is served.
type Settings struct {
	// MaxConnections is how many clients may be connected at a time; 0 means no limit.
	MaxConnections int
	// Sources are the addresses that may connect. Nil means all; a list that is empty but not nil lets nobody in.
	Sources []netip.Prefix
	// SlowOperation is how long a command takes before it is logged. Default 100 ms; a nanosecond logs all.
	SlowOperation time.Duration
	// TransactionLifetime is when a transaction that has neither been committed nor aborted is ended. Default one minute.
	TransactionLifetime time.Duration
	// DefaultReadConcern and DefaultWriteConcern are what getDefaultRWConcern answers; with one node they change nothing else.
	// Default local and majority.
	DefaultReadConcern, DefaultWriteConcern string
	// SuspendAfter is after how long without work the cluster is among those that Idle returns; 0 means never.
	SuspendAfter time.Duration
	// Verbosity is what is logged of commands beyond slow ones: from 1 on those that fail, from 2 on those that change something,
	// from 3 on all.
	Verbosity int
	// Growth says whether commands may make the cluster's data grow.
	Growth Growth
	// Topology is what hello presents. The zero value is one node, a primary, reached at this listener.
	Topology Topology
}

// Topology says which nodes a cluster has.
type Topology struct {
	Members []Member
	Self    int // index of the member that this listener leads to
	// Term must grow whenever another member becomes primary: it is how drivers tell an old primary from a new one.
	Term int32
}

// Member is a node as clients see it.
type Member struct {
	Address string // host:port
	Role    Role
}

// Role is what a member does.
type Role int

// The roles of members.
const (
	Primary Role = iota
	Secondary
)

func (t Topology) equal(other Topology) bool {
	return t.Self == other.Self && t.Term == other.Term && slices.Equal(t.Members, other.Members)
}

// self is the member that this listener leads to.
func (t Topology) self() Member { return t.Members[t.Self] }

// primary is the address of the primary, empty if there is none.
func (t Topology) primary() string {
	for _, m := range t.Members {
		if m.Role == Primary {
			return m.Address
		}
	}
	return ""
}

// withDefaults fills in what was left open; address is where the listener is reached.
func (s Settings) withDefaults(address string) *Settings {
	if s.SlowOperation == 0 {
		s.SlowOperation = defaultSlowOperation
	}
	if s.TransactionLifetime == 0 {
		s.TransactionLifetime = defaultTransactionLifetime
	}
	if s.DefaultReadConcern == "" {
		s.DefaultReadConcern = "local"
	}
	if s.DefaultWriteConcern == "" {
		s.DefaultWriteConcern = majority
	}
	if t := s.Topology; t.Self < 0 || t.Self >= len(t.Members) {
		s.Topology = Topology{Members: []Member{{Address: address}}}
	}
	return &s
}

// trusts reports whether addr may connect.
func (s *Settings) trusts(addr netip.Addr) bool {
	return s.Sources == nil || slices.ContainsFunc(s.Sources, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// settings are those in force now.
func (c *cluster) settings() *Settings { return c.current.Load() }

// update puts new settings in force: for new connections at once; open ones from addresses that are no longer trusted are closed.
func (c *cluster) update(s Settings) {
	next := s.withDefaults(c.host)
	c.mu.Lock()
	c.current.Store(next) // add reads it under the same lock
	for conn := range c.mu.conns {
		if !next.trusts(conn.remote) {
			c.stats.untrusted.Add(1)
			conn.close(true)
		}
	}
	c.mu.Unlock()
	c.topology.set(next.Topology)
}

// stats count what happened since the cluster's gateway opened.
type stats struct {
	accepted          atomic.Int64 // connections that were served
	refused           atomic.Int64 // connections over the limit
	evicted           atomic.Int64 // connections that had not logged in and made room for others
	untrusted         atomic.Int64 // connections from addresses that may not connect, or no longer
	plaintext         atomic.Int64 // connections that did not speak TLS and had to
	handshakeFailures atomic.Int64 // TLS handshakes that came to nothing
	failedLogins      atomic.Int64
	messages          atomic.Int64 // that came in
	points            atomic.Int64 // finds that were read from the collection's table
	wholes            atomic.Int64 // finds that were read without a cursor
	hashed            atomic.Int64 // pipelines that grouped by hash
	repeated          atomic.Int64 // reads that had to be carried out once more, in the general way
	bytesIn, bytesOut atomic.Int64 // of messages, as they went over the wire, without TLS
}
