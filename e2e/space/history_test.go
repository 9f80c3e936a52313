package space

import (
	"strings"
	"testing"
	"time"

	"tine/e2e/harness"
)

// A pool that fills up takes no more clusters, then gives up history; the source goes on writing all the time. With space, everything is as before.
func TestFullPoolRefusesClustersThenShortensHistory(t *testing.T) {
	t.Parallel()
	// A disk writes 100 MB a second; what is left must be much to it, as it is on a pool of a sensible size.
	tine := start(t, harness.Options{Pool: map[string]string{"tight_below": "55", "short_below": "45", "critical_below": "3"}})
	s := newSource(t, tine, "source")
	leave(t, tine, 54)
	eventually(t, "a create is refused", func() bool { return refusesClusters(t, tine, harness.CreateRequest("another")) })
	if !refusesClusters(t, tine, harness.ForkRequest("source", "fork", time.Time{})) {
		t.Error("a fork was made")
	}
	var message string
	deadline := time.Now().Add(patience)
	for message == "" && time.Now().Before(deadline) {
		must(t, s.write(t.Context()))
		message = event(t, tine, s.cluster.ID, "history_shortened")
	}
	if !strings.Contains(message, "it now begins at ") {
		t.Fatalf("after %d documents the event is %q", s.acknowledged, message)
	}
	for range 10 {
		must(t, s.write(t.Context()))
	}
	s.check()
	grow(t, tine)
	eventually(t, "forks are made again", func() bool { return !refusesClusters(t, tine, harness.ForkRequest("source", "fork2", time.Time{})) })
	if restarts := event(t, tine, s.cluster.ID, "node_restart"); restarts != "" {
		t.Errorf("the source's node did not go on: %s", restarts)
	}
}
