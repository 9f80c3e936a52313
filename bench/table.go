package bench

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// table is printed as Markdown that is aligned for reading as it is.
type table struct {
	title  string
	header []string
	rows   [][]string
	notes  []string // lines below it
}

func (t table) write(w io.Writer) error {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", width)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", t.title)
	for _, row := range append([][]string{t.header, rule}, t.rows...) {
		b.WriteByte('|')
		for i, cell := range row {
			b.WriteString(" " + cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)) + " |")
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	for _, note := range t.notes {
		b.WriteString(note + "\n\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

const (
	median = 0.50
	high   = 0.95
)

// quantile is by nearest rank: a value that was measured, never one in between.
func quantile[T cmp.Ordered](list []T, q float64) T {
	if len(list) == 0 {
		var none T
		return none
	}
	sorted := slices.Sorted(slices.Values(list))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

// timeHeader belongs to timeRow.
func timeHeader() []string { return []string{"what", "p50", "p95", "min", "max", "runs", "aim"} }

func timeRow(what string, list []time.Duration, aim string) []string {
	return []string{
		what, human(quantile(list, median)), human(quantile(list, high)),
		human(slices.Min(list)), human(slices.Max(list)), fmt.Sprint(len(list)), aim,
	}
}

// human has three digits that count, or all of the whole number.
func human(d time.Duration) string {
	switch {
	case d < time.Second:
		return digits(float64(d)/float64(time.Millisecond)) + " ms"
	case d < 2*time.Minute: // seconds are easier to compare
		return digits(d.Seconds()) + " s"
	default:
		return digits(d.Minutes()) + " min"
	}
}

func digits(v float64) string {
	switch size := math.Abs(v); {
	case size < 10:
		return fmt.Sprintf("%.2f", v)
	case size < 100:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

// humanBytes uses powers of ten, as disks and networks do.
func humanBytes(n int64) string {
	const kilo = 1000
	v, units := float64(n), []string{"B", "kB", "MB", "GB", "TB"}
	for math.Abs(v) >= kilo && len(units) > 1 {
		v, units = v/kilo, units[1:]
	}
	return digits(v) + " " + units[0]
}

// ratio is how often b fits into a.
func ratio(a, b time.Duration) string {
	if b == 0 {
		return "-"
	}
	return digits(float64(a)/float64(b)) + " x"
}
