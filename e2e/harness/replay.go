package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Replay is how many bytes of log a fork of a cluster at a moment has to replay.
func (t *Tine) Replay(ctx context.Context, id string, at time.Time) (int64, error) {
	var answer struct {
		Estimate *struct {
			ReplayBytes int64 `json:"replay_bytes"`
		} `json:"estimate"`
	}
	query := url.Values{"at": {at.UTC().Format(time.RFC3339Nano)}}
	if err := t.Call(ctx, http.MethodGet, "v2/databases/"+id+"/history?"+query.Encode(), nil, &answer); err != nil {
		return 0, err
	}
	if answer.Estimate == nil {
		return 0, fmt.Errorf("the history of cluster %s has no estimate of a fork at %s", id, at)
	}
	return answer.Estimate.ReplayBytes, nil
}

// Replays is what forks at that many random moments have to replay, least first.
func (t *Tine) Replays(ctx context.Context, id string, from, to time.Time, moments int) ([]int64, error) {
	all := make([]int64, moments)
	for i := range all {
		var err error
		at := from.Add(time.Duration(rand.Int64N(int64(to.Sub(from)))))
		if all[i], err = t.Replay(ctx, id, at); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return all, nil
}
