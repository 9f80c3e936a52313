package store_test

import (
	"testing"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

// Each request has the node started after it: one that comes before the job of another has begun shares that, one that comes while it works, and may have started
// the node already, has its own. Who comes again and again for a pending update adds nothing to either.
func TestEveryRequestOfAMaintenanceHasAStartAfterIt(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c, other := mustOnline(t, s, newCluster(1)), mustOnline(t, s, newCluster(2))
	become := func(state string) {
		t.Helper()
		_, err := s.Pool().Exec(t.Context(), `UPDATE tine.river_job SET state = $1::tine.river_job_state,
			finalized_at = CASE WHEN $1::text = 'completed' THEN now() END WHERE kind = $2`, state, store.MaintenanceJob{}.Kind())
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.QueueMaintenance(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	jobs := 1
	for _, tt := range []struct {
		state string
		do    string
		new   bool
	}{
		{state: "running", do: "request", new: true}, // the other cluster's
		{state: "available", do: "request"},
		{state: "available", do: "due"},
		{state: "retryable", do: "request"},
		{state: "scheduled", do: "request"},
		{state: "running", do: "due"},
		{state: "running", do: "request", new: true},
		{state: "available", do: "request"},
		{state: "completed", do: "due", new: true},
		{state: "completed", do: "request", new: true},
	} {
		become(tt.state)
		before := counts(t, s).events
		queue := map[string]func() error{
			"request": func() error { return s.QueueMaintenance(t.Context(), c.ID) },
			"due":     func() error { return s.QueueDueMaintenance(t.Context(), c.ID) },
		}[tt.do]
		if err := queue(); err != nil {
			t.Fatal(tt, err)
		}
		events := before
		if tt.new {
			jobs, events = jobs+1, events+1
		}
		if n := len(jobsOf(t, s, store.MaintenanceJob{}.Kind())); n != jobs || counts(t, s).events != events {
			t.Fatalf("%s while %s: %d jobs and %d events, want %d and %d", tt.do, tt.state, n, counts(t, s).events, jobs, events)
		}
	}
}
