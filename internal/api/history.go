package api

import (
	"net/http"
	"strconv"
	"time"

	"tine/internal/store"
)

type backup struct {
	CreatedAt     string  `json:"created_at"`
	SizeGigabytes float64 `json:"size_gigabytes"`
	Incremental   bool    `json:"incremental"` // never: each backup is complete without the others
}

// schedule says that there is a backup every hour, which is the least there is.
type schedule struct {
	Hour          int `json:"backup_hour"`
	Minute        int `json:"backup_minute"`
	IntervalHours int `json:"backup_interval_hours"`
}

func (s *server) listBackups(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	list, err := s.fleet.Backups(r.Context(), r.PathValue("id"))
	if err != nil {
		return response{}, err
	}
	backups := make([]backup, len(list))
	for i, b := range list {
		backups[i] = backup{CreatedAt: seconds(b.CreatedAt), SizeGigabytes: gigabytes(b.SizeBytes)}
	}
	return ok(map[string]any{"backups": backups, "scheduled_backup_time": schedule{IntervalHours: 1}})
}

type event struct {
	ID          string `json:"id"`
	ClusterName string `json:"cluster_name"`
	EventType   string `json:"event_type"` // DigitalOcean's
	CreateTime  string `json:"create_time"`
	Detail      string `json:"detail"`  // ours: the type that tells events apart
	Message     string `json:"message"` // ours
}

// eventType is the one of DigitalOcean's types that says most about an event.
func eventType(detail string) string {
	switch detail {
	case store.EventClusterCreate, store.EventClusterFork:
		return "cluster_create"
	case store.EventClusterDelete, store.EventClusterDestroyed:
		return "cluster_delete"
	case store.EventClusterOnline, store.EventNodeRestart:
		return "cluster_poweron"
	case store.EventMaintenance:
		return "cluster_maintenance_perform"
	default:
		return "cluster_update"
	}
}

// listEvents works for clusters that are gone, too: what happened to them is asked for then.
func (s *server) listEvents(r *http.Request) (response, error) {
	list, err := s.fleet.Events(r.Context(), r.PathValue("id"))
	if err != nil {
		return response{}, err
	}
	events := make([]event, len(list))
	for i, e := range list {
		events[i] = event{
			ID: strconv.FormatInt(e.ID, 10), ClusterName: e.ClusterName, EventType: eventType(e.Type), Detail: e.Type,
			CreateTime: exact(e.CreatedAt), Message: e.Message,
		}
	}
	return ok(map[string]any{"events": events})
}

type window struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type restorePoint struct {
	CreatedAt     string  `json:"created_at"` // from this moment on the cluster can be forked with it
	SizeGigabytes float64 `json:"size_gigabytes"`
}

// forkEstimate is what a fork would cost.
type forkEstimate struct {
	At          string   `json:"at"`
	ReplayBytes int64    `json:"replay_bytes"`
	Seconds     float64  `json:"seconds"`
	Send        *sending `json:"send,omitempty"` // if its data have to be sent
}

// sending is what is sent of a fork in another region.
type sending struct {
	Region         string `json:"region"`
	Bytes          *int64 `json:"bytes"`            // null: it is not known
	BytesPerSecond *int64 `json:"bytes_per_second"` // at most; null: it is not known
}

type history struct {
	Window        *window        `json:"window"` // null while there is no restore point
	RestorePoints []restorePoint `json:"restore_points"`
	Estimate      *forkEstimate  `json:"estimate,omitempty"` // if the request asked for one
}

func (s *server) getHistory(r *http.Request) (response, error) {
	if _, err := s.cluster(r.Context(), r.PathValue("id"), false); err != nil {
		return response{}, err
	}
	h, err := s.fleet.History(r.Context(), r.PathValue("id"))
	if err != nil {
		return response{}, err
	}
	answer := history{RestorePoints: make([]restorePoint, len(h.RestorePoints))}
	if !h.Window.Empty() {
		answer.Window = &window{From: exact(h.Window.From), To: exact(h.Window.To)}
	}
	for i, p := range h.RestorePoints {
		answer.RestorePoints[i] = restorePoint{CreatedAt: exact(p.CompletedAt), SizeGigabytes: gigabytes(p.SizeBytes)}
	}
	if answer.Estimate, err = s.estimate(r); err != nil {
		return response{}, err
	}
	return response{http.StatusOK, answer}, nil
}

// estimate is for the moment that the request asks about, if it does.
func (s *server) estimate(r *http.Request) (*forkEstimate, error) {
	text, region := r.URL.Query().Get("at"), r.URL.Query().Get("region")
	switch {
	case text == "" && region != "":
		return nil, &statusError{http.StatusUnprocessableEntity, "region must come with at, the moment of the fork that is estimated"}
	case text == "":
		return nil, nil //nolint:nilnil // none was asked for
	}
	var at time.Time // the zero one means the latest
	var err error
	if text != "latest" {
		if at, err = parseTime("at", text); err != nil {
			return nil, err
		}
	}
	e, err := s.fleet.ForkEstimate(r.Context(), r.PathValue("id"), at, region)
	if err != nil {
		return nil, err
	}
	answer := &forkEstimate{At: exact(e.At), ReplayBytes: e.ReplayBytes, Seconds: e.Duration.Seconds()}
	if e.Send != nil {
		answer.Send = &sending{Region: e.Send.Region, Bytes: known(e.Send.Bytes), BytesPerSecond: known(e.Send.BytesPerSecond)}
	}
	return answer, nil
}

// known is a number of which 0 says that nobody knows it.
func known(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}
