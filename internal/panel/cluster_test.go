package panel_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"tine/internal/store"
)

const refresh = `http-equiv="refresh"`

func TestTheEmptyListSaysWhatToDoNext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.loggedIn(t, store.ScopeWrite).get(t, "/databases").want(t, http.StatusOK, "No database clusters yet", `href="/databases/new"`)
}

func TestTheListShowsEachCluster(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	w.post(t, "/databases/"+source.ID+"/fork", "name", "copy", "state", "latest", "size", "db-s-1vcpu-1gb", "storage", "20").want(t, http.StatusCreated)
	list := w.get(t, "/databases")
	list.want(t, http.StatusOK, "backend", "online", "$15.00", "1.5 GiB of 15 GiB", "nyc1", // then the fork
		"copy", "forking", "20 GiB", "$16.05", "fork of backend", "2 clusters · $31.05 a month")
	list.wantWithout(t, refresh)
}

func TestASleepingClusterIsSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	const asleep = `<span class="badge suspended">suspended</span>`
	path := "/databases/" + c.ID
	for _, page := range []string{"/databases", path, path + "/settings"} {
		w.get(t, page).wantWithout(t, asleep)
	}
	w.get(t, path+"/settings").want(t, http.StatusOK, "Suspend now")
	if changed, err := b.store.SetSuspended(t.Context(), c.ID, []byte(`{"users":[],"databases":[]}`)); err != nil || !changed {
		t.Fatal(changed, err)
	}
	for _, page := range []string{"/databases", path, path + "/settings"} {
		w.get(t, page).want(t, http.StatusOK, asleep)
	}
	w.get(t, path).want(t, http.StatusOK, "a log-in, wakes the cluster")
	w.get(t, path+"/settings").wantWithout(t, "Suspend now")
}

func TestTheOverviewSaysWhatTheClusterOccupies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeRead)
	w.get(t, "/databases/"+c.ID).wantWithout(t, "On the disk")
	space := store.ClusterSpace{ClusterID: c.ID, ExclusiveBytes: 3 << 30, SharedBytes: 2 << 30, PointsBytes: 512 << 20, WALBytes: 1 << 30, MeasuredAt: now}
	if err := b.store.SetClusterSpace(t.Context(), []store.ClusterSpace{space}); err != nil {
		t.Fatal(err)
	}
	w.get(t, "/databases/"+c.ID).want(t, http.StatusOK, "On the disk", "4.0 GiB its own, 2.0 GiB shared with other clusters", "512.0 MiB of it in restore points. 1.0 GiB of write-ahead log.")
}

func TestTheListHasPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 51 {
		b.create(t, fmt.Sprintf("cluster-%03d", i))
	}
	w := b.loggedIn(t, store.ScopeRead)
	first := w.get(t, "/databases")
	first.want(t, http.StatusOK, "cluster-049", "/databases?page=2&q=&tag=", "51 clusters")
	first.wantWithout(t, "cluster-050", "page=0")
	second := w.get(t, "/databases?page=2")
	second.want(t, http.StatusOK, "cluster-050", "/databases?page=1")
	second.wantWithout(t, "cluster-049", "page=3")
	w.get(t, "/databases?page=3").want(t, http.StatusOK, "nothing on this page")
	w.get(t, "/databases?page=-1").want(t, http.StatusOK, "cluster-000")
}

func TestTheListIsATreeThatCanBeSearched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.loggedIn(t, store.ScopeWrite)
	b.create(t, "zebra")
	source := b.online(t, "backend")
	w.post(t, "/databases/"+source.ID+"/fork", "name", "a-copy", "state", "latest", "size", source.Size).want(t, http.StatusCreated)
	if err := b.fleet.ChangeTags(t.Context(), b.tag(t, "prod", source)); err != nil {
		t.Fatal(err)
	}
	all := w.get(t, "/databases").body
	// The fork comes after its source, below it, and before what is no relative.
	order := regexp.MustCompile(`(?s)depth-0">.*>backend<.*depth-1">.*>a-copy<.*depth-0">.*>zebra<`)
	if !order.MatchString(all) {
		t.Errorf("the list is no tree:\n%s", all)
	}
	found := w.get(t, "/databases?q=COPY")
	found.want(t, http.StatusOK, ">a-copy<", `depth-0">`, "1 cluster of 3")
	found.wantWithout(t, ">backend<", ">zebra<")
	tagged := w.get(t, "/databases?tag=prod")
	tagged.want(t, http.StatusOK, ">backend<", `value="prod" selected`)
	tagged.wantWithout(t, ">zebra<")
	w.get(t, "/databases?q=nothing").want(t, http.StatusOK, "No cluster matches")
	part := w.do(t, http.MethodGet, "/databases?q=zebra", "", "HX-Request", "true", "HX-Target", "clusters")
	part.want(t, http.StatusOK, ">zebra<")
	part.wantWithout(t, "<html", ">backend<")
}

func TestOnlyThePageOfAClusterInTheMakingRefreshesItself(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	making := w.get(t, "/databases/"+c.ID)
	making.want(t, http.StatusOK, "creating", refresh, "There is no restore point yet.")
	making.wantWithout(t, c.ID+"/fork")
	if _, err := b.store.SetOnline(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	w.get(t, "/databases/"+c.ID).wantWithout(t, refresh)
}

func TestAFailedClusterSaysWhy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.create(t, "backend")
	if _, err := b.store.SetFailed(t.Context(), c.ID, "The disk is full."); err != nil {
		t.Fatal(err)
	}
	a := b.loggedIn(t, store.ScopeWrite).get(t, "/databases/"+c.ID)
	a.want(t, http.StatusOK, "failed", "The disk is full.", "/destroy")
	a.wantWithout(t, refresh, c.ID+"/fork")
}

func TestAClustersPageHasItsConnectionHistoryAndEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	w.get(t, "/databases/"+c.ID).want(t, http.StatusOK,
		fmt.Sprintf("mongodb://doadmin@tine.example.com:%d/admin?authSource=admin&replicaSet=backend", c.Port),
		"from 2026-08-10 11:00:00.250 UTC to now", "1.5 GiB of 15 GiB", "The cluster is being created.", "Fork database cluster", "Destroy")
	w.get(t, "/databases/"+c.ID+"/history").want(t, http.StatusOK, "/fork?at=2026-08-10%2011%3a00%3a00.250000", "1.5 GiB", "Write activity", "Restore point")
	w.get(t, "/databases/"+c.ID+"/events").want(t, http.StatusOK, "The cluster is being created.")
}

func TestDestroyWantsTheNameTyped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + c.ID + "/destroy"
	w.get(t, path).want(t, http.StatusOK, "This cannot be undone.")
	for _, name := range []string{"", "Backend", "backen", c.ID} {
		b.wantUntouched(t, func() {
			w.post(t, path, "name", name).want(t, http.StatusUnprocessableEntity, "Nothing was destroyed.")
		})
	}
	w.post(t, path, "name", " backend ").wantRedirect(t, "/databases")
	w.get(t, "/databases").want(t, http.StatusOK, "backend", "destroying")
	if log, err := b.store.Audit(t.Context(), store.AuditPage{ClusterID: c.ID, Size: 1}); err != nil || len(log) != 1 ||
		log[0].Action != "panel: POST /databases/{id}/destroy" || log[0].TokenName != store.ScopeWrite || log[0].Outcome.Status != http.StatusSeeOther {
		t.Errorf("audit log %+v, %v", log, err)
	}
	leaving := w.get(t, "/databases/"+c.ID)
	leaving.want(t, http.StatusOK, "The cluster is being destroyed.")
	leaving.wantWithout(t, "/destroy", "/fork")

	if err := b.store.DeleteCluster(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	w.get(t, "/databases/"+c.ID).want(t, http.StatusNotFound, "backend is gone", "The cluster is being created.")
	w.get(t, path).want(t, http.StatusNotFound)
	w.post(t, path, "name", "backend").want(t, http.StatusNotFound)
}

func TestUnknownPagesSaySo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.loggedIn(t, store.ScopeWrite)
	w.get(t, "/nothing").want(t, http.StatusNotFound, "There is no such page")
	w.post(t, "/databases").want(t, http.StatusNotFound, "There is no such page")
	for _, id := range []string{"x", "9752c6bd-22a4-4b17-a790-a612f8a5396c", "%00"} {
		w.get(t, "/databases/"+id).want(t, http.StatusNotFound, "There is no cluster with the id")
		w.get(t, "/databases/"+id+"/fork").want(t, http.StatusNotFound)
		w.post(t, "/databases/"+id+"/fork", "state", "latest").want(t, http.StatusNotFound)
	}
}

var password = regexp.MustCompile(`mongodb://doadmin:([A-Za-z0-9]{24})@tine\.example\.com:[0-9]+/admin\?authSource=admin&amp;replicaSet=`)

func TestThePasswordIsShownOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	for name, send := range map[string]func() answer{
		"made": func() answer {
			return w.post(t, "/databases/new", "name", "made", "size", "db-s-1vcpu-1gb", "region", "nyc1", "version", "8")
		},
		"forked": func() answer {
			return w.post(t, "/databases/"+source.ID+"/fork", "name", "forked", "size", "db-s-1vcpu-1gb", "state", "latest")
		},
	} {
		created := send()
		created.want(t, http.StatusCreated, "Save the password now.")
		created.wantWithout(t, refresh)
		m := password.FindStringSubmatch(created.body)
		if m == nil {
			t.Fatalf("no connection string:\n%s", created.body)
		}
		b.clock.Advance(time.Second)
		w.get(t, "/databases/"+b.named(t, name).ID).wantWithout(t, m[1])
		w.get(t, "/databases").wantWithout(t, m[1])
		if created.location != "" || strings.Contains(b.log.String(), m[1]) {
			t.Error("the password is in a URL or in the log")
		}
		// Sending the form again, as a reload does, makes nothing.
		b.wantUntouched(t, func() { send().want(t, http.StatusUnprocessableEntity, "The name must be unique") })
	}
}
