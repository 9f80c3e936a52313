package store_test

import (
	"testing"
	"time"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

// minuteSample is a sample whose numbers all differ.
func minuteSample(id string, at time.Time, n int64) store.Sample {
	return store.Sample{
		ClusterID: id, At: at, Span: time.Minute, Connections: int(n), Reads: 10 * n, Writes: 20 * n, Commands: 30 * n,
		Busy: time.Duration(n) * time.Second, Slow: time.Duration(n) * time.Millisecond, CPU: time.Duration(n) * time.Microsecond,
		MemoryBytes: n << 20, StorageBytes: n << 30, LSN: uint64(n) << 24,
	}
}

func TestSamplesAreReadByIntervalAndSummedUpWhenTheyAreOld(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c, other := mustOnline(t, s, newCluster(1)), mustOnline(t, s, newCluster(2))
	base := time.Now().UTC().Truncate(time.Hour).Add(-time.Hour)
	var samples []store.Sample
	for i := int64(1); i <= 20; i++ {
		samples = append(samples, minuteSample(c.ID, base.Add(time.Duration(i)*time.Minute), i))
	}
	samples = append(samples, minuteSample(other.ID, base.Add(time.Minute), 99), minuteSample("9752c6bd-22a4-4b17-a790-a612f8a5396c", base.Add(time.Minute), 1))
	for range 2 { // what is there stays
		if err := s.AddSamples(t.Context(), samples); err != nil {
			t.Fatal(err)
		}
	}
	end := base.Add(time.Hour)
	if got := must(s.Samples(t.Context(), c.ID, base, end, time.Minute))(t); len(got) != 20 || got[4] != samples[4] {
		t.Fatalf("minutes: %+v", got)
	}
	tens := must(s.Samples(t.Context(), c.ID, base, end, 10*time.Minute))(t)
	want := minuteSample(c.ID, base.Add(10*time.Minute), 10)
	want.Span, want.Reads, want.Writes, want.Commands, want.Busy, want.CPU = 10*time.Minute, 550, 1100, 1650, 55*time.Second, 55*time.Microsecond
	if len(tens) != 2 || tens[0] != want {
		t.Fatalf("tens: %+v, want first %+v", tens, want)
	}
	// The interval that is not over stays in minutes.
	for range 2 {
		if err := s.SumUpSamples(t.Context(), base.Add(15*time.Minute), base, 10*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	got := must(s.Samples(t.Context(), c.ID, base, end, time.Second))(t)
	if len(got) != 11 || got[0] != want || got[1] != samples[10] {
		t.Errorf("summed up: %+v", got)
	}
	if err := s.SumUpSamples(t.Context(), base, base.Add(15*time.Minute), 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := must(s.Samples(t.Context(), c.ID, base, end, time.Second))(t); len(got) != 6 {
		t.Errorf("after the oldest were deleted: %+v", got)
	}
	if got := must(s.Samples(t.Context(), "nonsense", base, end, time.Second))(t); got != nil {
		t.Errorf("samples of nobody: %+v", got)
	}
}

func TestStorageInUseIsTheNewestThatWasMeasured(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	sampled, snapped, never := mustOnline(t, s, newCluster(1)), mustOnline(t, s, newCluster(2)), mustOnline(t, s, newCluster(3))
	now := time.Now()
	for i, c := range []store.Cluster{sampled, snapped} {
		p := store.RestorePoint{ClusterID: c.ID, Volume: c.ID, StartedAt: now, CompletedAt: now, SizeBytes: int64(i + 1)}
		_ = must(s.AddRestorePoint(t.Context(), p))(t)
	}
	if err := s.AddSamples(t.Context(), []store.Sample{minuteSample(sampled.ID, now, 7), minuteSample(sampled.ID, now.Add(-time.Minute), 9)}); err != nil {
		t.Fatal(err)
	}
	got := must(s.StorageInUse(t.Context(), []string{sampled.ID, snapped.ID, never.ID}))(t)
	if len(got) != 2 || got[sampled.ID] != 7<<30 || got[snapped.ID] != 2 {
		t.Errorf("in use: %v", got)
	}
}

func TestThePhaseOfAMakingIsSeen(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := mustCreate(t, s, newCluster(1))
	if err := s.SetPhase(t.Context(), c.ID, "volume"); err != nil {
		t.Fatal(err)
	}
	if got := must(s.Cluster(t.Context(), c.ID))(t); got.Phase != "volume" {
		t.Errorf("phase %q", got.Phase)
	}
}
