package history

import (
	"errors"
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
	if _, err := baseFor(nil, Target{At: moment(15)}); !errors.Is(err, ErrOutside) {
		t.Errorf("without restore points the error is %v", err)
	}
}

func TestExpiredKeepsTheNewestBeforeTheWindow(t *testing.T) {
	t.Parallel()
	points := []store.RestorePoint{point(1, 10, 12, 3), point(2, 20, 22, 5), point(3, 30, 32, 9)}
	for begin, want := range map[int][]int64{5: nil, 12: nil, 21: nil, 22: {1}, 31: {1}, 32: {1, 2}, 90: {1, 2}} {
		var got []int64
		for _, p := range expired(points, moment(begin)) {
			got = append(got, p.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("window from %d: %v expire, want %v", begin, got, want)
		}
	}
}
