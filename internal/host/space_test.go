package host

import (
	"testing"

	"tine/internal/store"
)

// Levels begin at their limits, end only when there is a quarter more, and none is passed over.
func TestLevelsOfSpaceDoNotFlap(t *testing.T) {
	t.Parallel()
	l := SpaceConfig{}.limits(100 * gib)
	const ample, tight, short, critical = store.SpaceAmple, store.SpaceTight, store.SpaceShort, store.SpaceCritical
	level := ample
	for _, step := range []struct {
		free float64
		want store.SpaceLevel
	}{
		{1, ample},
		{0.15, ample},
		{0.149, tight},
		{0.16, tight},
		{0.187, tight},
		{0.188, ample},
		{0.16, ample},
		{0.14, tight},
		{0.08, tight},
		{0.079, short},
		{0.09, short},
		{0.101, tight},
		{0.09, tight},
		{0.02, critical},
		{0.031, critical},
		{0.037, critical},
		{0.038, short},
		{0.12, tight},
		{0.5, ample},
		{0, critical},
		{0.9, ample},
	} {
		if got := l.level(level, step.free); got != step.want {
			t.Errorf("from %s with %v free: %s, want %s", level, step.free, got, step.want)
		}
		level = step.want
	}
}

func TestLimitsOfSpaceOfALargePoolAreAmounts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		config SpaceConfig
		total  int64
		want   limits
	}{
		{SpaceConfig{}, 100 * gib, limits{0.15, 0.08, 0.03}},
		{SpaceConfig{}, 10000 * gib, limits{0.01, 0.005, 0.002}},
		{SpaceConfig{TightBelow: 20, ShortBelow: 10, CriticalBelow: 5}, 10000 * gib, limits{0.2, 0.1, 0.05}},
	} {
		if got := test.config.limits(test.total); got != test.want {
			t.Errorf("limits of %d bytes with %+v are %+v, want %+v", test.total, test.config, got, test.want)
		}
	}
}

func TestLimitsOfSpaceMustBeInOrder(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		config SpaceConfig
		ok     bool
	}{
		{SpaceConfig{}, true},
		{SpaceConfig{TightBelow: 30, ShortBelow: 30, CriticalBelow: 1}, true},
		{SpaceConfig{TightBelow: 5}, false},
		{SpaceConfig{CriticalBelow: 9}, false},
		{SpaceConfig{TightBelow: 100}, false},
		{SpaceConfig{TightBelow: 30, ShortBelow: 20, CriticalBelow: -1}, false},
	} {
		if err := test.config.Validate(); (err == nil) != test.ok {
			t.Errorf("%+v: %v", test.config, err)
		}
	}
}

func TestDataMayNotGrowInTheLastHalfOfWhatIsCritical(t *testing.T) {
	t.Parallel()
	l := SpaceConfig{CriticalBelow: 4}.limits(100 * gib)
	full := false
	for _, step := range []struct {
		free float64
		want bool
	}{{0.5, false}, {0.03, false}, {0.0199, true}, {0.024, true}, {0.025, false}, {0.02, false}, {0, true}, {1, false}} {
		if got := l.full(full, step.free); got != step.want {
			t.Errorf("after %v with %v free: %v, want %v", full, step.free, got, step.want)
		}
		full = step.want
	}
}
