package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tine/internal/wal"
)

// newWAL is a volume with segments full of a letter.
func newWAL(t *testing.T, segments ...wal.Segment) (volume string) {
	t.Helper()
	volume = filepath.Join(t.TempDir(), "[b") // as a pattern it would be wrong
	noError(t, os.MkdirAll(filepath.Join(WALDir(volume), "archive_status"), 0o700))
	for _, s := range segments {
		noError(t, os.WriteFile(filepath.Join(WALDir(volume), s.Name()), bytes.Repeat([]byte("x"), wal.SegmentSize), 0o600))
	}
	return volume
}

func segmentsOf(t *testing.T, volume string) (list []wal.Segment) {
	t.Helper()
	entries, err := os.ReadDir(WALDir(volume))
	noError(t, err)
	for _, e := range entries {
		if s, ok := wal.ParseSegment(e.Name()); ok {
			list = append(list, s)
		}
	}
	return list
}

func TestLogIsCutOff(t *testing.T) {
	t.Parallel()
	one := func(number uint64) wal.Segment { return wal.Segment{Timeline: 1, Number: number} }
	two := func(number uint64) wal.Segment { return wal.Segment{Timeline: 2, Number: number} }
	for name, c := range map[string]struct {
		have []wal.Segment
		end  wal.LSN
		left []wal.Segment
		last wal.Segment
	}{
		"in a segment":                 {[]wal.Segment{one(3), one(4), one(5)}, 4*wal.SegmentSize + 1000, []wal.Segment{one(3), one(4)}, one(4)},
		"in the first one":             {[]wal.Segment{one(3), one(4)}, 3*wal.SegmentSize + 8, []wal.Segment{one(3)}, one(3)},
		"where a segment begins":       {[]wal.Segment{one(3), one(4), one(5)}, 4 * wal.SegmentSize, []wal.Segment{one(3)}, wal.Segment{}},
		"in the newest timeline's":     {[]wal.Segment{one(3), one(4), two(4), two(5)}, 4*wal.SegmentSize + 1000, []wal.Segment{one(3), one(4), two(4)}, two(4)},
		"behind all there is":          {[]wal.Segment{one(3)}, 4*wal.SegmentSize + 1000, []wal.Segment{one(3)}, wal.Segment{}},
		"in one that is the last, too": {[]wal.Segment{one(3)}, 4*wal.SegmentSize - 8, []wal.Segment{one(3)}, one(3)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			volume := newWAL(t, c.have...)
			for range 2 { // it can be repeated
				last, err := cutWAL(volume, c.end)
				noError(t, err)
				if last != c.last || !slices.Equal(segmentsOf(t, volume), c.left) {
					t.Errorf("it ends in %v and leaves %v, want %v and %v", last, segmentsOf(t, volume), c.last, c.left)
				}
			}
			if c.last.Number == 0 {
				return
			}
			b, err := os.ReadFile(filepath.Join(WALDir(volume), c.last.Name()))
			noError(t, err)
			kept := int(c.end - c.last.Begin())
			if len(b) != wal.SegmentSize || bytes.Count(b[:kept], []byte("x")) != kept || bytes.Count(b[kept:], []byte{0}) != len(b)-kept {
				t.Errorf("of %d bytes the first %d are not what they were, or the others not zeros", len(b), kept)
			}
		})
	}
}

// A record at the log's end fills the segment up, where there is room for it in one page.
func TestLastSegmentIsFilledUp(t *testing.T) {
	t.Parallel()
	s := wal.Segment{Timeline: 1, Number: 4}
	full := s.Begin() + wal.SegmentSize
	for name, c := range map[string]struct {
		end, last wal.LSN // where the log ends, and where its last record begins
		want      wal.LSN
	}{
		"in the middle of a page":           {s.Begin() + 1000, s.Begin() + 500, full},
		"with just enough room in the page": {s.Begin() + wal.PageSize - 24, s.Begin() + 500, full},
		"with too little":                   {s.Begin() + wal.PageSize - 16, s.Begin() + 500, s.Begin() + wal.PageSize - 16},
		"where a page begins":               {s.Begin() + wal.PageSize, s.Begin() + 500, s.Begin() + wal.PageSize},
		"behind a record that is not known": {s.Begin() + 1000, 0, s.Begin() + 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			volume := newWAL(t, s)
			last, err := cutWAL(volume, c.end)
			noError(t, err)
			end, err := fillUp(volume, last, Recovery{Live: true, End: c.end, Last: c.last})
			noError(t, err)
			b, err := os.ReadFile(filepath.Join(WALDir(volume), s.Name()))
			noError(t, err)
			rest := bytes.TrimRight(b[c.end-s.Begin():], "\x00")
			want := []byte{}
			if c.want == full {
				want = wal.SwitchRecord(c.last)
			}
			if end != c.want || !bytes.Equal(rest, want) {
				t.Errorf("the log ends at %s with % x, want %s and % x", end, rest, c.want, want)
			}
		})
	}
}

func TestNewestSwitchIsReadFromItsHistory(t *testing.T) {
	t.Parallel()
	volume := newWAL(t)
	if at, err := newestSwitch(volume); err == nil {
		t.Errorf("without a history: %s", at)
	}
	for name, text := range map[string]string{
		"00000009.history": "1\t0/3000000\tno recovery target specified\n",
		"0000000A.history": "1\t0/3000000\tno recovery target specified\n\n9\t1/5000028\tno recovery target specified\n",
	} {
		noError(t, os.WriteFile(filepath.Join(WALDir(volume), name), []byte(text), 0o600))
	}
	at, err := newestSwitch(volume)
	noError(t, err)
	if want := wal.LSN(1<<32 | 0x5000028); at != want {
		t.Errorf("the newest switch is at %s, want %s", at, want)
	}
}
