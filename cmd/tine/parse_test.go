package main

import (
	"testing"
	"time"
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
