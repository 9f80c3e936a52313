package panel

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

type insightsView struct {
	clusterView
	Ranges []choice
	Charts []chart
	Empty  bool
	To     time.Time
}

// chart is the picture of one thing over time.
type chart struct {
	Title   string
	Now     string // the newest value, in words
	Peak    string // the largest
	Lines   []line
	Ticks   []tick
	Top     string // what the upper edge means
	Limit   string // what there could be, in words; empty: anything
	Rows    []chartRow
	Summary string
}

// line is one curve. Its points are in a square of 1000 by 100, the way down; where there are no samples it has a gap.
type line struct {
	Name, Path, Area string
}

// chartRow is the picture as a table has it.
type chartRow struct {
	At     time.Time
	Values string
}

// series are the values of one curve.
type series struct {
	name  string
	value func(store.Sample) float64
}

// rangeNames are the spans of time that can be shown, in the order of fleet's.
func rangeNames() []string { return []string{"1h", "24h", "7d"} }

func (p *panel) showInsights(v visit) (answer, error) {
	base, err := p.clusterPage(v, "insights")
	if err != nil {
		return answer{}, err
	}
	view := insightsView{clusterView: base}
	spans, chosen := fleet.InsightSpans(), 0
	for i, name := range rangeNames() {
		if v.request.URL.Query().Get("range") == name {
			chosen = i
		}
	}
	for i, name := range rangeNames() {
		view.Ranges = append(view.Ranges, choice{Value: name, Label: "Last " + spokenSpan(spans[i]), Selected: i == chosen})
	}
	in, err := p.fleet.Insights(v.context(), base.Cluster.ID, spans[chosen])
	if err != nil {
		return answer{}, err
	}
	view.To, view.Empty, view.Charts = in.To, len(in.Samples) == 0, charts(in)
	return answer{page: "insights", title: "Insights of " + base.Cluster.Name, data: view}, nil
}

// charts are the pictures of the page.
func charts(in fleet.Insights) []chart {
	perSecond := func(count func(store.Sample) int64) func(store.Sample) float64 {
		return func(s store.Sample) float64 { return float64(count(s)) / s.Span.Seconds() }
	}
	mean := func(s store.Sample) float64 {
		if n := s.Reads + s.Writes + s.Commands; n > 0 {
			return s.Busy.Seconds() / float64(n) * 1000
		}
		return 0
	}
	const percent, mib = 100, 1 << 20
	return []chart{
		draw(in, "Connections", plain, float64(in.Connections), series{"open", func(s store.Sample) float64 { return float64(s.Connections) }}),
		draw(
			in, "Operations", rate, 0,
			series{"reads", perSecond(func(s store.Sample) int64 { return s.Reads })},
			series{"writes", perSecond(func(s store.Sample) int64 { return s.Writes })},
			series{"other commands", perSecond(func(s store.Sample) int64 { return s.Commands })},
		),
		draw(
			in, "Latency", millis, 0,
			series{"mean", mean},
			series{"95 of 100 at most", func(s store.Sample) float64 { return s.Slow.Seconds() * 1000 }},
		),
		draw(in, "Storage", sized, float64(in.StorageBytes), series{"data", func(s store.Sample) float64 { return float64(s.StorageBytes) }}),
		draw(in, "CPU", percents, percent, series{"of the plan", func(s store.Sample) float64 {
			return s.CPU.Seconds() / s.Span.Seconds() / float64(max(in.CPUs, 1)) * percent
		}}),
		draw(in, "Memory", sized, float64(in.MemoryBytes), series{"in use", func(s store.Sample) float64 { return float64(s.MemoryBytes) }}),
	}
}

// spokenSpan is a span in the largest unit that it has at least one of.
func spokenSpan(d time.Duration) string {
	if d == time.Hour {
		return "hour"
	}
	return spoken(d)
}

// How values are shown.
func plain(v float64) string { return strconv.FormatFloat(math.Round(v), 'f', -1, 64) }
func sized(v float64) string { return sizeOrNone(int64(v)) }
func rate(v float64) string {
	const few = 10
	if v < few {
		return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) + "/s"
	}
	return plain(v) + "/s"
}

func millis(v float64) string {
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) + " ms"
}

func percents(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) + " %"
}

// draw makes a chart. Its upper edge is a round number above the largest value, and never above the limit if there is one and it is near.
func draw(in fleet.Insights, title string, show func(float64) string, limit float64, curves ...series) chart {
	c := chart{Title: title, Ticks: ticks(stretch{in.From, in.To}), Now: "–", Peak: "–"}
	var peak float64
	for _, s := range in.Samples {
		for _, curve := range curves {
			peak = max(peak, curve.value(s))
		}
	}
	top := roundUp(peak)
	if unit := unitOf(peak); show(limit) == sized(limit) && limit > 0 {
		top = roundUp(peak/unit) * unit
	}
	if limit > 0 {
		c.Limit = show(limit)
		if top > limit {
			top = max(limit, peak)
		}
	}
	c.Top = show(top)
	for _, curve := range curves {
		c.Lines = append(c.Lines, curve.line(in, top))
	}
	if n := len(in.Samples); n > 0 {
		c.Now, c.Peak = valuesOf(in.Samples[n-1], show, curves), show(peak)
	}
	for _, s := range in.Samples {
		c.Rows = append(c.Rows, chartRow{s.At, valuesOf(s, show, curves)})
	}
	c.Summary = fmt.Sprintf("%s from %s to %s UTC: now %s, at most %s.", title, minute(in.From), minute(in.To), c.Now, c.Peak)
	return c
}

func valuesOf(s store.Sample, show func(float64) string, curves []series) string {
	if len(curves) == 1 {
		return show(curves[0].value(s))
	}
	values := make([]string, len(curves))
	for i, curve := range curves {
		values[i] = curve.name + " " + show(curve.value(s))
	}
	return strings.Join(values, ", ")
}

// line is the curve's way through its points.
func (s series) line(in fleet.Insights, top float64) line {
	const width, height, gap = 1000, 100, 2.5
	var path, area strings.Builder
	var begin, last float64
	end := func() {
		if area.Len() > 0 && path.Len() > 0 {
			fmt.Fprintf(&area, "L%.1f %d L%.1f %d Z ", last, height, begin, height)
		}
	}
	for i, one := range in.Samples {
		x := float64(one.At.Sub(in.From)) / float64(in.To.Sub(in.From)) * width
		y := height - s.value(one)/max(top, 1e-9)*height
		command := "L"
		if i == 0 || float64(one.At.Sub(in.Samples[i-1].At)) > gap*float64(in.Interval) {
			end()
			command, begin = "M", x
		}
		fmt.Fprintf(&path, "%s%.1f %.1f ", command, x, y)
		fmt.Fprintf(&area, "%s%.1f %.1f ", command, x, y)
		last = x
	}
	end()
	return line{Name: s.name, Path: strings.TrimSpace(path.String()), Area: strings.TrimSpace(area.String())}
}

// unitOf is the unit that a size is shown in.
func unitOf(bytes float64) float64 {
	const kib = 1024.0
	for _, unit := range []float64{kib * kib * kib, kib * kib} {
		if bytes >= unit {
			return unit
		}
	}
	return kib
}

// roundUp is the next of 1, 2 and 5 times a power of ten.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5} {
		if v <= step*power {
			return step * power
		}
	}
	return 10 * power
}
