package host

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"tine/internal/gateway"
)

// How fast a transfer is, in bytes a second. It begins at firstRate; each second in which the source's operations took clearly longer than without the transfer makes it
// slower, down to leastRate, and each other one faster, up to what the operator allows.
const (
	// DefaultTransferRate is what a transfer does at most, unless the operator says otherwise.
	DefaultTransferRate = 200 << 20

	firstRate = 16 << 20
	leastRate = 4 << 20

	slower, faster = 0.6, 1.2
	paceInterval   = time.Second
	burst          = 1 << 20
)

// What the source's operations take without the transfer is found out by sending nothing for listenFor, at the beginning and again after listenAgain. A source without any
// operation within listenShortly is not listened to for longer.
const (
	listenShortly = 100 * time.Millisecond
	listenFor     = time.Second
	listenAgain   = 30 * time.Second
)

// load is what the clients of a source did within a time.
type load struct {
	operations int64
	mean       time.Duration
	slowest    time.Duration // that the slowest hundredth took at most
}

// Operations take clearly longer when they do so by mostMean on average, or by mostSlowest for the slowest hundredth, which is known by the bounds of a histogram only.
const (
	mostMean, mostSlowest = 1.5, 2.5
	slowestShare          = 0.99
	// fewOperations are too few to compare.
	fewOperations = 20
)

// usualLoad stands for a source that nobody worked with when it was listened to.
func usualLoad() load {
	return load{operations: fewOperations, mean: 5 * time.Millisecond, slowest: 25 * time.Millisecond}
}

// loadBetween is what was done between two measurements.
func loadBetween(before, after gateway.Measurement) load {
	l := load{operations: after.Reads + after.Writes + after.Commands - before.Reads - before.Writes - before.Commands}
	if l.operations > 0 {
		l.mean = (after.Busy - before.Busy) / time.Duration(l.operations)
	}
	l.slowest = after.Histogram.Since(before.Histogram).Quantile(slowestShare)
	return l
}

// nextRate is how fast a transfer goes on that was at a rate while the source's clients did that.
func nextRate(now, most float64, usual, taken load) float64 {
	if usual.operations < fewOperations {
		usual = usualLoad()
	}
	late := float64(taken.mean) > mostMean*float64(usual.mean) || float64(taken.slowest) > mostSlowest*float64(usual.slowest)
	if taken.operations >= fewOperations && late {
		return max(now*slower, min(leastRate, most))
	}
	return min(now*faster, most)
}

// pacer holds a transfer back. It is used by one goroutine.
type pacer struct {
	most     float64
	measure  func() gateway.Measurement
	limiter  *rate.Limiter
	usual    load
	listened time.Time
	before   gateway.Measurement
	measured time.Time
	hurry    bool // clients wait for the transfer itself
}

func (h *Host) newPacer(sourceID string) *pacer {
	most := float64(DefaultTransferRate)
	if h.cfg.Transfer.BytesPerSecond > 0 {
		most = float64(h.cfg.Transfer.BytesPerSecond)
	}
	return &pacer{
		most:    most,
		limiter: rate.NewLimiter(rate.Limit(min(most, firstRate)), burst),
		measure: func() gateway.Measurement {
			m, _ := h.cfg.Gateway.Measure(sourceID)
			return m
		},
	}
}

// wait returns when so many bytes may go on.
func (p *pacer) wait(ctx context.Context, n int) error {
	if p.hurry {
		return ctx.Err()
	}
	if time.Since(p.listened) >= listenAgain {
		if err := p.listen(ctx); err != nil {
			return err
		}
	}
	if time.Since(p.measured) >= paceInterval {
		now := p.measure()
		p.limiter.SetLimit(rate.Limit(nextRate(float64(p.limiter.Limit()), p.most, p.usual, loadBetween(p.before, now))))
		p.before, p.measured = now, time.Now()
	}
	return p.limiter.WaitN(ctx, n)
}

// listen finds out what the source's operations take without the transfer.
func (p *pacer) listen(ctx context.Context) error {
	before := p.measure()
	for _, pause := range []time.Duration{listenShortly, listenFor} {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		p.before = p.measure()
		p.usual = loadBetween(before, p.before)
		if p.usual.operations == 0 {
			break
		}
	}
	p.listened, p.measured = time.Now(), time.Now()
	return nil
}
