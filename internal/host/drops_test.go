package host

import (
	"testing"
	"time"
)

func TestDropsAreToldAtOnceAndThenCollected(t *testing.T) {
	t.Parallel()
	d := newDrops()
	now := time.Date(2026, 8, 10, 12, 0, 0, 0, time.UTC)
	told := func(all bool) (messages []string) {
		events, _ := d.due(now, all)
		for _, e := range events {
			messages = append(messages, e.ClusterID+": "+e.Message+" "+e.CreatedAt.Format(time.TimeOnly))
		}
		return messages
	}
	want := func(what string, got []string, want ...string) {
		t.Helper()
		if len(got) != len(want) || len(got) == 1 && got[0] != want[0] {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	d.add("a", now, "shop.orders")
	want("the first", told(false), "a: The collection shop.orders was dropped. 12:00:00")
	now = now.Add(time.Second)
	d.add("a", now, "shop")
	want("soon after", told(false))
	d.add("a", now.Add(time.Second), "shop.x")
	if _, next := d.due(now, false); next != dropPause-time.Second {
		t.Errorf("the next look is after %s", next)
	}
	now = now.Add(dropPause)
	want("collected", told(false), "a: 2 collections and databases were dropped, the first of them shop. 12:00:01")
	d.add("a", now, "logs")
	want("at the end", told(true), "a: The database logs was dropped. 12:00:11")
	now = now.Add(dropPause)
	if want("later", told(false)); len(d.byCluster) != 0 {
		t.Errorf("nothing is forgotten: %v", d.byCluster)
	}
}
