package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var agoPattern = regexp.MustCompile(`^(?:([0-9]+)d)?(.*)$`)

// parseMoment reads a moment: in RFC 3339 with any fraction, how long ago it was, or the clock's latest time of that name. The API knows microseconds; what is
// finer is cut off, so that the fork never holds more than was asked for. Whether the moment can be forked at is the API's to say:
// its clock counts, not this machine's.
func parseMoment(text string, now time.Time) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		var ok bool
		if at, ok = parseClock(text, now); !ok {
			ago, ok := parseAgo(text)
			if !ok {
				return time.Time{}, &usageError{fmt.Sprintf("a moment must be a time like 2026-08-01T18:42:27.123456Z, "+
					"how long ago it was, like 90s, 2h or 3d12h, or a time of day, like 14:03:07; got %q", text)}
			}
			at = now.Add(-ago)
		}
	}
	return at.UTC().Truncate(time.Microsecond), nil
}

// parseClock reads a time of day, with or without seconds: the latest one that is over, in the time zone of now.
func parseClock(text string, now time.Time) (time.Time, bool) {
	clock, err := time.Parse("15:04:05", text)
	if err != nil {
		if clock, err = time.Parse("15:04", text); err != nil {
			return time.Time{}, false
		}
	}
	const week = 7 // a clock that is put ahead leaves out the hour of one day
	for day := range week {
		if at, ok := clockOn(now.AddDate(0, 0, -day), clock, now); ok {
			return at, true
		}
	}
	return time.Time{}, false
}

// clockOn is when it was last that time of a day, not after now. It was twice if the clock was put back meanwhile, and never if it was put ahead past it.
func clockOn(day, clock, now time.Time) (last time.Time, ok bool) {
	hour, minute, second := clock.Clock()
	at := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, second, clock.Nanosecond(), now.Location())
	candidates := []time.Time{at}
	start, end := at.ZoneBounds()
	if !start.IsZero() {
		candidates = append(candidates, sameClock(at, start.Add(-time.Nanosecond)))
	}
	if !end.IsZero() {
		candidates = append(candidates, sameClock(at, end))
	}
	for _, c := range candidates {
		h, m, s := c.Clock()
		if h == hour && m == minute && s == second && !c.After(now) && c.After(last) {
			last, ok = c, true
		}
	}
	return last, ok
}

// sameClock is when the clock would show the time of at with the offset that it has at another moment.
func sameClock(at, other time.Time) time.Time {
	_, here := at.Zone()
	_, there := other.Zone()
	return at.Add(time.Duration(here-there) * time.Second)
}

// parseExpiry reads --expires: a moment, or how long from now.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err == nil {
		return at.UTC(), nil
	}
	hence, ok := parseAgo(text)
	if !ok {
		return time.Time{}, &usageError{fmt.Sprintf("--expires must be a time like 2027-01-31T00:00:00Z, or how long from now, like 12h or 30d; got %q", text)}
	}
	return now.Add(hence).UTC().Truncate(time.Second), nil
}

// parseAgo reads a positive duration as Go writes it, with days in front if there are any.
func parseAgo(text string) (time.Duration, bool) {
	const day, longest = 24 * time.Hour, 10_000
	parts := agoPattern.FindStringSubmatch(text)
	var ago time.Duration
	if parts[1] != "" {
		days, err := strconv.Atoi(parts[1])
		if err != nil || days > longest {
			return 0, false
		}
		ago = time.Duration(days) * day
	}
	if parts[2] != "" {
		rest, err := time.ParseDuration(parts[2])
		if err != nil || rest < 0 {
			return 0, false
		}
		ago += rest
	}
	return ago, ago > 0
}

// parseSpan reads a duration in whole seconds, which the API counts in: the rest of one that is cut off would be no time at all, which means for ever there.
func parseSpan(text string) (time.Duration, bool) {
	d, ok := parseAgo(text)
	return d, ok && d%time.Second == 0
}

// formatMoment writes a moment as the API takes it, with all of the digits that it knows.
func formatMoment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// parseStorage reads --storage into MiB, which a number without a unit is, too. Empty is 0: the API chooses.
func parseStorage(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	number, factor := text, uint64(1)
	for _, unit := range []struct {
		suffix string
		mib    uint64
	}{{"MiB", 1}, {"GiB", 1 << 10}, {"TiB", 1 << 20}} {
		if rest, ok := strings.CutSuffix(text, unit.suffix); ok {
			number, factor = rest, unit.mib
		}
	}
	const most = 1 << 40 // keeps the product far from overflow; the API knows the real limit
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
	if err != nil || n == 0 || n > most {
		return 0, &usageError{fmt.Sprintf("--storage must be a size like 20GiB, 20480MiB or 1TiB; got %q", text)}
	}
	return n * factor, nil
}
