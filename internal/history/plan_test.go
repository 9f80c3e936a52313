package history

import (
	"errors"
	"slices"
	"testing"
	"time"

	"tine/internal/store"
)

// moment is a time on a small clock.
func moment(seconds int) time.Time { return time.Unix(int64(seconds), 0) }

// point is a restore point that took from begin to end, with its marker in the segment of that number.
func point(id int64, begin, end int, segment uint64) store.RestorePoint {
	return store.RestorePoint{
		ID: id, StartedAt: moment(begin), CompletedAt: moment(end), MarkerLSN: segment*segmentSize + 100, Timeline: 1,
	}
}

func TestPlanForChoosesBaseAndEnd(t *testing.T) {
	t.Parallel()
	points := []store.RestorePoint{point(1, 10, 12, 3), point(2, 20, 22, 5), point(3, 30, 32, 9)}
	tests := map[string]struct {
		at       int
		base     int64
		from, to uint64
		live     bool
	}{
		"at the end of the first":          {at: 12, base: 1, from: 3, to: 5},
		"between":                          {at: 15, base: 1, from: 3, to: 5},
		"at the marker of the next":        {at: 20, base: 1, from: 3, to: 9},
		"inside the next":                  {at: 21, base: 1, from: 3, to: 9},
		"inside the last":                  {at: 31, base: 2, from: 5, live: true},
		"after the last":                   {at: 40, base: 3, from: 9, live: true},
		"the end of the last, exactly":     {at: 32, base: 3, from: 9, live: true},
		"right before the marker of a one": {at: 29, base: 2, from: 5, to: 9},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := planFor(points, moment(test.at))
			if err != nil {
				t.Fatal(err)
			}
			if p.base.ID != test.base || p.from.number != test.from || p.to.number != test.to || p.live != test.live {
				t.Errorf("base %d, segments %d to %d, live %v; want base %d, segments %d to %d, live %v",
					p.base.ID, p.from.number, p.to.number, p.live, test.base, test.from, test.to, test.live)
			}
		})
	}
}

func TestPlanForRefusesWhatIsBeforeTheHistory(t *testing.T) {
	t.Parallel()
	for name, points := range map[string][]store.RestorePoint{
		"no restore point":       nil,
		"before the first":       {point(1, 20, 22, 5)},
		"inside the first":       {point(1, 14, 16, 5)},
		"only its begin is over": {point(1, 15, 16, 5)},
	} {
		if _, err := planFor(points, moment(15)); !errors.Is(err, ErrOutside) {
			t.Errorf("%s: the error is %v, want %v", name, err, ErrOutside)
		}
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

func TestSegmentNamesAreThoseOfPostgreSQL(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]segment{
		"000000010000000000000001": {timeline: 1, number: 1},
		"0000000A00000002000000FF": {timeline: 10, number: 2*256 + 255},
	} {
		got, ok := parseSegment(name)
		if !ok || got != want || got.name() != name {
			t.Errorf("%s reads as %v (%v) and writes as %s", name, got, ok, got.name())
		}
	}
	for _, name := range []string{"", "00000002.history", "000000010000000000000001.partial", "00000001000000000000010G", "000000010000000000000100"} {
		if s, ok := parseSegment(name); ok {
			t.Errorf("%q reads as segment %v", name, s)
		}
	}
}

func TestParseLSN(t *testing.T) {
	t.Parallel()
	if lsn, err := parseLSN("2/A000028"); err != nil || lsn != 0x2_0A000028 {
		t.Errorf("2/A000028 is %x: %v", lsn, err)
	}
	for _, text := range []string{"", "0", "x/1", "1/x", "1/100000000"} {
		if _, err := parseLSN(text); err == nil {
			t.Errorf("%q is taken for an LSN", text)
		}
	}
}
