package harness

import (
	"context"
	"net/http"
)

// Event is something that happened to a cluster, with what is Tine's own of it, which godo does not know.
type Event struct {
	Detail  string `json:"detail"`
	Message string `json:"message"`
}

// Events returns a cluster's events, also when it is gone.
func (t *Tine) Events(ctx context.Context, id string) ([]Event, error) {
	request, err := t.API.NewRequest(ctx, http.MethodGet, "/v2/databases/"+id+"/events", nil)
	if err != nil {
		return nil, err
	}
	var root struct {
		Events []Event `json:"events"`
	}
	_, err = t.API.Do(ctx, request, &root)
	return root.Events, err
}

// count is how often a cluster's events tell of something.
func (t *Tine) count(ctx context.Context, id, kind string) (count int, err error) {
	events, err := t.Events(ctx, id)
	for _, e := range events {
		if e.Detail == kind {
			count++
		}
	}
	return count, err
}
