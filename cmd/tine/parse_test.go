package main

import (
	"testing"
	"time"
	_ "time/tzdata" // of Berlin, on machines without
)

func TestMomentIsATimeOrHowLongAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-08-01T11:42:27Z":             "2026-08-01T11:42:27.000000Z",
		"2026-08-01T11:42:27.5Z":           "2026-08-01T11:42:27.500000Z",
		"2026-08-01T13:42:27.123456+02:00": "2026-08-01T11:42:27.123456Z",
		"2026-08-01T11:42:27.999999999Z":   "2026-08-01T11:42:27.999999Z", // never later than asked for
		"2026-08-01T12:00:01Z":             "2026-08-01T12:00:01.000000Z", // the API's clock decides what is too late
		"90s":                              "2026-08-01T11:58:30.000000Z",
		"2h":                               "2026-08-01T10:00:00.000000Z",
		"1h30m":                            "2026-08-01T10:30:00.000000Z",
		"3d":                               "2026-07-29T12:00:00.000000Z",
		"3d12h":                            "2026-07-29T00:00:00.000000Z",
		"1.5s":                             "2026-08-01T11:59:58.500000Z",
		"11:03:07":                         "2026-08-01T11:03:07.000000Z",
		"11:03":                            "2026-08-01T11:03:00.000000Z",
		"14:03:07.5":                       "2026-07-31T14:03:07.500000Z", // it is not yet today's
	} {
		at, err := parseMoment(text, now)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := formatMoment(at); got != want {
			t.Errorf("%s means %s instead of %s", text, got, want)
		}
	}
}

// The time of day that is meant is the last one that was, whatever was done to the clock since.
func TestTimeOfDayAroundAChangeOfTheClock(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// At 01:00 UTC the clock was put ahead from 02:00 to 03:00 on 29 March 2026, and back from 03:00 to 02:00 on 25 October.
	for _, test := range []struct{ now, clock, want string }{
		{"2026-10-25T00:40:00Z", "02:30", "2026-10-25T00:30:00.000000Z"}, // the first 02:30
		{"2026-10-25T01:20:00Z", "02:30", "2026-10-25T00:30:00.000000Z"}, // the second is still to come
		{"2026-10-25T01:40:00Z", "02:30", "2026-10-25T01:30:00.000000Z"}, // the second
		{"2026-10-25T10:00:00Z", "02:30:05.5", "2026-10-25T01:30:05.500000Z"},
		{"2026-10-25T10:00:00Z", "01:30", "2026-10-24T23:30:00.000000Z"},
		{"2026-10-25T10:00:00Z", "03:00", "2026-10-25T02:00:00.000000Z"},
		{"2026-03-29T08:00:00Z", "02:30", "2026-03-28T01:30:00.000000Z"}, // there was none that day
		{"2026-03-29T08:00:00Z", "03:00", "2026-03-29T01:00:00.000000Z"},
		{"2026-03-29T08:00:00Z", "01:59", "2026-03-29T00:59:00.000000Z"},
		{"2026-03-29T08:00:00Z", "14:03", "2026-03-28T13:03:00.000000Z"},
	} {
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		at, err := parseMoment(test.clock, now.In(berlin))
		if got := formatMoment(at); err != nil || got != test.want {
			t.Errorf("at %s, %s means %s, %v; want %s", test.now, test.clock, got, err, test.want)
		}
	}
}

func TestMomentIsRefusedInWords(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"yesterday", "90", "-2h", "0s", "d", "2026-08-01", "2026-08-01 11:42:27", "99999999999d", "1d-2h", " 2h", "25:00", "14:3"} {
		if at, err := parseMoment(text, time.Now()); exitCode(err) != exitUsage {
			t.Errorf("%q is accepted as %s, %v", text, at, err)
		}
	}
}

func TestStorageIsASize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{"": 0, "20480": 20480, "20GiB": 20480, "1 TiB": 1 << 20, "512MiB": 512} {
		if got, err := parseStorage(text); got != want || err != nil {
			t.Errorf("%q is %d, %v instead of %d", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "-1", "20GB", "20.5GiB", "GiB", "99999999999999999999", "9999999999999TiB"} {
		if got, err := parseStorage(text); exitCode(err) != exitUsage {
			t.Errorf("%q is accepted as %d, %v", text, got, err)
		}
	}
}

func TestExpiryIsATimeOrHowLongFromNow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2027-01-31T02:00:00+02:00": "2027-01-31T00:00:00Z",
		"12h":                       "2026-08-02T00:00:00Z",
		"30d":                       "2026-08-31T12:00:00Z",
	} {
		at, err := parseExpiry(text, now)
		if got := at.Format(time.RFC3339); err != nil || got != want {
			t.Errorf("%s means %s, %v; want %s", text, got, err, want)
		}
	}
	if at, err := parseExpiry("soon", now); exitCode(err) != exitUsage {
		t.Errorf("soon is accepted as %s, %v", at, err)
	}
}
