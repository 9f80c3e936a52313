package space

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/e2e/harness"
)

// smallPlan is a catalog with a plan whose storage is soon full.
const smallPlan = `
regions: [{slug: nyc1, name: New York 1}]
default_version: "8"
versions: [{version: "8", semantic: "8.0.4", end_of_life: "2029-10-31T00:00:00Z", end_of_availability: ""}]
node_counts: [1]
storage_price_gib_monthly: 0.21
storage_step_mib: 64
plans: [{slug: db-s-1vcpu-1gb, vcpus: 1, memory_mib: 1024, min_storage_mib: 192, max_storage_mib: 512, max_connections: 100, price_monthly: 15}]
`

// A cluster that has used up its storage refuses what adds to it, with MongoDB's code, and nothing else, until something is dropped or the storage is enlarged.
func TestClusterOverItsStorageTurnsReadOnly(t *testing.T) {
	t.Parallel()
	catalog := filepath.Join(t.TempDir(), "catalog.yaml")
	must(t, os.WriteFile(catalog, []byte(smallPlan), 0o600))
	tine := start(t, harness.Options{Config: "catalog: " + catalog + "\n", Pool: map[string]string{"account_interval": "500ms"}})
	s := newSource(t, tine, "small")
	other := s.client.Database("shop").Collection("other")
	_, err := other.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}})
	must(t, err)

	fill := func() {
		t.Helper()
		eventually(t, "writes are refused", func() bool { return isBlocked(t, s.write(t.Context())) })
	}
	fill()
	eventually(t, "there is an event of the block", func() bool { return event(t, tine, s.cluster.ID, "writes_blocked") != "" })
	// The data are the cluster's own until it is forked.
	eventually(t, "the cluster's own space has been measured", func() bool {
		used := storageOf(t, tine, s.cluster.ID)
		return used.Blocked && used.Exclusive > 100<<20 && used.Shared < 100<<20 && used.History.WAL > 0
	})
	fork, err := tine.Make(t.Context(), harness.ForkRequest("small", "fork", time.Time{}))
	must(t, err)
	eventually(t, "the fork's space has been measured", func() bool {
		used, source := storageOf(t, tine, fork.ID), storageOf(t, tine, s.cluster.ID)
		return used.Shared > 100<<20 && used.Exclusive < 100<<20 && source.Shared > 100<<20
	})
	s.check()
	_, err = s.coll.DeleteOne(t.Context(), bson.D{{Key: "_id", Value: s.acknowledged - 1}})
	must(t, err)
	must(t, s.coll.Drop(t.Context()))
	eventually(t, "writes are possible after a drop", func() bool {
		_, err := other.InsertOne(t.Context(), bson.D{})
		return err == nil || !isBlocked(t, err)
	})
	eventually(t, "there is an event", func() bool { return event(t, tine, s.cluster.ID, "writes_allowed") != "" })

	s.acknowledged = 0
	fill()
	_, err = tine.API.Databases.Resize(t.Context(), s.cluster.ID, &godo.DatabaseResizeRequest{SizeSlug: "db-s-1vcpu-1gb", NumNodes: 1, StorageSizeMib: 512})
	must(t, err)
	eventually(t, "writes are possible with more storage", func() bool {
		err := s.write(t.Context())
		return err == nil || !isBlocked(t, err)
	})
	s.check()
}

// used is what the API says of what a cluster occupies.
type used struct {
	Blocked   bool  `json:"writes_blocked"`
	Exclusive int64 `json:"exclusive_bytes"`
	Shared    int64 `json:"shared_bytes"`
	History   struct {
		WAL int64 `json:"wal_bytes"`
	} `json:"history"`
}

func storageOf(t *testing.T, tine *harness.Tine, id string) used {
	t.Helper()
	r, err := tine.API.NewRequest(t.Context(), http.MethodGet, "/v2/databases/"+id+"/storage", nil)
	must(t, err)
	var answer struct{ Storage used }
	_, err = tine.API.Do(t.Context(), r, &answer)
	must(t, err)
	return answer.Storage
}

// isBlocked says whether a write was refused because of the storage. Any other error is wrong.
func isBlocked(t *testing.T, err error) bool {
	t.Helper()
	var e mongo.ServerError
	switch {
	case err == nil:
		return false
	case errors.As(err, &e) && e.HasErrorCode(371):
		return true
	default:
		t.Fatal(err)
		return false
	}
}
