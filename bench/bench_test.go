package bench

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestQuantileIsAValueThatWasMeasured(t *testing.T) {
	t.Parallel()
	var twenty []int
	for i := range 20 {
		twenty = append(twenty, 20-i)
	}
	for _, c := range []struct {
		name string
		list []int
		q    float64
		want int
	}{
		{"median of twenty", twenty, median, 10},
		{"p95 of twenty", twenty, high, 19},
		{"of one", []int{7}, high, 7},
		{"median of three", []int{3, 1, 2}, median, 2},
		{"of nothing", nil, median, 0},
	} {
		if got := quantile(c.list, c.q); got != c.want {
			t.Errorf("%s is %d, want %d", c.name, got, c.want)
		}
	}
}

func TestStepsAreThoseOfMakingAlone(t *testing.T) {
	t.Parallel()
	log := `time=x level=DEBUG msg="step done" host=local operation=destroy step=row duration=1ms
time=x level=DEBUG msg="step done" host=local operation=fork step=volume duration=8.5ms
time=x level=INFO msg="something else" step=node duration=1s
time=x level=DEBUG msg="step done" host=local operation=create step=node duration=1.2s
`
	got := stepsOf(log)
	want := []stepTime{{"volume", 8500 * time.Microsecond}, {"node", 1200 * time.Millisecond}}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("steps are %v, want %v", got, want)
	}
}

func TestTableIsAlignedMarkdown(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	err := table{title: "T", header: []string{"what", "p50"}, rows: [][]string{{"ü", "100 ms"}}, notes: []string{"A note."}}.write(&b)
	if err != nil {
		t.Fatal(err)
	}
	want := "## T\n\n| what | p50    |\n| ---- | ------ |\n| ü    | 100 ms |\n\nA note.\n\n"
	if b.String() != want {
		t.Errorf("table is\n%s\nwant\n%s", b.String(), want)
	}
}

func TestRequestsAreARowWithTheirRate(t *testing.T) {
	t.Parallel()
	a := answered{took: 2 * time.Second}
	for i := range 200 {
		a.times = append(a.times, time.Duration(i+1)*time.Millisecond)
	}
	got := strings.Join(a.row("get", 64), "|")
	if want := "get|64|100 ms|198 ms|200 ms|100"; got != want {
		t.Errorf("row is %s, want %s", got, want)
	}
}

// The groups have their room one after the other, so that all of them need no more than the largest.
func TestGroupsShareTheirRoom(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	names, most := map[string]bool{}, int64(0)
	for _, g := range groups() {
		for _, s := range g.sections {
			if names[s.name] {
				t.Errorf("section %s is in two groups", s.name)
			}
			names[s.name] = true
		}
		most = max(most, g.needed(o))
		if image := int64(g.imageGiB(o)) * gib; image < int64(o.SmallMB)*megabyte*bytesPerByte {
			t.Errorf("the pool of %s has %s", g.sections[0].name, humanBytes(image))
		}
	}
	if most > 72_000*megabyte {
		t.Errorf("the largest group needs %s; the command's help says 72 GB", humanBytes(most))
	}
	o.Only = []string{"latest"}
	for _, g := range groups() {
		if wanted := g.wanted(o); (g.sections[0].name == "create") != (len(wanted) == 1) {
			t.Errorf("of the group of %s there are %d wanted", g.sections[0].name, len(wanted))
		}
	}
}

func TestNumbersAreReadable(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"97.1 ms":  human(97_100 * time.Microsecond),
		"0.25 ms":  human(250 * time.Microsecond),
		"1.23 s":   human(1230 * time.Millisecond),
		"119 s":    human(119 * time.Second),
		"2.50 min": human(150 * time.Second),
		"10.0 GB":  humanBytes(10_000_000_000),
		"-17.1 MB": humanBytes(-17_060_000),
		"5.00 x":   ratio(5*time.Second, time.Second),
	} {
		if got != want {
			t.Errorf("it reads %s, want %s", got, want)
		}
	}
}

func TestRatiosAreThoseOfTheSameRound(t *testing.T) {
	t.Parallel()
	if got := times([]float64{2, 40, 3}, []float64{1, 10, 3}); got != "2.00 x" {
		t.Errorf("the median of 2, 4 and 1 is %s", got)
	}
	if got := times([]float64{1}, nil); got != "-" {
		t.Errorf("the ratio to a peer that is missing is %s", got)
	}
}

func TestRandomMomentsLieInThePeriods(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	first := period{start, start.Add(time.Second)}
	second := period{start.Add(time.Hour), start.Add(time.Hour + time.Second)}
	for range 1000 {
		at := random(first, second)
		if at.Before(first.from) || at.After(second.to) || at.After(first.to) && at.Before(second.from) {
			t.Fatalf("%s is in no period", at)
		}
	}
}

func TestOperationsBesideATransferAreThoseUnderWayMeanwhile(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	to := from.Add(10 * time.Second)
	got := within([]done{
		{from.Add(-3 * time.Second), time.Second},
		{from.Add(-1 * time.Second), 2 * time.Second}, // waits when it begins
		{from.Add(5 * time.Second), 3 * time.Second},
		{to.Add(-time.Second), 4 * time.Second}, // waits when it ends
		{to.Add(time.Second), 5 * time.Second},
	}, from, to)
	if want := []time.Duration{2 * time.Second, 3 * time.Second, 4 * time.Second}; !slices.Equal(got, want) {
		t.Errorf("the times are %v, want %v", got, want)
	}
}

func TestOptionsAreRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	unknown := DefaultOptions()
	unknown.Only = []string{"speed"}
	none := DefaultOptions()
	none.Runs = 0
	for name, o := range map[string]Options{"unknown section": unknown, "no runs": none} {
		if o.validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestARecoveryIsReadFromTheNodesLog(t *testing.T) {
	t.Parallel()
	log := `2026-11-26 14:44:39.000 UTC [1] LOG:  starting PostgreSQL 18.1 (Debian) on x86_64
2026-11-26 14:44:39.050 UTC [7] LOG:  database system was not properly shut down; automatic recovery in progress
2026-11-26 14:44:39.100 UTC [7] LOG:  redo starts at 0/2000000
2026-11-26 14:44:39.700 UTC [7] LOG:  redo done at 0/6000000 system usage: CPU: user: 0.25 s, system: 0.15 s, elapsed: 0.60 s
2026-11-26 14:44:39.900 UTC [1] LOG:  database system is ready to accept connections
`
	got, ok := recoveryOf(log)
	want := recovery{
		start: 100 * time.Millisecond, redo: 600 * time.Millisecond, finish: 200 * time.Millisecond, cpu: 400 * time.Millisecond, wal: 64 << 20,
	}
	if !ok || got != want {
		t.Errorf("the recovery is %+v, %t; want %+v", got, ok, want)
	}
	if _, ok := recoveryOf("2026-11-26 14:44:39.000 UTC [1] LOG:  starting PostgreSQL 18.1\n"); ok {
		t.Error("a log without redo tells of a recovery")
	}
}
