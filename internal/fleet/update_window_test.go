package fleet

import (
	"testing"
	"time"

	"tine/internal/store"
)

func TestWindowIsFourHoursFromItsBeginningAlsoOverMidnight(t *testing.T) {
	t.Parallel()
	monday := time.Date(2026, 8, 10, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		day, hour string
		now       time.Time
		want      bool
	}{
		{"monday", "03:00:00", monday.Add(3 * time.Hour), true},
		{"monday", "03:00:00", monday.Add(3*time.Hour - time.Second), false},
		{"monday", "03:00:00", monday.Add(7*time.Hour - time.Nanosecond), true},
		{"monday", "03:00:00", monday.Add(7 * time.Hour), false},
		{"monday", "03:00:00", monday.Add(27 * time.Hour), false},
		{"sunday", "22:30:00", monday.Add(2 * time.Hour), true},
		{"sunday", "22:30:00", monday.Add(3 * time.Hour), false},
		{"monday", "22:30:00", monday.Add(2 * time.Hour), false},
		{"monday", "03:00:00", monday.Add(4 * time.Hour).In(time.FixedZone("", -10*3600)), true},
		{"monday", "", monday, false},
	} {
		if got := inWindow(store.MaintenanceWindow{Day: tt.day, Hour: tt.hour}, tt.now); got != tt.want {
			t.Errorf("%s %s at %s: %v, want %v", tt.day, tt.hour, tt.now.Format(time.RFC3339Nano), got, tt.want)
		}
	}
}
