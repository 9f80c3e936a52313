package store

import (
	"testing"
	"time"
)

func TestBackOffDoublesUpToItsCap(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{
		0: 250 * time.Millisecond, 1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 7: 16 * time.Second, 8: 30 * time.Second, 24: 30 * time.Second,
	} {
		if got := backOffAfter(failures); got != want {
			t.Errorf("backOffAfter(%d) = %v, want %v", failures, got, want)
		}
	}
}
