package panel_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tine/internal/store"
)

func TestTheForkPageOffersTheSourcesHistory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + c.ID + "/fork"
	page := w.get(t, path)
	page.want(t, http.StatusOK, "Latest transaction", "Point in time", "Any moment from 2026-08-10 11:00:00.250 UTC to 2026-08-10 12:00:00.250 UTC",
		`value="latest" checked`, `value="backend-fork-1200"`, `value="db-s-1vcpu-1gb" checked`, "$15.00")
	w.get(t, path+"?at=2026-08-10+11:30:00.5").want(t, http.StatusOK, `value="point" checked`, `value="2026-08-10 11:30:00.5"`)

	b.create(t, "backend-fork-1200")
	w.get(t, path).want(t, http.StatusOK, `value="backend-fork-120000"`)
}

func TestTheSuggestedNameFits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, strings.Repeat("x", 63))
	w := b.loggedIn(t, store.ScopeWrite)
	w.get(t, "/databases/"+c.ID+"/fork").want(t, http.StatusOK, `value="`+strings.Repeat("x", 53)+`-fork-1200"`)
}

func TestTheLatestTransactionIsThatOfTheMomentThePageWasLoaded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + source.ID + "/fork"
	loaded := "2026-08-10 12:00:00.250000"
	w.get(t, path).want(t, http.StatusOK, `name="loaded" value="`+loaded+`"`, "Everything written until 2026-08-10 12:00:00.250 UTC, when this page was loaded.")
	b.clock.Advance(time.Minute)
	w.post(t, path+"/preview", "action", "refresh", "loaded", loaded, "state", "latest", "name", "copy", "size", source.Size).
		want(t, http.StatusOK, `name="loaded" value="2026-08-10 12:01:00.250000"`)
	w.post(t, path, "loaded", loaded, "state", "latest", "name", "copy", "size", source.Size).want(t, http.StatusCreated, "as of 2026-08-10 12:00:00.250 UTC")
	if c := b.named(t, "copy"); c.ForkAt == nil || !c.ForkAt.Equal(now) {
		t.Errorf("forked at %v, want what the page said", c.ForkAt)
	}
}

func TestForkAtTheLatestTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	// The time that the page offers for the other choice does not count.
	created := w.post(t, "/databases/"+source.ID+"/fork", "state", "latest", "at", "1999-01-01 00:00", "name", "copy", "size", "db-s-1vcpu-2gb", "storage", "35")
	created.want(t, http.StatusCreated, "Your fork of", "backend", "all other users keep theirs")
	created.wantWithout(t, "TTL indexes")
	c := b.named(t, "copy")
	if c.SourceID != source.ID || c.ForkAt != nil || c.Size != "db-s-1vcpu-2gb" || c.StorageMiB != 35<<10 || !c.RequestedAt.Equal(now) {
		t.Errorf("made %+v", c)
	}
}

func TestForkAtAPointInTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	for name, at := range map[string]string{
		"plain": "2026-08-10 11:30:00.123456", "rfc": "2026-08-10T11:30:00.123456Z", "offset": " 2026-08-10T13:30:00.123456+02:00 ", "utc": "2026-08-10 11:30:00.123456 UTC",
	} {
		w.post(t, "/databases/"+source.ID+"/fork", "state", "point", "at", at, "name", name, "size", source.Size).
			want(t, http.StatusCreated, "as of 2026-08-10 11:30:00.123 UTC")
		if c := b.named(t, name); c.ForkAt == nil || !c.ForkAt.Equal(time.Date(2026, 8, 10, 11, 30, 0, 123_456_000, time.UTC)) || c.StorageMiB != source.StorageMiB {
			t.Errorf("%s: made %+v", name, c)
		}
	}
	b.clock.Advance(time.Hour)
	// What the page of the source offers can be chosen.
	w.post(t, "/databases/"+source.ID+"/fork", "state", "point", "at", "2026-08-10 11:00:00.250000", "name", "first", "size", source.Size).want(t, http.StatusCreated)
}

func TestForkSaysWhatIsWrongNextToTheField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + source.ID + "/fork"
	for name, bad := range map[string]struct {
		form  []string
		field string
		says  string
	}{
		"no state":       {[]string{"state", ""}, "state", "Choose a state"},
		"no time":        {[]string{"state", "point"}, "at", "The point in time is missing."},
		"no such time":   {[]string{"state", "point", "at", "yesterday"}, "at", `such as 2026-08-10 14:03:06.123; got "yesterday".`},
		"before history": {[]string{"state", "point", "at", "2026-08-10 11:00"}, "at", "The point in time must be between 2026-08-10T11:00:00.25Z and 2026-08-10T12:00:00.25Z"},
		"future":         {[]string{"state", "point", "at", "2026-08-10 12:00:01.5"}, "at", "got 2026-08-10T12:00:01.5Z."},
		"name":           {[]string{"state", "latest", "name", "backend"}, "name", "The name must be unique"},
		"plan":           {[]string{"state", "latest", "size", "db-x"}, "size", "The plan must be"},
		"storage":        {[]string{"state", "latest", "storage", "500"}, "storage", "got 500 GiB."},
		"no storage":     {[]string{"state", "latest", "storage", "0"}, "storage", "Storage must be a number"},
	} {
		t.Run(name, func(t *testing.T) {
			b.wantUntouched(t, func() {
				form := append([]string{"name", "copy", "size", source.Size}, bad.form...)
				w.post(t, path, form...).want(t, http.StatusUnprocessableEntity, bad.says, `href="#`+bad.field+`"`, `id="`+bad.field+`"`)
			})
		})
	}
}

func TestASourceThatCannotBeForkedSaysWhy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.create(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + source.ID + "/fork"
	w.get(t, path).want(t, http.StatusOK, "Not possible yet: backend has no restore point so far.")
	b.wantUntouched(t, func() {
		w.post(t, path, "state", "latest", "name", "copy", "size", source.Size).
			want(t, http.StatusUnprocessableEntity, "is still being created.", `role="alert"`)
	})
}
