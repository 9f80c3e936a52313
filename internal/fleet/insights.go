package fleet

import (
	"context"
	"fmt"
	"time"

	"tine/internal/store"
)

// LogLine is a line of a cluster's log.
type LogLine struct {
	At      time.Time // the zero time if it does not say
	Status  string    // info, warn, error, critical or emergency
	Message string
}

// Logs returns the newest lines of a cluster's log, the oldest of them first.
func (f *Fleet) Logs(ctx context.Context, id string, most int) ([]LogLine, error) {
	c, err := f.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	lines, err := f.cfg.Logs(ctx, c, most)
	if err != nil {
		return nil, fmt.Errorf("read log of cluster %s: %w", c.Name, err)
	}
	return lines, nil
}

// Insights is what a cluster did in a time.
type Insights struct {
	From, To time.Time
	Interval time.Duration
	// Samples are of one interval each; where Tine or the cluster did not run there is none.
	Samples []store.Sample
	// What the plan gives.
	CPUs         int
	MemoryBytes  int64
	StorageBytes int64
	Connections  int
}

// InsightSpans are the times that Insights can be had of.
func InsightSpans() []time.Duration {
	return []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}
}

// Insights returns what a cluster did in the time before now, one of InsightSpans; any other means the shortest.
func (f *Fleet) Insights(ctx context.Context, id string, span time.Duration) (Insights, error) {
	c, err := f.Get(ctx, id)
	if err != nil {
		return Insights{}, err
	}
	interval := map[time.Duration]time.Duration{time.Hour: time.Minute, 24 * time.Hour: 15 * time.Minute, 7 * 24 * time.Hour: 2 * time.Hour}[span]
	if interval == 0 {
		span, interval = time.Hour, time.Minute
	}
	now := f.cfg.Clock().UTC()
	in := Insights{From: now.Add(-span), To: now, Interval: interval, StorageBytes: c.StorageMiB << 20}
	if plan, ok := f.cfg.Catalog.Plan(c.Size); ok {
		in.CPUs, in.MemoryBytes, in.Connections = plan.VCPUs, plan.MemoryMiB<<20, plan.MaxConnections
	}
	in.Samples, err = f.cfg.Store.Samples(ctx, id, in.From, in.To, interval)
	return in, err
}
