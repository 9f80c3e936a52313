package history

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tine/internal/store"
	"tine/internal/wal"
)

// moment is a time on a small clock.
func moment(seconds int) time.Time { return time.Unix(int64(seconds), 0) }

// point is a restore point that took from begin to end, with its marker in the segment of that number.
func point(id int64, begin, end int, segment uint64) store.RestorePoint {
	return store.RestorePoint{
		ID: id, Volume: "v", StartedAt: moment(begin), CompletedAt: moment(end), Timeline: 1,
		MarkerLSN: segment*wal.SegmentSize + 100, EndLSN: segment*wal.SegmentSize + 200,
	}
}

func TestBaseIsTheNewestWhoseOwnWALEndsBeforeTheTarget(t *testing.T) {
	t.Parallel()
	points := []store.RestorePoint{point(1, 10, 12, 3), point(2, 20, 22, 5), point(3, 30, 32, 9)}
	for name, test := range map[string]struct {
		target Target
		base   int64 // 0 means ErrOutside
	}{
		"before the first":             {Target{At: moment(11)}, 0},
		"at the end of the first":      {Target{At: moment(12)}, 1},
		"between":                      {Target{At: moment(15)}, 1},
		"at the marker of the next":    {Target{At: moment(20)}, 1},
		"inside the last":              {Target{At: moment(31)}, 2},
		"the end of the last, exactly": {Target{At: moment(32)}, 3},
		"after the last":               {Target{At: moment(40)}, 3},
		"a transaction in the first":   {Target{LSN: 3*wal.SegmentSize + 150}, 0},
		"where the first ends":         {Target{LSN: 3*wal.SegmentSize + 200}, 1},
		"inside the second's own WAL":  {Target{LSN: 5*wal.SegmentSize + 199, After: true}, 1},
		"a transaction after the last": {Target{LSN: 20 * wal.SegmentSize}, 3},
	} {
		base, err := baseFor(points, test.target)
		if base.ID != test.base || (err != nil) != (test.base == 0) || err != nil && !errors.Is(err, ErrOutside) {
			t.Errorf("%s: base %d, %v; want base %d", name, base.ID, err, test.base)
		}
	}
	set := []store.RestorePoint{point(2, 20, 22, 5), point(1, 30, 32, 3), point(3, 40, 42, 9)} // the clock was set back behind the first
	for segment, want := range map[wal.LSN]int64{4: 1, 6: 2, 10: 3} {
		if base, err := baseFor(set, Target{LSN: segment * wal.SegmentSize}); err != nil || base.ID != want {
			t.Errorf("after the clock was set, the base for segment %d is %d, %v; want %d", segment, base.ID, err, want)
		}
	}
	if _, err := baseFor(nil, Target{At: moment(15)}); !errors.Is(err, ErrOutside) {
		t.Errorf("without restore points the error is %v", err)
	}
}

func TestExpiredKeepsTheNewestBeforeTheWindow(t *testing.T) {
	t.Parallel()
	// The last was taken while the clock was ahead.
	points := []store.RestorePoint{point(1, 10, 12, 3), point(2, 20, 22, 5), point(3, 30, 32, 9), point(4, 1000, 1002, 7)}
	for begin, want := range map[int][]int64{5: {4}, 12: {4}, 21: {4}, 22: {1, 4}, 31: {1, 4}, 32: {1, 2, 4}, 90: {1, 2, 4}, 905: {1, 2}} {
		old, rest := expired(points, moment(begin), moment(begin+100))
		var got []int64
		for _, p := range old {
			got = append(got, p.ID)
		}
		if len(old)+len(rest) != len(points) {
			t.Errorf("window from %d: %d expire and %d are left", begin, len(old), len(rest))
		}
		if !slices.Equal(got, want) {
			t.Errorf("window from %d: %v expire, want %v", begin, got, want)
		}
	}
}

// A clock that is behind makes all restore points lie in the future but those that it has made itself. They stay, with their log, unless it goes on so for a whole window.
func TestClockThatIsBehindDeletesNothing(t *testing.T) {
	t.Parallel()
	points := []store.RestorePoint{point(4, 10, 12, 9), point(5, 20, 22, 10), point(1, 1000, 1002, 3), point(2, 1020, 1022, 5), point(3, 1030, 1032, 7)}
	for begin, want := range map[int][]int64{-70: nil, 11: nil, 12: {1, 2, 3}, 22: {4, 1, 2, 3}} {
		old, rest := expired(points, moment(begin), moment(begin+100))
		var got []int64
		for _, p := range old {
			got = append(got, p.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("window from %d: %v expire, want %v", begin, got, want)
		}
		if first := neededFrom(rest).Number; want == nil && first != 3 {
			t.Errorf("window from %d: the log is kept from segment %d on", begin, first)
		}
	}
}

// A clock that was set forward is believed in the end: it may have been behind when the machine was started, or the machine slept.
func TestClockThatStaysAheadIsBelievedAfterADay(t *testing.T) {
	t.Parallel()
	var wall, passed time.Duration
	begin := moment(0)
	h := New(Config{Now: func() time.Time { return begin.Add(wall) }, Elapsed: func() time.Duration { return passed }})
	for i, step := range []struct{ wall, passed, want time.Duration }{
		{time.Hour, time.Hour, time.Hour},
		{50 * time.Hour, 2 * time.Hour, 2 * time.Hour},    // set forward by two days
		{70 * time.Hour, 22 * time.Hour, 22 * time.Hour},  // not a day ago
		{171 * time.Hour, 23 * time.Hour, 23 * time.Hour}, // again, by four days
		{190 * time.Hour, 42 * time.Hour, 42 * time.Hour}, // not a day ago
		{195 * time.Hour, 47 * time.Hour, 195 * time.Hour},
		{200 * time.Hour, 52 * time.Hour, 200 * time.Hour},
		{150 * time.Hour, 53 * time.Hour, 150 * time.Hour}, // set back
		{999 * time.Hour, 54 * time.Hour, 151 * time.Hour}, // and forward
		{160 * time.Hour, 63 * time.Hour, 160 * time.Hour}, // and back
		{999 * time.Hour, 79 * time.Hour, 176 * time.Hour}, // and forward: a day counts from now
	} {
		wall, passed = step.wall, step.passed
		if got := h.patientNow().Sub(begin); got != step.want {
			t.Errorf("look %d: %s have passed, want %s", i, got, step.want)
		}
	}
}

// A clock that was set leaves restore points in another order than the log: none goes for being between others, and the log stays from the first one on.
func TestRestorePointsAroundAClockThatWasSet(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	for name, points := range map[string][]store.RestorePoint{
		"it was ahead":    {point(1, 10, 12, 3), point(3, 30, 32, 5), point(4, 40, 42, 6), point(2, 1000, 1002, 4)},
		"it was set back": {point(2, 10, 12, 4), point(1, 20, 22, 3), point(3, 30, 32, 5)},
	} {
		for _, p := range thinned(points, moment(50), h.budgetFor) {
			if p.ID != 3 || name == "it was set back" {
				t.Errorf("%s: restore point %d is dropped", name, p.ID)
			}
		}
		if first := neededFrom(points); first != (wal.Segment{Timeline: 1, Number: 3}) {
			t.Errorf("%s: the log is kept from segment %s on", name, first.Name())
		}
	}
}

// Whatever was written when, both bounds hold after thinning: what has to be replayed for any moment, and how many restore points there are.
func TestThinningBoundsReplayAndNumber(t *testing.T) {
	t.Parallel()
	const budget = 64 << 20
	h := New(Config{Budget: budget})
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		now := moment(0).Add(8 * 24 * time.Hour)
		points := randomPoints(random, now, budget)
		dropped := map[int64]bool{}
		for _, p := range thinned(points, now, h.budgetFor) {
			dropped[p.ID] = true
		}
		kept := slices.DeleteFunc(slices.Clone(points), func(p store.RestorePoint) bool { return dropped[p.ID] })
		if len(kept) == 0 || kept[0].ID != points[0].ID || kept[len(kept)-1].ID != points[len(points)-1].ID {
			t.Fatalf("seed %d: the first or the last is gone", seed)
		}
		number := 0.0
		for i := 1; i < len(kept); i++ {
			replay, most := int64(kept[i].EndLSN-kept[i-1].RedoLSN), h.budgetFor(now.Sub(kept[i].CompletedAt))
			if late := lateness(kept[i-1], kept[i]); replay > max(most, late) {
				t.Errorf("seed %d: %d bytes have to be replayed, more than %d", seed, replay, max(most, late))
			}
			number += float64(kept[i].EndLSN-kept[i-1].EndLSN) / float64(most)
		}
		if most := 2*number + 2*2; float64(len(kept)) > most {
			t.Errorf("seed %d: %d of %d restore points are left, more than %.1f", seed, len(kept), len(points), most)
		}
		if again := thinned(kept, now, h.budgetFor); len(again) != 0 {
			t.Errorf("seed %d: a second time %d more are dropped", seed, len(again))
		}
	}
}

// randomPoints are restore points as they are taken: at the budget, or earlier when writing is over, or a little late; through busy and idle hours.
func randomPoints(random *rand.Rand, now time.Time, budget int64) (points []store.RestorePoint) {
	at, lsn := now.Add(-7*24*time.Hour), uint64(budget)
	for id := int64(1); ; id++ {
		pace := time.Duration(random.ExpFloat64() * float64(time.Minute))
		if random.IntN(20) == 0 {
			pace = time.Duration(random.ExpFloat64() * float64(6*time.Hour))
		}
		at = at.Add(pace)
		if at.After(now) {
			return points
		}
		lsn += uint64(random.Int64N(budget)) + uint64(random.IntN(2))*uint64(budget/8)
		points = append(points, store.RestorePoint{ID: id, CompletedAt: at, Timeline: 1, RedoLSN: lsn, MarkerLSN: lsn, EndLSN: lsn + uint64(random.IntN(1<<20))})
	}
}

// lateness is the WAL between two restore points if they were taken one after the other.
func lateness(a, b store.RestorePoint) int64 {
	if b.ID == a.ID+1 {
		return int64(b.EndLSN - a.RedoLSN)
	}
	return 0
}

func TestIdleWeekLeavesAHandful(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	now := moment(0).Add(7 * 24 * time.Hour)
	var points []store.RestorePoint
	for hour := range 7 * 24 { // each hour something small was written
		lsn := uint64(1<<30 + hour*40<<10)
		points = append(points, store.RestorePoint{
			ID: int64(hour), CompletedAt: moment(0).Add(time.Duration(hour) * time.Hour), Timeline: 1, RedoLSN: lsn, EndLSN: lsn + 1000,
		})
	}
	if left := len(points) - len(thinned(points, now, h.budgetFor)); left != 2 {
		t.Errorf("%d restore points are left", left)
	}
}

func TestThinningKeepsTimelinesApart(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	points := []store.RestorePoint{{ID: 1, Timeline: 1}, {ID: 2, Timeline: 1}, {ID: 3, Timeline: 2}, {ID: 4, Timeline: 2}}
	if drop := thinned(points, moment(0), h.budgetFor); len(drop) != 0 {
		t.Errorf("%v are dropped", drop)
	}
}
