package fleet_test

import (
	"testing"

	"tine/internal/fleet"
	"tine/internal/store"
)

// A pending update waits for its cluster's window, is begun in it once, and is not begun where nothing is pending.
func TestPendingUpdatesBeginInTheirWindow(t *testing.T) {
	t.Parallel()
	b := setup(t) // on a Monday at noon
	window := func(name, day, hour string, pending bool) store.Cluster {
		c := b.online(t, request(name))
		if err := b.fleet.SetMaintenance(t.Context(), c.ID, fleet.MaintenanceWindow{Day: day, Hour: hour}); err != nil {
			t.Fatal(err)
		}
		if err := b.store.SetUpdatePending(t.Context(), c.ID, pending); err != nil {
			t.Fatal(err)
		}
		return c
	}
	due := window("due", "monday", "09:00", true)
	window("later", "monday", "13:00", true)
	window("over", "monday", "08:00", true)
	window("nothing", "monday", "09:00", false)
	for range 2 {
		if err := b.fleet.InstallDueUpdates(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := b.store.Pool().Query(t.Context(), "SELECT args ->> 'cluster_id' FROM tine.river_job WHERE kind = 'cluster_maintenance'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var jobs []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, id)
	}
	if len(jobs) != 1 || jobs[0] != due.ID {
		t.Errorf("maintenance is begun for %v, want %s alone", jobs, due.ID)
	}
}
