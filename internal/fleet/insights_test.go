package fleet_test

import (
	"testing"
	"time"

	"tine/internal/store"
)

func TestInsightsAreOfATimeBeforeNow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, request("shop"))
	var samples []store.Sample
	for i := range 48 {
		samples = append(samples, store.Sample{ClusterID: c.ID, At: now.Add(-time.Duration(i) * 30 * time.Minute), Span: time.Minute, Writes: 1})
	}
	if err := b.store.AddSamples(t.Context(), samples); err != nil {
		t.Fatal(err)
	}
	for span, want := range map[time.Duration]int{time.Hour: 2, 24 * time.Hour: 48, 7 * 24 * time.Hour: 12, 42: 2} {
		in, err := b.fleet.Insights(t.Context(), c.ID, span)
		var writes int64
		for _, s := range in.Samples {
			writes += s.Writes
		}
		if err != nil || len(in.Samples) != want || span == 24*time.Hour && writes != 48 || in.CPUs != 1 || in.StorageBytes != 15<<30 || !in.To.Equal(now) {
			t.Errorf("%s: %d samples, %d writes, %+v, %v; want %d samples", span, len(in.Samples), writes, in.CPUs, err, want)
		}
	}
}
