package gateway

import (
	"testing"
	"time"
)

// A view that is being made may come at any time, however long that takes.
func TestViewsAreExpectedWhileTheyAreMadeAndForATransactionsLifetime(t *testing.T) {
	t.Parallel()
	const lifetime = time.Minute
	var v viewsMade
	begin := time.Now()
	if v.since(begin, lifetime) {
		t.Error("one is expected although none was made")
	}
	end, another := v.begin(), v.begin()
	for _, since := range []time.Time{begin, begin.Add(time.Hour)} {
		if !v.since(since, lifetime) {
			t.Errorf("none is expected since %s although one is being made", since.Sub(begin))
		}
	}
	end()
	if !v.since(begin.Add(time.Hour), lifetime) {
		t.Error("none is expected although another one is being made")
	}
	another()
	for after, want := range map[time.Duration]bool{0: true, lifetime - time.Second: true, time.Hour: false} {
		if got := v.since(begin.Add(after), lifetime); got != want {
			t.Errorf("since %s after the last one was made, one is expected: %v", after, got)
		}
	}
}
