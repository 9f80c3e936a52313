package host

import (
	"testing"
	"time"
)

func TestDataMayNotGrowBeyondTheirStorage(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		before, scales bool
		used           int64
		want           bool
	}{
		{false, false, 969, false},
		{false, false, 970, true},
		{true, false, 969, true},
		{true, false, 950, true},
		{true, false, 949, false},
		{false, true, 999, false},
		{false, true, 1000, true},
		{true, true, 999, false},
	} {
		if got := over(test.before, test.used, 1000, test.scales); got != test.want {
			t.Errorf("%+v: %v, want %v", test, got, test.want)
		}
	}
}

// A cluster is measured often when its data could reach its storage soon, and seldom otherwise.
func TestDataAreMeasuredWhenTheyCouldBeNearTheirStorage(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for _, test := range []struct {
		used, storage int64
		want          time.Duration
	}{
		{0, 1000 * gib, 10 * time.Minute},
		{0, 15 * gib, 122 * time.Second},
		{10 * gib, 15 * gib, 20 * time.Second},
		{12 * gib, 15 * gib, 0},
		{20 * gib, 15 * gib, 0},
	} {
		if got := lookAfter(test.used, test.storage); got != test.want {
			t.Errorf("%d of %d: %s, want %s", test.used, test.storage, got, test.want)
		}
	}
}

// The node of a cluster that sleeps is not asked, which would fail at every look.
func TestStorageOfAClusterThatSleepsIsNotLookedAt(t *testing.T) {
	t.Parallel()
	h := new(Host)
	h.mu.running = map[string]*running{"asleep": {asleep: true}}
	for _, id := range []string{"asleep", "gone"} {
		if err := h.lookAtStorage(t.Context(), id, new(stored)); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// Data are looked at again when they may have come too near to the storage, and at once if they are other data.
func TestStorageIsLookedAtWhenItMayBeFull(t *testing.T) {
	t.Parallel()
	soon, now := time.Now().Add(time.Hour), time.Now()
	for name, test := range map[string]struct {
		known   stored
		changes int64
		over    bool
		want    bool
	}{
		"never":                 {stored{changes: noChangesCounted}, 0, false, true},
		"before it can be full": {stored{"node", soon, 1}, 2, true, false},
		"nothing has changed":   {stored{"node", now, 1}, 1, false, false},
		"it has changed":        {stored{"node", now, 1}, 2, false, true},
		"it is over":            {stored{"node", now, 1}, 1, true, true},
		"restored or swapped":   {stored{"other", soon, 1}, 1, false, true},
	} {
		if got := test.known.due("node", test.changes, test.over); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
