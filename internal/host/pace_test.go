package host

import (
	"testing"
	"time"

	"tine/internal/gateway"
)

func TestTransfersYieldToTheSourcesClients(t *testing.T) {
	t.Parallel()
	const mib, ms = 1 << 20, time.Millisecond
	usual := load{operations: 1000, mean: 2 * ms, slowest: 10 * ms}
	for name, test := range map[string]struct {
		now, most    float64
		usual, taken load
		want         float64
	}{
		"nobody works":               {100 * mib, 200 * mib, usual, load{}, 120 * mib},
		"as ever":                    {100 * mib, 200 * mib, usual, usual, 120 * mib},
		"slower on average":          {100 * mib, 200 * mib, usual, load{1000, 4 * ms, 10 * ms}, 60 * mib},
		"the slowest are slower":     {100 * mib, 200 * mib, usual, load{1000, 2 * ms, 50 * ms}, 60 * mib},
		"too few to say":             {100 * mib, 200 * mib, usual, load{3, 400 * ms, 500 * ms}, 120 * mib},
		"nobody worked before":       {100 * mib, 200 * mib, load{}, load{1000, 4 * ms, 10 * ms}, 120 * mib},
		"nobody worked, slow now":    {100 * mib, 200 * mib, load{}, load{1000, 40 * ms, 100 * ms}, 60 * mib},
		"no more than allowed":       {190 * mib, 200 * mib, usual, usual, 200 * mib},
		"not stopped":                {5 * mib, 200 * mib, usual, load{1000, time.Second, time.Second}, 4 * mib},
		"a limit below the least":    {mib, mib, usual, load{1000, time.Second, time.Second}, mib},
		"faster than it was allowed": {100 * mib, 8 * mib, usual, usual, 8 * mib},
	} {
		if got := nextRate(test.now, test.most, test.usual, test.taken); got != test.want {
			t.Errorf("%s: %f, want %f", name, got/mib, test.want/mib)
		}
	}
}

func TestTransferSendsNothingWhileItListens(t *testing.T) {
	t.Parallel()
	h := &Host{cfg: Config{Gateway: gateway.NewServer(gateway.Config{})}}
	p := h.newPacer("nobody")
	var m gateway.Measurement
	p.measure = func() gateway.Measurement {
		m.Writes += 50
		m.Busy += 150 * time.Millisecond
		m.Histogram[5] += 50
		return m
	}
	begin := time.Now()
	if err := p.wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if passed := time.Since(begin); passed < listenFor {
		t.Errorf("it was listened for %s", passed)
	}
	if want := (load{operations: 100, mean: 3 * time.Millisecond, slowest: 5 * time.Millisecond}); p.usual != want {
		t.Errorf("the source is known as %+v, want %+v", p.usual, want)
	}
}
