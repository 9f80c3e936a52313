package host

import (
	"testing"
	"time"

	"tine/internal/gateway"
)

func TestTransfersYieldToTheSourcesClients(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, test := range map[string]struct {
		now, most   float64
		usual, took time.Duration
		want        float64
	}{
		"nobody works":               {100 * mib, 200 * mib, time.Millisecond, 0, 130 * mib},
		"as ever":                    {100 * mib, 200 * mib, time.Millisecond, time.Millisecond, 130 * mib},
		"slower than before":         {100 * mib, 200 * mib, time.Millisecond, 2500 * time.Microsecond, 60 * mib},
		"no more than allowed":       {190 * mib, 200 * mib, time.Millisecond, 0, 200 * mib},
		"not stopped":                {5 * mib, 200 * mib, time.Millisecond, time.Second, 4 * mib},
		"a limit below the least":    {mib, mib, time.Millisecond, time.Second, mib},
		"faster than it was allowed": {100 * mib, 8 * mib, time.Millisecond, 0, 8 * mib},
	} {
		if got := nextRate(test.now, test.most, test.usual, test.took); got != test.want {
			t.Errorf("%s: %f, want %f", name, got/mib, test.want/mib)
		}
	}
	var h gateway.Histogram
	h[3] = fewOperations - 1
	if got := latency(h, usualLatency); got != usualLatency {
		t.Errorf("few operations took %s", got)
	}
	if h[5]++; latency(h, usualLatency) != 5*time.Millisecond {
		t.Errorf("the slowest of some operations took %s", latency(h, usualLatency))
	}
}
