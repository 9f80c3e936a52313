package api

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"

	"tine/e2e/harness"
	"tine/internal/contract"
)

// A node that an earlier Tine has started is seen when this one takes it over; its update waits for the window, and begins in it by itself, or at once when
// it is asked for.
func TestUpdatesWaitForTheirWindow(t *testing.T) {
	t.Parallel()
	tine := ownTine(t)
	asked, waiting := makeCluster(t, tine, "asked"), makeCluster(t, tine, "waiting")
	client, err := harness.Connect(t.Context(), waiting.Connection.URI)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	collection := client.Database("d").Collection("c")
	if _, err := collection.InsertOne(t.Context(), bson.D{{Key: "n", Value: 1}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*godo.Database{asked, waiting} {
		wantPending(t, tine, c.ID, false)
		setWindow(t, tine, c.ID, time.Now().UTC().Add(12*time.Hour))
	}
	becomeOld(t, tine)
	for _, c := range []*godo.Database{asked, waiting} {
		wantPending(t, tine, c.ID, true)
	}
	if _, err := tine.API.Databases.InstallUpdate(t.Context(), asked.ID); err != nil {
		t.Fatal(err)
	}
	if !eventually(t, func() bool { return !window(t, tine, asked.ID).Pending }) {
		t.Error("the update that was asked for is still pending")
	}
	wantPending(t, tine, waiting.ID, true)
	setWindow(t, tine, waiting.ID, time.Now().UTC())
	becomeOld(t, tine) // the windows are looked at when Tine starts, and once a minute
	if !eventually(t, func() bool { return !window(t, tine, waiting.ID).Pending }) {
		t.Error("the update is still pending in its window", lastLines(tine.LogText()))
	}
	wantPending(t, tine, asked.ID, true) // its window is another one
	if err := tine.WaitEvents(t.Context(), waiting.ID, "cluster_maintenance_perform", 2); err != nil {
		t.Error(err)
	}
	if n, err := collection.CountDocuments(t.Context(), bson.D{}); err != nil || n != 1 {
		t.Errorf("after the update the collection has %d documents, %v", n, err)
	}
}

// ownTine starts a Tine for a test that stops it.
func ownTine(t *testing.T) *harness.Tine {
	t.Helper()
	tine, err := harness.New(harness.Options{ImageGiB: 10, Transport: contract.Wrap})
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
	return tine
}

// A pending update is one of a node, and goes with it in a swap. A node that is started again for its new cluster's plan has it installed.
func TestUpdatesGoWithTheirNodesInASwap(t *testing.T) {
	t.Parallel()
	tine := ownTine(t)
	request := harness.CreateRequest("larger")
	request.SizeSlug = "db-s-1vcpu-2gb"
	larger, err := tine.Make(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	small, same := makeCluster(t, tine, "small"), makeCluster(t, tine, "same")
	for _, c := range []*godo.Database{small, larger, same} {
		setWindow(t, tine, c.ID, time.Now().UTC().Add(12*time.Hour))
	}
	becomeOld(t, tine)
	for _, c := range []*godo.Database{small, larger, same} {
		wantPending(t, tine, c.ID, true)
	}
	swap := func(with *godo.Database) {
		t.Helper()
		if _, err := tine.Exchange(t.Context(), "swap", small.ID, map[string]any{"with": with.ID}); err != nil {
			t.Fatal(err)
		}
	}
	swap(larger)
	wantPending(t, tine, small.ID, false)
	wantPending(t, tine, larger.ID, false)
	swap(same)
	wantPending(t, tine, small.ID, true)
	wantPending(t, tine, same.ID, false)
}

// becomeOld makes the nodes what an earlier Tine has started, and has this one take them over.
func becomeOld(t *testing.T, tine *harness.Tine) {
	t.Helper()
	if err := tine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	builds, err := filepath.Glob(filepath.Join(tine.PoolDir(), "volumes", "*", "node.build"))
	if err != nil || len(builds) == 0 {
		t.Fatal(builds, err)
	}
	for _, path := range builds {
		if err := os.WriteFile(path, []byte("18.0-0.9-00000000"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func setWindow(t *testing.T, tine *harness.Tine, id string, begin time.Time) {
	t.Helper()
	_, err := tine.API.Databases.UpdateMaintenance(t.Context(), id, &godo.DatabaseUpdateMaintenanceRequest{
		Day: strings.ToLower(begin.Weekday().String()), Hour: begin.Format("15:04"),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func window(t *testing.T, tine *harness.Tine, id string) *godo.DatabaseMaintenanceWindow {
	t.Helper()
	c, _, err := tine.API.Databases.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c.MaintenanceWindow
}

func wantPending(t *testing.T, tine *harness.Tine, id string, want bool) {
	t.Helper()
	if w := window(t, tine, id); w.Pending != want || (len(w.Description) == 1) != want {
		t.Errorf("the window is %+v, want pending %v", w, want)
	}
}
