package api

import (
	"context"
	"net/http"
	"time"

	"tine/internal/fleet"
)

// These are ours: DigitalOcean restores into a new cluster only.

// inPlaceBody asks to replace a cluster's data.
type inPlaceBody struct {
	At          *string `json:"at"`
	Before      string  `json:"before_transaction"`
	After       string  `json:"after_transaction"`
	KeepSeconds *int64  `json:"keep_seconds"` // absent: 7 days; 0: for ever
}

func (b inPlaceBody) request(received time.Time) (fleet.RestoreRequest, error) {
	r := fleet.RestoreRequest{ReceivedAt: received, Before: b.Before, After: b.After}
	if b.At != nil && *b.At != "" {
		at, err := parseTime("at", *b.At)
		if err != nil {
			return r, err
		}
		r.At = &at
	}
	if b.KeepSeconds != nil {
		r.Keep = new(secondsOf(*b.KeepSeconds))
	}
	return r, nil
}

// secondsOf is that many seconds, as far as a duration goes.
func secondsOf(n int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Second)
	return time.Duration(max(min(n, most), -most)) * time.Second
}

// kept is the cluster that keeps the state before.
type kept struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (s *server) restoreDatabase(r *http.Request) (response, error) {
	return s.replaceData(r, s.fleet.RestoreInPlace)
}

func (s *server) resetDatabase(r *http.Request) (response, error) {
	return s.replaceData(r, s.fleet.Reset)
}

func (s *server) replaceData(r *http.Request, do func(context.Context, string, fleet.RestoreRequest) (fleet.InPlace, error)) (response, error) {
	received := s.clock()
	var body inPlaceBody
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	request, err := body.request(received)
	if err != nil {
		return response{}, err
	}
	done, err := do(r.Context(), r.PathValue("id"), request)
	if err != nil {
		return response{}, err
	}
	infoOf(r).made = done.Kept.ID
	return response{http.StatusAccepted, map[string]any{
		"database": s.encodeKnown(r, done.Cluster, s.fleet.KnownContents(done.Cluster)), "kept": kept{ID: done.Kept.ID, Name: done.Kept.Name},
	}}, nil
}

func (s *server) swapDatabase(r *http.Request) (response, error) {
	var body struct {
		With string `json:"with"`
	}
	if err := s.change(r, &body); err != nil {
		return response{}, err
	}
	if err := s.fleet.Swap(r.Context(), r.PathValue("id"), body.With); err != nil {
		return response{}, err
	}
	return accepted()
}
