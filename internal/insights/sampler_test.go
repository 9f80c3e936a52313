package insights

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"tine/internal/gateway"
	"tine/internal/store"
)

// script is a Source and the Records: readings that are given, samples that are kept.
type script struct {
	readings []Reading
	kept     []store.Sample
	fails    bool
	sums     []time.Time
}

// Readings implements Source.
func (s *script) Readings(context.Context) []Reading { return s.readings }

// AddSamples implements Records.
func (s *script) AddSamples(_ context.Context, samples []store.Sample) error {
	if s.fails {
		return errors.New("the store is away")
	}
	s.kept = append(s.kept, samples...)
	return nil
}

// SumUpSamples implements Records.
func (s *script) SumUpSamples(_ context.Context, before, _ time.Time, _ time.Duration) error {
	s.sums = append(s.sums, before)
	return nil
}

func reading(n int64, cpu time.Duration) Reading {
	r := Reading{ClusterID: "a", Clients: gateway.Measurement{Connections: 3, Reads: n, Writes: 2 * n, Busy: time.Duration(n) * time.Millisecond}, CPU: cpu, LSN: uint64(n)}
	r.Clients.Histogram[3] = 3 * n
	return r
}

func TestSamplesAreWhatHappenedSinceTheLast(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 8, 10, 12, 0, 0, 0, time.UTC)
	script := &script{}
	s := New(Config{Source: script, Records: script, Clock: func() time.Time { return now }})
	take := func(r ...Reading) error {
		now = now.Add(time.Minute)
		script.readings = r
		return s.Take(t.Context())
	}
	for _, r := range []Reading{reading(10, time.Hour), reading(15, time.Hour+time.Second)} {
		if err := take(r); err != nil {
			t.Fatal(err)
		}
	}
	script.fails = true
	if err := take(reading(20, time.Hour+2*time.Second)); err == nil {
		t.Fatal("a failure passed")
	}
	script.fails = false
	for _, r := range []Reading{reading(30, time.Hour+4*time.Second), reading(4, time.Second)} {
		if err := take(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := take(); err != nil { // no cluster at all
		t.Fatal(err)
	}
	var reads []int64
	var cpu, spans []time.Duration
	for _, k := range script.kept {
		reads, cpu, spans = append(reads, k.Reads), append(cpu, k.CPU), append(spans, k.Span)
	}
	// Of the first the processor time is unknown; the third has the failed one's, too; then gateway and node began anew.
	if !slices.Equal(reads, []int64{10, 5, 15, 4}) || !slices.Equal(cpu, []time.Duration{0, time.Second, 3 * time.Second, time.Second}) {
		t.Errorf("reads %v, cpu %v", reads, cpu)
	}
	if !slices.Equal(spans, []time.Duration{time.Minute, time.Minute, 2 * time.Minute, time.Minute}) {
		t.Errorf("spans %v", spans)
	}
	if got := script.kept[1]; got.Writes != 10 || got.Busy != 5*time.Millisecond || got.Slow != time.Millisecond || got.Connections != 3 || got.LSN != 15 {
		t.Errorf("sample %+v", got)
	}
	if len(script.sums) != 1 {
		t.Errorf("summed up %d times in six minutes", len(script.sums))
	}
}
