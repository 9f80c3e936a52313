package api

import (
	"net/http"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

// suspendDatabase changes when a cluster is suspended, or suspends it.
func (s *server) suspendDatabase(r *http.Request) (response, error) {
	var body struct {
		AfterMinutes *int64 `json:"after_minutes"`
		Now          bool   `json:"now"`
	}
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	err := s.fleet.Suspend(r.Context(), r.PathValue("id"), fleet.SuspendRequest{After: minutes(body.AfterMinutes), Now: body.Now})
	if err != nil {
		return response{}, err
	}
	return accepted()
}

// minutes is a number of minutes as a duration. One that is too large for that is refused all the same.
func minutes(n *int64) *time.Duration {
	if n == nil {
		return nil
	}
	const most = 1 << 30
	d := time.Duration(max(-most, min(*n, most))) * time.Minute
	return &d
}

// encodeSuspension says when a cluster is suspended and whether it is.
func encodeSuspension(d *database, c store.Cluster) {
	d.SuspendAfterMinutes = int64((c.SuspendAfter + time.Minute - 1) / time.Minute)
	if c.Suspension != nil {
		d.Suspended = true
		at := seconds(c.Suspension.At)
		d.SuspendedAt = &at
	}
}
