package host

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"tine/internal/gateway"
)

// How fast a transfer is, in bytes a second. It begins at firstRate; each second in which the slowest hundredth of the source's operations took longer than it did before
// the transfer makes it slower, down to leastRate, and each other one faster, up to what the operator allows.
const (
	mostRate  = 200 << 20
	firstRate = 32 << 20
	leastRate = 4 << 20

	slower, faster = 0.6, 1.3
	paceInterval   = time.Second
	paceShare      = 0.99

	// fewOperations are too few to say how long operations take; usualLatency is what stands for the time before then.
	fewOperations = 20
	usualLatency  = 10 * time.Millisecond

	burst = 1 << 20
)

// pacer holds a transfer back. It is used by one goroutine.
type pacer struct {
	most     float64
	measure  func() gateway.Histogram
	usual    time.Duration // that the slowest hundredth took before
	limiter  *rate.Limiter
	hurry    bool // clients wait for the transfer itself
	before   gateway.Histogram
	measured time.Time
}

func (h *Host) newPacer(sourceID string) *pacer {
	most := float64(mostRate)
	if h.cfg.Transfer.BytesPerSecond > 0 {
		most = float64(h.cfg.Transfer.BytesPerSecond)
	}
	measure := func() gateway.Histogram {
		m, _ := h.cfg.Gateway.Measure(sourceID)
		return m.Histogram
	}
	before := measure()
	return &pacer{
		most: most, measure: measure, usual: latency(before, usualLatency), before: before, measured: time.Now(),
		limiter: rate.NewLimiter(rate.Limit(min(most, firstRate)), burst),
	}
}

// wait returns when so many bytes may go on.
func (p *pacer) wait(ctx context.Context, n int) error {
	if p.hurry {
		return ctx.Err()
	}
	if time.Since(p.measured) >= paceInterval {
		now := p.measure()
		next := nextRate(float64(p.limiter.Limit()), p.most, p.usual, latency(now.Since(p.before), 0))
		p.limiter.SetLimit(rate.Limit(next))
		p.before, p.measured = now, time.Now()
	}
	return p.limiter.WaitN(ctx, n)
}

// latency is what the slowest hundredth of the operations took at most; few of them say nothing.
func latency(h gateway.Histogram, otherwise time.Duration) time.Duration {
	var count int64
	for _, n := range h {
		count += n
	}
	if count < fewOperations {
		return otherwise
	}
	return h.Quantile(paceShare)
}

// nextRate is how fast a transfer goes on that was at a rate while the source's operations took that long; 0: nobody works with the source.
func nextRate(now, most float64, usual, taken time.Duration) float64 {
	if taken > usual {
		return max(now*slower, min(leastRate, most))
	}
	return min(now*faster, most)
}
