package panel

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// gib shows a number of MiB.
func gib(mib int64) string {
	const mibPerGiB = 1024
	return strconv.FormatFloat(float64(mib)/mibPerGiB, 'f', -1, 64) + " GiB"
}

// size shows a number of bytes, rounded; 0 is a size that is not known.
func size(bytes int64) string {
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	switch {
	case bytes == 0:
		return "–"
	case bytes >= gib:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/gib)
	case bytes >= mib:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/mib)
	default:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/kib)
	}
}

// dollars shows a price.
func dollars(amount float64) string { return fmt.Sprintf("$%.2f", amount) }

// All times are shown, and typed, in UTC: the server cannot know where the browser is.

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

func milli(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

func micro(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }

// machine is what a time element's datetime attribute holds.
func machine(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// gibRange shows a range of MiB.
func gibRange(from, to int64) string {
	return strings.TrimSuffix(gib(from), " GiB") + "–" + gib(to)
}

// counted shows a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}
