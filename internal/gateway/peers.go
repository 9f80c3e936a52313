package gateway

import (
	"net/netip"
	"sync"
)

// peer is a client, as far as the gateway can tell: a user at an address. A driver spreads its work over several
// connections, so that the end of one of them says little, and the end of the last one that the client has gone.
type peer struct {
	user    string
	address netip.Addr
}

// peers counts the connections of each peer.
type peers struct {
	mu    sync.Mutex
	count map[peer]int
}

func newPeers() *peers { return &peers{count: map[peer]int{}} }

func (p *peers) arrive(who peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[who]++
}

// leave reports whether that was the peer's last connection.
func (p *peers) leave(who peer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[who]--
	if p.count[who] > 0 {
		return false
	}
	delete(p.count, who)
	return true
}

// peer is who is at the other end.
func (c *conn) peer() peer { return peer{user: c.user, address: c.remote} }
