package panel_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tine/internal/fleet"
	"tine/internal/store"
)

// fork makes an online fork of a cluster as it is.
func (b *bundle) fork(t testing.TB, source store.Cluster, name string) store.Cluster {
	t.Helper()
	created, err := b.fleet.Create(t.Context(), fleet.CreateRequest{Name: name, Source: &fleet.Source{ID: source.ID}})
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := b.store.SetOnline(t.Context(), created.Cluster.ID); err != nil || !changed {
		t.Fatal(changed, err)
	}
	return created.Cluster
}

// keptFrom is the cluster that is made for a restore or a reset, and keeps the state before when that is done.
func (b *bundle) keptFrom(t testing.TB, c store.Cluster, kind string) store.Cluster {
	t.Helper()
	return b.named(t, c.Name+"-before-"+kind+"-20260810-120000")
}

func TestRestoreWantsAStateAndTheName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + c.ID + "/restore"
	w.get(t, "/databases/"+c.ID+"/history").want(t, http.StatusOK, path+"?at=", path+`"`)
	page := w.get(t, path+"?at=2026-08-10+11:30")
	page.want(t, http.StatusOK, `value="2026-08-10 11:30"`, `value="point" checked`, "Connections are cut and come back, and clients then see the older data", "backend-before-restore-…, for 7 days")
	page.wantWithout(t, `value="latest"`)
	b.wantUntouched(t, func() {
		w.post(t, path, "state", "point", "at", "2026-08-10 11:30", "confirm", "x").want(t, http.StatusUnprocessableEntity, "Nothing was restored.", `value="2026-08-10 11:30"`, `href="#confirm"`)
		w.post(t, path, "state", "point", "at", "1999-01-01 00:00", "confirm", "backend").want(t, http.StatusUnprocessableEntity, "The point in time must be between", `href="#at"`, `id="at"`)
		w.post(t, path, "state", "point", "at", "then", "confirm", "backend").want(t, http.StatusUnprocessableEntity, "The point in time must be a date and a time")
		w.post(t, path, "state", "latest", "confirm", "backend").want(t, http.StatusUnprocessableEntity, "Choose a state: a point in time, or a transaction.", `href="#state"`)
	})
	w.post(t, path, "state", "point", "at", "2026-08-10 11:30", "confirm", "backend").wantRedirect(t, "/databases/"+c.ID+"?done=restore")
	w.get(t, "/databases/"+c.ID+"?done=restore").want(t, http.StatusOK, "restoring", "Its state before is kept", "The cluster is getting other data.", "/progress?reload=1")
	b.keptFrom(t, c, "restore")
	w.post(t, path, "state", "point", "at", "2026-08-10 11:30", "confirm", "backend").want(t, http.StatusUnprocessableEntity, "The cluster \"backend\" must be online to be changed; it is being restored.")
}

func TestRestoreRightBeforeOrAfterATransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.loggedIn(t, store.ScopeWrite)
	for _, side := range []string{"before", "after"} {
		c := b.online(t, side)
		path := "/databases/" + c.ID + "/restore"
		w.get(t, "/databases/"+c.ID+"/transactions").want(t, http.StatusOK, path+"?"+side+"=0%2f200")
		w.get(t, path+"?"+side+"=0%2f200").want(t, http.StatusOK, `value="transaction" checked`, `value="0/200"`)
		for id, says := range map[string]string{"": "The transaction is missing.", "0/250": "The transaction must be a transaction in the history", "drop": "The transaction must be the id"} {
			b.wantUntouched(t, func() {
				w.post(t, path, "state", "transaction", "side", side, "transaction", id, "confirm", side).want(t, http.StatusUnprocessableEntity, says, `href="#transaction"`, `id="transaction"`)
			})
		}
		w.post(t, path, "state", "transaction", "side", side, "transaction", "0/200", "confirm", side).wantRedirect(t, "/databases/"+c.ID+"?done=restore")
		if kept := b.keptFrom(t, c, "restore"); kept.ForkLSN != 0x200 || kept.ForkSide() != side {
			t.Errorf("restored at %x, %s it", kept.ForkLSN, kept.ForkSide())
		}
	}
}

// A fork gets a state of its source, which is offered where there is one, and in the source's history.
func TestResetOfAFork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	w.get(t, "/databases/"+source.ID+"/history").wantWithout(t, "/reset")
	w.get(t, "/databases/"+source.ID+"/reset").want(t, http.StatusConflict, "The cluster \"backend\" must be a fork to be reset to its source.")
	for name, state := range map[string]struct {
		form []string
		lsn  uint64
		at   *time.Time
	}{
		"latest": {form: []string{"state", "latest"}},
		"moment": {form: []string{"state", "point", "at", "2026-08-10 11:45"}, at: new(now.Add(-15*time.Minute - 250*time.Millisecond))},
		"after":  {form: []string{"state", "transaction", "side", "after", "transaction", "0/300"}, lsn: 0x300, at: new(now.Add(-20 * time.Minute))},
	} {
		fork := b.fork(t, source, name)
		path := "/databases/" + fork.ID
		w.get(t, path+"/history").want(t, http.StatusOK, path+"/reset", "Reset it to its source, backend")
		w.get(t, path+"/reset").want(t, http.StatusOK, `value="latest" checked`, "clients then see the data of backend", name+"-before-reset-…, for 7 days",
			"Any moment from 2026-08-10 11:00:00.250 UTC", "/databases/"+source.ID+"/transactions")
		b.wantUntouched(t, func() {
			w.post(t, path+"/reset", append(state.form, "confirm", "backend")...).want(t, http.StatusUnprocessableEntity, "Nothing was reset.")
			w.post(t, path+"/reset", "state", "point", "at", "1999-01-01 00:00", "confirm", name).want(t, http.StatusUnprocessableEntity, "the history of \"backend\"", `href="#at"`)
		})
		w.post(t, path+"/reset", append(state.form, "confirm", name)...).wantRedirect(t, path+"?done=reset")
		kept := b.keptFrom(t, fork, "reset")
		if kept.SourceID != source.ID || kept.ForkLSN != state.lsn || (kept.ForkAt == nil) != (state.at == nil) || state.at != nil && !kept.ForkAt.Equal(*state.at) {
			t.Errorf("%s: reset to %s at %v, %x", name, kept.SourceName, kept.ForkAt, kept.ForkLSN)
		}
	}
	orphan := b.fork(t, source, "orphan")
	if err := b.fleet.Destroy(t.Context(), source.ID); err != nil {
		t.Fatal(err)
	}
	w.get(t, "/databases/"+orphan.ID+"/history").wantWithout(t, "/reset")
	w.post(t, "/databases/"+orphan.ID+"/reset", "state", "latest", "confirm", "orphan").want(t, http.StatusConflict, "cannot be reset: its source \"backend\" is being destroyed.")
}

// What is wrong and has no input on the page is said all the same.
func TestResetIntoTooLittleStorageSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	fork := b.fork(t, source, "small")
	const large = 20 << 30
	if _, err := b.store.AddRestorePoint(t.Context(), store.RestorePoint{ClusterID: source.ID, Volume: "w", StartedAt: now, CompletedAt: now, SizeBytes: large}); err != nil {
		t.Fatal(err)
	}
	page := b.loggedIn(t, store.ScopeWrite).post(t, "/databases/"+fork.ID+"/reset", "state", "latest", "confirm", "small")
	page.want(t, http.StatusUnprocessableEntity, "Storage must be at least 20 GiB to hold the data of \"backend\"; got 15 GiB.")
	page.wantWithout(t, "look at what is marked")
}

func TestSwap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + c.ID
	w.get(t, path+"/history").wantWithout(t, "/swap")
	w.get(t, path+"/swap").want(t, http.StatusOK, "There is no other cluster that it could be swapped with")
	b.create(t, "making")
	other, fork := b.online(t, "another"), b.fork(t, c, "migrated")
	w.get(t, path+"/history").want(t, http.StatusOK, path+`/swap"`)
	page := w.get(t, path+"/swap")
	page.want(t, http.StatusOK, "Connections to both are cut and come back; backend then has the data and the history of the other cluster", ">migrated (its fork)</option>", ">another</option>")
	page.wantWithout(t, "making", ">backend</option>")
	if strings.Index(page.body, fork.ID) > strings.Index(page.body, other.ID) {
		t.Error("strangers come before the fork")
	}
	b.wantUntouched(t, func() {
		w.post(t, path+"/swap", "with", fork.ID, "confirm", "migrated").want(t, http.StatusUnprocessableEntity, "Nothing was swapped.", `value="`+fork.ID+`" selected`)
		w.post(t, path+"/swap", "with", c.ID, "confirm", "backend").want(t, http.StatusUnprocessableEntity, "The other cluster must be another cluster than \"backend\" itself.", `href="#with"`)
		w.post(t, path+"/swap", "with", "", "confirm", "backend").want(t, http.StatusUnprocessableEntity, "The other cluster is missing")
	})
	w.post(t, path+"/swap", "with", fork.ID, "confirm", "backend").wantRedirect(t, path+"?done=swap")
	for _, id := range []string{c.ID, fork.ID} {
		w.get(t, "/databases/"+id+"?done=swap").want(t, http.StatusOK, "swapping", "The clusters exchange their data.")
	}
	w.get(t, path+"/history").wantWithout(t, "/swap")
}

// Both forms that make a cluster take an end, as the settings do.
func TestAClusterIsMadeWithAnEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	for path, form := range map[string][]string{
		"/databases/new":                    {"size", "db-s-1vcpu-1gb", "region", "nyc1", "version", "8", "name"},
		"/databases/" + source.ID + "/fork": {"size", "db-s-1vcpu-1gb", "state", "latest", "name"},
	} {
		w.get(t, path).want(t, http.StatusOK, `id="expires_at"`)
		b.wantUntouched(t, func() {
			for end, says := range map[string]string{"soon": "The end must be how long from now", "2020-01-01 00:00": "The end must be between 1 minute and 10 years from now"} {
				w.post(t, path, append(form, "bad", "expires_at", end)...).want(t, http.StatusUnprocessableEntity, says, `href="#expires_at"`)
			}
		})
		for name, end := range map[string]string{"span": "36h", "date": "2026-08-12 00:00:00.25", "days": " 1d", "minutes": "90 m", "never": ""} {
			name += "-" + form[2]
			w.post(t, path, append(form, name, "expires_at", end)...).want(t, http.StatusCreated)
			want := map[string]time.Duration{"36h": 36 * time.Hour, "2026-08-12 00:00:00.25": 36 * time.Hour, " 1d": 24 * time.Hour, "90 m": 90 * time.Minute}[end]
			if got := b.named(t, name).ExpiresAt; (got == nil) != (end == "") || got != nil && !got.Equal(now.Add(want)) {
				t.Errorf("%s, %q: expires at %v", path, end, got)
			}
		}
	}
	w.get(t, "/databases?q=span-region").want(t, http.StatusOK, "expires 2026-08-12 00:00 UTC")
}
