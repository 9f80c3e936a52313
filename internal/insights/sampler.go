package insights

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"tine/internal/gateway"
	"tine/internal/store"
)

// How long samples are kept: each for FineFor, sums of Coarse until KeepFor.
const (
	DefaultInterval = time.Minute
	FineFor         = 25 * time.Hour
	Coarse          = 10 * time.Minute
	KeepFor         = 8 * 24 * time.Hour
)

// Reading is what can be measured of a cluster now.
type Reading struct {
	ClusterID    string
	Clients      gateway.Measurement
	CPU          time.Duration // of the node, since it was started
	MemoryBytes  int64
	StorageBytes int64  // 0 if it is not known
	LSN          uint64 // 0 if it is not known
}

// Source measures. *host.Host does.
type Source interface {
	// Readings returns one of each cluster that runs. What cannot be measured of one is left out, and must not keep the others.
	Readings(ctx context.Context) []Reading
}

// Records keeps samples. *store.Store does.
type Records interface {
	AddSamples(ctx context.Context, samples []store.Sample) error
	SumUpSamples(ctx context.Context, before, oldest time.Time, interval time.Duration) error
}

var _ Records = (*store.Store)(nil)

// Config is what a sampler needs.
type Config struct {
	Source   Source
	Records  Records
	Log      *slog.Logger
	Interval time.Duration    // default DefaultInterval
	Clock    func() time.Time // default: the system's
}

// Sampler takes samples. Only one may work on a Source.
type Sampler struct {
	cfg      Config
	last     map[string]Reading // by cluster
	lastAt   time.Time
	summedUp time.Time
}

// New returns a sampler that has taken nothing yet.
func New(cfg Config) *Sampler {
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return &Sampler{cfg: cfg, last: map[string]Reading{}, lastAt: cfg.Clock()}
}

// Run takes samples until ctx ends.
func (s *Sampler) Run(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Interval)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := s.Take(ctx)
		// One line a failure, not one a minute.
		if err != nil && !failing && ctx.Err() == nil {
			s.cfg.Log.ErrorContext(ctx, "samples could not be kept; trying again", "error", err)
		}
		failing = err != nil
	}
}

// Take writes a sample of each cluster and, when it is time, sums up old ones. After an error nothing of this sample is kept, and the
// next one has what happened since the last that was.
func (s *Sampler) Take(ctx context.Context) error {
	now := s.cfg.Clock()
	readings := s.cfg.Source.Readings(ctx)
	samples := make([]store.Sample, len(readings))
	for i, r := range readings {
		before, known := s.last[r.ClusterID]
		samples[i] = sample(r, before, known)
		samples[i].At, samples[i].Span = now, max(now.Sub(s.lastAt).Round(time.Second), time.Second)
	}
	if len(samples) > 0 {
		if err := s.cfg.Records.AddSamples(ctx, samples); err != nil {
			return fmt.Errorf("take samples: %w", err)
		}
	}
	s.last = make(map[string]Reading, len(readings))
	for _, r := range readings {
		s.last[r.ClusterID] = r
	}
	s.lastAt = now
	if now.Sub(s.summedUp) < Coarse {
		return nil
	}
	if err := s.cfg.Records.SumUpSamples(ctx, now.Add(-FineFor), now.Add(-KeepFor), Coarse); err != nil {
		return err
	}
	s.summedUp = now
	return nil
}

// sample is what happened between two readings of a cluster.
func sample(r, before Reading, known bool) store.Sample {
	now, then := r.Clients, before.Clients
	if now.Reads < then.Reads || now.Writes < then.Writes || now.Commands < then.Commands || now.Busy < then.Busy {
		then = gateway.Measurement{} // the gateway was opened anew
	}
	const slow = 0.95
	one := store.Sample{
		ClusterID: r.ClusterID, Connections: now.Connections,
		Reads: now.Reads - then.Reads, Writes: now.Writes - then.Writes, Commands: now.Commands - then.Commands,
		Busy: now.Busy - then.Busy, Slow: now.Histogram.Since(then.Histogram).Quantile(slow),
		MemoryBytes: r.MemoryBytes, StorageBytes: r.StorageBytes, LSN: r.LSN,
	}
	switch {
	case !known:
	case r.CPU >= before.CPU:
		one.CPU = r.CPU - before.CPU
	default:
		one.CPU = r.CPU // the node was started anew
	}
	return one
}
