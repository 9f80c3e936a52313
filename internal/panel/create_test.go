package panel_test

import (
	"net/http"
	"testing"

	"tine/internal/store"
)

func TestCreateMakesWhatWasChosen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.loggedIn(t, store.ScopeWrite)
	w.get(t, "/databases/new").want(t, http.StatusOK, `value="8" selected`, `value="nyc1" selected`, `value="db-s-1vcpu-1gb" checked`, "$15.00", "($0.02232 an hour)")
	w.post(t, "/databases/new", "name", "shop", "size", "db-s-2vcpu-4gb", "region", "nyc1", "version", "7", "storage", "70").want(t, http.StatusCreated, "shop")
	c := b.named(t, "shop")
	if c.Size != "db-s-2vcpu-4gb" || c.Version != "7" || c.Region != "nyc1" || c.StorageMiB != 70<<10 || c.NumNodes != 1 || c.Status != store.StatusCreating {
		t.Errorf("made %+v", c)
	}
	w.post(t, "/databases/new", "name", "small", "size", "db-s-1vcpu-1gb", "region", "nyc1", "version", "8", "storage", "").want(t, http.StatusCreated)
	if c := b.named(t, "small"); c.StorageMiB != 15<<10 {
		t.Errorf("storage %d MiB, want what the plan includes", c.StorageMiB)
	}
}

func TestCreateSaysWhatIsWrongNextToTheField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.create(t, "taken")
	w := b.loggedIn(t, store.ScopeWrite)
	for name, bad := range map[string]struct{ input, value, field, says string }{
		"no name":          {"name", "", "name", "The name must be 3 to 63 characters"},
		"bad name":         {"name", "Shop_1", "name", `"Shop_1" has "S" and "_".`},
		"taken name":       {"name", "taken", "name", `The name must be unique; there is a cluster "taken" already.`},
		"plan":             {"size", "db-x", "size", "The plan must be one of "},
		"region":           {"region", "moon1", "region", `The region must be one of nyc1; got "moon1".`},
		"version":          {"version", "5", "version", `The version must be one of 6, 7, 8; got "5".`},
		"little storage":   {"storage", "5", "storage", "Storage must be between 15 GiB and 60 GiB for plan db-s-1vcpu-1gb, in steps of 1 GiB; got 5 GiB."},
		"odd storage":      {"storage", "15.5", "storage", "in steps of 1 GiB; got 15.5 GiB."},
		"storage in words": {"storage", "lots", "storage", `Storage must be a number of GiB such as 20, or empty; got "lots".`},
	} {
		t.Run(name, func(t *testing.T) {
			form := map[string]string{"name": "shop", "size": "db-s-1vcpu-1gb", "region": "nyc1", "version": "8"}
			form[bad.input] = bad.value
			var fields []string
			for k, v := range form {
				fields = append(fields, k, v)
			}
			b.wantUntouched(t, func() {
				a := w.post(t, "/databases/new", fields...)
				a.want(t, http.StatusUnprocessableEntity, bad.says, `id="`+bad.field+`-wrong"`, `href="#`+bad.field+`"`)
				if bad.input == "name" || bad.input == "storage" {
					a.want(t, http.StatusUnprocessableEntity, `value="`+bad.value+`"`) // still there to be corrected
				}
			})
		})
	}
}

func TestThePriceIsUpdatedWithoutMakingAnything(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	for _, path := range []string{"/databases/new/preview", "/databases/" + source.ID + "/fork/preview"} {
		form := []string{"name", "xyz", "size", "db-s-1vcpu-2gb", "storage", "40", "state", "latest", "region", "nyc1", "version", "8"}
		b.wantUntouched(t, func() {
			page := w.post(t, path, form...)
			page.want(t, http.StatusOK, "$32.10", "a month", `value="xyz"`, "<html")
			part := w.part(t, path, "summary", form...)
			part.want(t, http.StatusOK, `id="summary"`, "$32.10", `data-problem=""`)
			part.wantWithout(t, "<html", "xyz")
			w.part(t, path, "summary", append(form, "storage", "x")...).want(t, http.StatusOK, `data-field="storage"`, "Storage must be a number")
			w.part(t, path, "summary", append(form, "name", "Not_a_name")...).want(t, http.StatusOK, `data-field="name"`, "The name must be 3 to 63")
		})
	}
	log, err := b.fleet.Audit(t.Context(), store.AuditPage{Size: 10})
	if err != nil || len(log) != 0 {
		t.Errorf("what changes nothing is in the audit log: %+v, %v", log, err)
	}
}

func TestAFailureOfOursIsNoDetailForTheVisitor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.store.Pool().Exec(t.Context(), "DROP TABLE tine.tokens CASCADE"); err != nil {
		t.Fatal(err)
	}
	// Without its table no token can be looked up: a failure of ours, of which the visitor learns no detail.
	w := b.browser(t)
	w.get(t, "/login")
	a := w.post(t, "/login", "token", store.NewSecret())
	a.want(t, http.StatusInternalServerError, "This is a failure of Tine")
	a.wantWithout(t, "relation", "tokens")
}
