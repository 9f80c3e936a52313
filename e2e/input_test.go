package e2e

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"

	"tine/e2e/harness"
	"tine/internal/contract"
)

// What cannot be carried out is refused with its reason before anything is made.
func TestRequestsThatCannotBeCarriedOutAreRefusedAndLeaveNothing(t *testing.T) { //nolint:paralleltest // it counts what is on the machine
	tine := own(t)
	source := makeCluster(t, tine, harness.CreateRequest(newName("source")))
	backups, _, err := tine.API.Databases.ListBackups(t.Context(), source.ID, nil)
	if err != nil || len(backups) == 0 {
		t.Fatalf("backups %v: %v", backups, err)
	}
	create := func(change func(*godo.DatabaseCreateRequest)) *godo.DatabaseCreateRequest {
		r := harness.CreateRequest("free-name")
		change(r)
		return r
	}
	fork := func(at string) *godo.DatabaseCreateRequest {
		r := harness.ForkRequest(source.Name, "free-name", time.Time{})
		r.BackupRestore.BackupCreatedAt = at
		return r
	}
	tests := map[string]struct {
		request *godo.DatabaseCreateRequest
		status  int
		message string
	}{
		"name too short":        {create(func(r *godo.DatabaseCreateRequest) { r.Name = "ab" }), 422, "name"},
		"name too long":         {create(func(r *godo.DatabaseCreateRequest) { r.Name = strings.Repeat("a", 64) }), 422, "63"},
		"name with upper case":  {create(func(r *godo.DatabaseCreateRequest) { r.Name = "Prod" }), 422, "name"},
		"name with a space":     {create(func(r *godo.DatabaseCreateRequest) { r.Name = "my prod" }), 422, "name"},
		"name with underscore":  {create(func(r *godo.DatabaseCreateRequest) { r.Name = "my_prod" }), 422, "name"},
		"name in use":           {create(func(r *godo.DatabaseCreateRequest) { r.Name = source.Name }), 422, source.Name},
		"unknown plan":          {create(func(r *godo.DatabaseCreateRequest) { r.SizeSlug = "db-s-9vcpu" }), 422, "db-s-9vcpu"},
		"unknown region":        {create(func(r *godo.DatabaseCreateRequest) { r.Region = "moon1" }), 422, "moon1"},
		"unknown version":       {create(func(r *godo.DatabaseCreateRequest) { r.Version = "5" }), 422, "version"},
		"another engine":        {create(func(r *godo.DatabaseCreateRequest) { r.EngineSlug = "pg" }), 422, "engine"},
		"three nodes":           {create(func(r *godo.DatabaseCreateRequest) { r.NumNodes = 3 }), 422, "node"},
		"too little storage":    {create(func(r *godo.DatabaseCreateRequest) { r.StorageSizeMib = 1024 }), 422, "storage"},
		"too much storage":      {create(func(r *godo.DatabaseCreateRequest) { r.StorageSizeMib = 1 << 40 }), 422, "storage"},
		"unknown source":        {harness.ForkRequest("nobody", "free-name", time.Time{}), 404, "nobody"},
		"a time in the future":  {fork(time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano)), 422, "between"},
		"a time before history": {fork(time.Now().Add(-time.Hour).UTC().Format(time.RFC3339Nano)), 422, "between"},
		"no time at all":        {fork("yesterday"), 422, "yesterday"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := tine.API.Databases.Create(t.Context(), test.request)
			var refused *godo.ErrorResponse
			if !errors.As(err, &refused) {
				t.Fatalf("the answer is %v, want a refusal", err)
			}
			if status := refused.Response.StatusCode; status != test.status && (test.status != 422 || status != http.StatusConflict) {
				t.Errorf("the status is %d, want %d", status, test.status)
			}
			if !strings.Contains(refused.Message, test.message) {
				t.Errorf("the message is %q, want %q in it", refused.Message, test.message)
			}
		})
	}
	list, _, err := tine.API.Databases.List(t.Context(), nil)
	if err != nil || len(list) != 1 {
		t.Errorf("%d clusters exist, want 1: %v", len(list), err)
	}
	wantClusters(t, tine, 1)
}

func TestDestroyLeavesNothing(t *testing.T) { //nolint:paralleltest // it counts what is on the machine
	tine := own(t)
	source := makeCluster(t, tine, harness.CreateRequest(newName("source")))
	insert(t, connect(t, source).Database("d").Collection("c"), 1)
	fork := makeCluster(t, tine, harness.ForkRequest(source.Name, newName("fork"), now()))
	wantClusters(t, tine, 2)
	if err := tine.Remove(t.Context(), fork.ID); err != nil {
		t.Fatal(err)
	}
	wantClusters(t, tine, 1)
	wantNumbers(t, connect(t, source).Database("d").Collection("c"), 1)
	if err := tine.Remove(t.Context(), source.ID); err != nil {
		t.Fatal(err)
	}
	wantClusters(t, tine, 0)
	// The name and the port are free again.
	makeCluster(t, tine, harness.CreateRequest(source.Name))
}

func TestRequestsWithoutAValidTokenAreRefused(t *testing.T) {
	t.Parallel()
	token := godo.SetRequestHeaders(map[string]string{"Authorization": "Bearer tine_v1_wrong"})
	client, err := godo.New(&http.Client{Transport: contract.Wrap(http.DefaultTransport)}, godo.SetBaseURL(shared.URL+"/"), token)
	if err != nil {
		t.Fatal(err)
	}
	_, resp, err := client.Databases.List(t.Context(), nil)
	if err == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the answer is %v, want 401", err)
	}
}
