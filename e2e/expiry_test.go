package e2e

import (
	"context"
	"net/http"
	"testing"

	"github.com/digitalocean/godo"

	"tine/e2e/harness"
	"tine/internal/contract"
)

// A cluster whose time is over is announced and destroyed, also when Tine was restarted in between; its source and one whose expiry was cleared stay.
func TestClustersExpire(t *testing.T) {
	t.Parallel()
	tine, err := harness.New(harness.Options{ImageGiB: 10, Transport: contract.Wrap, Config: "expiry_settle: 1s\n"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tine.Destroy(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	source, err := tine.Make(t.Context(), harness.CreateRequest(newName("prod")))
	if err != nil {
		t.Fatal(err)
	}
	fork := func() *godo.Database {
		var root struct {
			Database godo.Database `json:"database"`
		}
		body := map[string]any{
			"name": newName("temporary"), "engine": "mongodb", "expires_in_seconds": 60, "backup_restore": map[string]any{"database_name": source.Name},
		}
		if err := tine.Call(t.Context(), http.MethodPost, "/v2/databases", body, &root); err != nil {
			t.Fatal(err)
		}
		if err := tine.WaitOnline(t.Context(), root.Database.ID); err != nil {
			t.Fatal(err)
		}
		return &root.Database
	}
	temporary, kept := fork(), fork()
	if err := tine.Call(t.Context(), http.MethodPut, "/v2/databases/"+kept.ID+"/expiry", map[string]any{"expires_at": nil}, nil); err != nil {
		t.Fatal(err)
	}
	if err := tine.WaitEvents(t.Context(), temporary.ID, "cluster_expiry", 1); err != nil {
		t.Fatal(err)
	}
	restart(t, tine)
	if err := tine.WaitGone(t.Context(), temporary.ID); err != nil {
		t.Fatal(err, lastLines(tine.LogText()))
	}
	for _, c := range []*godo.Database{source, kept} {
		if got, _, err := tine.API.Databases.Get(t.Context(), c.ID); err != nil || got.Status != "online" {
			t.Errorf("%s is %+v, %v", c.Name, got, err)
		}
	}
	wantClusters(t, tine, 2)
}
