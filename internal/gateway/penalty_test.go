package gateway

import (
	"net/netip"
	"testing"
	"time"
)

func TestPenaltiesGrowAndAreForgotten(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	p := newPenalties(func() time.Time { return now })
	guesser, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for _, want := range []int64{200, 400, 800, 1600, 3200, 5000, 5000} {
		if got := p.add(guesser); got.Milliseconds() != want {
			t.Errorf("a failure costs %s, not %d ms", got, want)
		}
	}
	if got := p.add(other); got != firstPenalty {
		t.Errorf("the first failure of another address costs %s", got)
	}
	now = now.Add(penaltyMemory + time.Second)
	if got := p.add(guesser); got != firstPenalty {
		t.Errorf("the first failure after a while costs %s", got)
	}
}

func TestPenaltiesOfANetworkAreShared(t *testing.T) {
	t.Parallel()
	p := newPenalties(time.Now)
	p.add(netip.MustParseAddr("2001:db8::1"))
	if got := p.add(netip.MustParseAddr("2001:db8::2")); got != 2*firstPenalty {
		t.Errorf("a failure from a neighbour costs %s", got)
	}
	p.add(netip.Addr{}) // no address is no panic
}

func TestPenaltiesAreBounded(t *testing.T) {
	t.Parallel()
	p := newPenalties(time.Now)
	for i := range 2 * maxPenalties {
		p.add(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if n := len(p.mu.failures); n > maxPenalties {
		t.Errorf("%d addresses are remembered", n)
	}
}
