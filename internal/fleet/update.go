package fleet

import (
	"context"
	"errors"
	"time"

	"tine/internal/store"
)

// windowLength is how long after its beginning a maintenance may begin.
const windowLength = 4 * time.Hour

// InstallDueUpdates begins the pending updates of clusters whose maintenance window it is. It is for a caller that comes again and again; what is
// begun already is not begun twice.
func (f *Fleet) InstallDueUpdates(ctx context.Context) error {
	clusters, err := f.cfg.Store.ClustersToUpdate(ctx)
	if err != nil {
		return err
	}
	now := f.cfg.Clock()
	var failed error
	for _, c := range clusters {
		if !inWindow(c.Maintenance, now) {
			continue
		}
		err := f.cfg.Store.QueueDueMaintenance(ctx, c.ID)
		if err != nil && !errors.Is(err, store.ErrNotOnline) && !errors.Is(err, store.ErrNotFound) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// inWindow says whether a moment is in the window, which may reach into the next day.
func inWindow(w store.MaintenanceWindow, now time.Time) bool {
	now = now.UTC()
	hour, err := time.Parse(time.TimeOnly, w.Hour)
	if err != nil {
		return false // the store has none that fleet has not checked
	}
	for daysAgo := range 2 {
		day := now.AddDate(0, 0, -daysAgo)
		begin := time.Date(day.Year(), day.Month(), day.Day(), hour.Hour(), hour.Minute(), hour.Second(), 0, time.UTC)
		if weekdays()[day.Weekday()] == w.Day && !now.Before(begin) && now.Sub(begin) < windowLength {
			return true
		}
	}
	return false
}

// weekdays are the names of days, in the order of time.Weekday.
func weekdays() []string {
	return []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
}
