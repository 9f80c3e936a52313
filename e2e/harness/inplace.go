package harness

import (
	"context"
	"fmt"
	"net/http"

	"github.com/digitalocean/godo"
)

// Call sends a request that godo does not know, and decodes the answer into root unless that is nil.
func (t *Tine) Call(ctx context.Context, method, path string, body, root any) error {
	request, err := t.API.NewRequest(ctx, method, path, body)
	if err != nil {
		return err
	}
	if _, err := t.API.Do(ctx, request, root); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// Exchange asks for what replaces the data of a cluster (restore, reset or swap), waits until it is done, and returns the cluster that keeps the state
// before, if one does.
func (t *Tine) Exchange(ctx context.Context, kind, id string, body map[string]any) (*godo.Database, error) {
	var answer struct {
		Kept struct {
			ID string `json:"id"`
		} `json:"kept"`
	}
	before, err := t.count(ctx, id, "cluster_"+kind+"_done")
	if err != nil {
		return nil, err
	}
	if body == nil {
		body = map[string]any{}
	}
	var root any = &answer
	if kind == "swap" {
		root = nil // its answer has no body
	}
	if err := t.Call(ctx, http.MethodPost, "/v2/databases/"+id+"/"+kind, body, root); err != nil {
		return nil, err
	}
	if err := t.WaitEvents(ctx, id, "cluster_"+kind+"_done", before+1); err != nil || answer.Kept.ID == "" {
		return nil, err
	}
	kept, _, err := t.API.Databases.Get(ctx, answer.Kept.ID)
	return kept, err
}
