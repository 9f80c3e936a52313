package panel

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

const (
	// bars is how many intervals the picture has.
	bars = 120
	// tallest is the height of the tallest bar, in pixels of the picture.
	tallest = 96
	// mostMarks bounds the events and restore points that a picture and its list show; the newest of the stretch are shown.
	mostMarks = 60
	// shortestStretch is as far as one can zoom in.
	shortestStretch = 100 * time.Millisecond
)

// stretch is the part of a history that a picture shows.
type stretch struct{ From, To time.Time }

// stretchFrom reads the part that a page was asked to show: all of the window unless it says otherwise.
func stretchFrom(values url.Values, w fleet.Window) stretch {
	from, errFrom := strconv.ParseInt(values.Get("view_from"), 10, 64)
	to, errTo := strconv.ParseInt(values.Get("view_to"), 10, 64)
	if errFrom != nil || errTo != nil {
		return stretch{w.From, w.To}
	}
	return stretch{time.UnixMilli(from).UTC(), time.UnixMilli(to).UTC()}.within(w)
}

// within keeps a stretch inside of the window.
func (s stretch) within(w fleet.Window) stretch {
	length := min(max(s.To.Sub(s.From), shortestStretch), w.To.Sub(w.From))
	if s.From.Before(w.From) {
		s.From = w.From
	}
	if latest := w.To.Add(-length); s.From.After(latest) {
		s.From = latest
	}
	s.To = s.From.Add(length)
	return s
}

// moved is the stretch after a button of the picture was pressed, about a moment.
func (s stretch) moved(action string, about time.Time, w fleet.Window) stretch {
	length := s.To.Sub(s.From)
	if about.Before(s.From) || about.After(s.To) {
		about = s.From.Add(length / 2)
	}
	const half, fine = 2, 5
	switch action {
	case "in":
		length /= fine
	case "out":
		length *= fine
	case "earlier":
		return stretch{s.From.Add(-length / half), s.To.Add(-length / half)}.within(w)
	case "later":
		return stretch{s.From.Add(length / half), s.To.Add(length / half)}.within(w)
	case "all":
		return stretch{w.From, w.To}
	default:
		return s
	}
	return stretch{about.Add(-length / half), about.Add(length / half)}.within(w)
}

// timeline is the picture of a part of a cluster's history.
type timeline struct {
	stretch
	Window fleet.Window
	At     time.Time // where the handle is; the zero time: there is none
	Bars   []bar
	Peak   int64 // bytes in the interval of the tallest bar
	Total  int64
	Ticks  []tick
	Marks  []mark
	Hidden int // marks that there were too many of
}

type bar struct {
	X, Width string // in percent of the picture
	Y        int
	Height   int
	Label    string
}

type tick struct{ X, Label string }

// mark is something that can be chosen: a restore point, or the moment before something happened.
type mark struct {
	X     string
	At    time.Time // what is chosen
	When  time.Time // when it was
	Kind  string    // drop, point, or event
	Label string
}

// Place is where a moment is, in percent.
func (s stretch) place(at time.Time) string {
	share := float64(at.Sub(s.From)) / float64(max(s.To.Sub(s.From), 1))
	return strconv.FormatFloat(math.Round(share*1e5)/1e3, 'f', -1, 64) + "%"
}

// HandleX is where the handle is.
func (t timeline) HandleX() string { return t.place(t.At) }

// HasHandle says whether the chosen moment is in the picture.
func (t timeline) HasHandle() bool {
	return !t.At.IsZero() && !t.At.Before(t.From) && !t.At.After(t.To)
}

// FromMilli and ToMilli are the ends for scripts and forms.
func (s stretch) FromMilli() int64 { return s.From.UnixMilli() }

// ToMilli is the end.
func (s stretch) ToMilli() int64 { return s.To.UnixMilli() }

// EarliestMilli is the first millisecond that can be chosen.
func (t timeline) EarliestMilli() int64 { return ceilMilli(t.Window.From).UnixMilli() }

// LatestMilli is the last one.
func (t timeline) LatestMilli() int64 { return t.Window.To.UnixMilli() }

// zoom is a step to another part of the history.
type zoom struct {
	Action, Label string
	stretch
	Off bool // it would change nothing
}

// Zooms are the steps that there are.
func (t timeline) Zooms() []zoom {
	list := []zoom{
		{Action: "all", Label: "All"},
		{Action: "out", Label: "Zoom out"},
		{Action: "in", Label: "Zoom in"},
		{Action: "earlier", Label: "Earlier"},
		{Action: "later", Label: "Later"},
	}
	for i := range list {
		list[i].stretch = t.moved(list[i].Action, t.At, t.Window)
		list[i].Off = list[i].stretch == t.stretch
	}
	return list
}

// Length is how long the stretch is, in words.
func (s stretch) Length() string { return spoken(s.To.Sub(s.From)) }

// IsWhole says whether all of the window is shown.
func (t timeline) IsWhole() bool { return t.To.Sub(t.From) >= t.Window.To.Sub(t.Window.From) }

// Summary says in a sentence what the picture shows.
func (t timeline) Summary() string {
	return fmt.Sprintf("Write activity from %s to %s UTC: %s of write-ahead log, at most %s in %s; %s marked.",
		milli(t.From), milli(t.To), sizeOrNone(t.Total), sizeOrNone(t.Peak), spoken(t.To.Sub(t.From)/bars), counted(len(t.Marks), "moment"))
}

func ceilMilli(at time.Time) time.Time {
	return at.Add(time.Millisecond - 1).Truncate(time.Millisecond)
}

// timeline draws a part of a cluster's history.
func (p *panel) timeline(v visit, c store.Cluster, h fleet.History, s stretch) (timeline, error) {
	t := timeline{stretch: s, Window: h.Window}
	written, err := p.fleet.Activity(v.context(), c, fleet.Window(s), bars)
	if err != nil {
		return t, err
	}
	t.draw(written)
	t.Ticks = ticks(s)
	events, err := p.fleet.Events(v.context(), c.ID)
	if err != nil {
		return t, err
	}
	t.mark(h, events)
	return t, nil
}

// draw makes the bars. Their heights go with the square root: a quiet hour is still seen beside a bulk load.
func (t *timeline) draw(written []int64) {
	if len(written) == 0 {
		return
	}
	t.Peak = slices.Max(written)
	interval := t.To.Sub(t.From) / time.Duration(len(written))
	const percent, gap = 100, 0.15
	width := percent / float64(len(written))
	for i, bytes := range written {
		t.Total += bytes
		if bytes == 0 {
			continue
		}
		height := max(int(math.Round(tallest*math.Sqrt(float64(bytes)/float64(t.Peak)))), 2)
		begin := t.From.Add(time.Duration(i) * interval)
		t.Bars = append(t.Bars, bar{
			X: fmt.Sprintf("%.3f%%", float64(i)*width), Width: fmt.Sprintf("%.3f%%", width*(1-gap)),
			Y: tallest - height, Height: height, Label: milli(begin) + ": " + size(bytes),
		})
	}
}

// mark adds what can be chosen: the newest, if there is too much of it.
func (t *timeline) mark(h fleet.History, events []store.Event) {
	for _, p := range h.RestorePoints {
		at := p.CompletedAt.Add(time.Microsecond - 1).Truncate(time.Microsecond)
		t.Marks = append(t.Marks, mark{At: ceilMilli(at), When: at, Kind: "point", Label: "Restore point, " + sizeOrNone(p.SizeBytes)})
	}
	for _, e := range events {
		m := mark{At: e.CreatedAt, When: e.CreatedAt, Kind: "event", Label: e.Message}
		if e.Type == store.EventDrop {
			// What is wanted is the moment before.
			m.Kind, m.At = "drop", e.CreatedAt.Truncate(time.Millisecond).Add(-time.Millisecond)
		}
		t.Marks = append(t.Marks, m)
	}
	t.Marks = slices.DeleteFunc(t.Marks, func(m mark) bool {
		return m.At.Before(t.From) || m.At.After(t.To) || m.At.Before(t.Window.From) || m.At.After(t.Window.To)
	})
	// Drops first of all: they are what one looks for.
	slices.SortStableFunc(t.Marks, func(a, b mark) int {
		return cmp.Or(cmp.Compare(a.weight(), b.weight()), b.When.Compare(a.When))
	})
	if len(t.Marks) > mostMarks {
		t.Hidden = len(t.Marks) - mostMarks
		t.Marks = t.Marks[:mostMarks]
	}
	slices.SortStableFunc(t.Marks, func(a, b mark) int { return b.When.Compare(a.When) })
	for i := range t.Marks {
		t.Marks[i].X = t.place(t.Marks[i].When)
	}
}

func (m mark) weight() int { return slices.Index([]string{"drop", "event", "point"}, m.Kind) }

func ticks(s stretch) []tick {
	length := s.To.Sub(s.From)
	step := tickStep(length)
	layout := "15:04:05.000"
	const day = 24 * time.Hour
	switch {
	case step >= day:
		layout = "Jan 2"
	case step >= 6*time.Hour:
		layout = "Jan 2 15:04"
	case step >= time.Minute:
		layout = "15:04"
	case step >= time.Second:
		layout = "15:04:05"
	}
	var list []tick
	for at := s.From.Truncate(step).Add(step); at.Before(s.To); at = at.Add(step) {
		// A label at the very edge would be cut.
		if edge := length / 25; at.Sub(s.From) < edge || s.To.Sub(at) < edge {
			continue
		}
		list = append(list, tick{s.place(at), at.Format(layout)})
	}
	return list
}

// tickStep is the distance of the labels: five to eight of them, at round times.
func tickStep(length time.Duration) time.Duration {
	const most = 8
	const ms, s, m, h = time.Millisecond, time.Second, time.Minute, time.Hour
	for _, step := range []time.Duration{
		10 * ms, 20 * ms, 50 * ms, 100 * ms, 200 * ms, 500 * ms, s, 2 * s, 5 * s, 10 * s, 20 * s, 30 * s, m, 2 * m, 5 * m, 10 * m, 20 * m, 30 * m,
		h, 2 * h, 4 * h, 6 * h, 12 * h, 24 * h,
	} {
		if length/step < most {
			return step
		}
	}
	return 7 * 24 * h
}

// spoken is a length of time in words.
func spoken(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return counted(int(d.Round(day)/day), "day")
	case d >= 2*time.Hour:
		return counted(int(d.Round(time.Hour)/time.Hour), "hour")
	case d >= 2*time.Minute:
		return counted(int(d.Round(time.Minute)/time.Minute), "minute")
	case d >= time.Second:
		if d = d.Round(100 * time.Millisecond); d == time.Second {
			return "1 second"
		}
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " seconds"
	default:
		return counted(int(d.Milliseconds()), "millisecond")
	}
}

func sizeOrNone(bytes int64) string {
	if bytes == 0 {
		return "nothing"
	}
	return size(bytes)
}
