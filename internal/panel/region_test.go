package panel_test

import (
	"net/http"
	"testing"

	"tine/internal/catalog"
	"tine/internal/store"
)

func TestAClusterOnItsWayToAnotherRegionShowsHowFarItIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + c.ID
	w.get(t, path+"/settings").wantWithout(t, `id="region"`)
	offered := b.fleet.Catalog()
	offered.Regions = append(offered.Regions, catalog.Region{Slug: "fra1", Name: "Frankfurt 1"})
	w.get(t, path+"/settings").want(t, http.StatusOK, `id="region"`, `<option value="fra1">Frankfurt 1 (fra1)</option>`)
	w.post(t, path+"/settings/region", "region", "moon1").want(t, http.StatusUnprocessableEntity, "The region must be one of nyc1, fra1", `href="#region"`)

	fork := []string{"name", "copy", "size", "db-s-1vcpu-1gb", "storage", "", "state", "latest", "version", "8", "region"}
	w.part(t, path+"/fork/preview", "summary", append(fork, "fra1")...).want(t, http.StatusOK, "About <strong>1.5 GiB</strong> will be sent to fra1",
		"at most 200.0 MiB a second: at least ", "the source’s clients come first")
	w.part(t, path+"/fork/preview", "summary", append(fork, "nyc1")...).want(t, http.StatusOK, "no data is copied")

	c, err := b.store.Cluster(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.store.BeginMigration(t.Context(), c, "fra1", "fra1"); err != nil {
		t.Fatal(err)
	}
	x := store.Transfer{ClusterID: c.ID, SentBytes: 1 << 30, TotalBytes: 4 << 30, BytesPerSecond: 64 << 20}
	if wanted, err := b.store.SetTransferProgress(t.Context(), x); err != nil || !wanted {
		t.Fatal(wanted, err)
	}
	for _, page := range []string{path, path + "/events", path + "/progress?reload=1"} {
		w.get(t, page).want(t, http.StatusOK, "being migrated to fra1", `<progress max="100" value="25"`, "1.0 GiB of 4.0 GiB sent", "64.0 MiB a second", "48s left", `hx-trigger="every 2s"`)
	}
	if err := b.store.EndMigration(t.Context(), c.ID, store.EventMigrated, "There."); err != nil {
		t.Fatal(err)
	}
	w.get(t, path).wantWithout(t, "<progress")
	w.post(t, path+"/settings/region", "region", "fra1").wantRedirect(t, path+"/settings?done=region")
}
