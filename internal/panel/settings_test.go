package panel_test

import (
	"net/http"
	"strings"
	"testing"

	"tine/internal/fleet"
	"tine/internal/store"
)

func TestSettingsAreChangedOneFormAtATime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + c.ID + "/settings"
	w.get(t, path).want(t, http.StatusOK, "Every address may connect", "Add my address, 127.0.0.1", `value="sunday" selected`, `value="majority"`, "Logs go nowhere else", "Resize")
	for _, form := range [][]string{
		{"/sources", "source", "sources", "127.0.0.1", "description", "mine"},
		{"/maintenance", "maintenance", "day", "tuesday", "hour", "04:30"},
		{"/autoscale", "autoscale", "autoscale", "on", "threshold", "70", "increment", "20"},
		{"/config", "config", "default_read_concern", "majority", "default_write_concern", "1", "transaction_lifetime_limit_seconds", "30", "slow_op_threshold_ms", "250", "verbosity", "2"},
		{"/tags", "tag", "tag", "prod"},
		{"/sinks", "sink", "sink", "dd", "site", "datadoghq.eu", "key", "0123456789abcdef"},
		{"/update", "update"},
		{"/ttl", "ttl-off", "ttl", "off"},
		{"/expiry", "expiry", "expires_at", "2026-08-12 12:00:30.5"},
		{"/suspension", "suspension", "after_minutes", "45"},
		{"/suspension/now", "suspend"},
	} {
		w.post(t, path+form[0], form[2:]...).wantRedirect(t, path+"?done="+form[1])
	}
	page := w.get(t, path+"?done=config")
	page.want(t, http.StatusOK, "The configuration was changed.", "<code>127.0.0.1</code>", "mine", `value="tuesday" selected`, `value="04:30"`,
		`name="autoscale" value="on" checked`, "The cluster is awake.", `value="45"`, `value="70"`, `value="250"`, ">prod</a>", "datadoghq.eu",
		"TTL indexes on</button>", "its history at 2026-08-12 12:00 UTC", `value="2026-08-12 12:00:30.500000"`, "Keep it for ever")
	page.wantWithout(t, "0123456789abcdef")
	got, err := b.store.Cluster(t.Context(), c.ID)
	if err != nil || len(got.TrustedSources) != 1 || !got.Autoscale.Enabled || !got.TTLPaused || len(got.Tags) != 1 {
		t.Fatalf("cluster %+v, %v", got, err)
	}
	sinks, err := b.fleet.Sinks(t.Context(), c.ID, true)
	if err != nil || len(sinks) != 1 || sinks[0].APIKey != "0123456789abcdef" {
		t.Fatalf("sinks %+v, %v", sinks, err)
	}
	w.post(t, path+"/sources/remove", "source", got.TrustedSources[0].ID).wantRedirect(t, path+"?done=source")
	w.post(t, path+"/tags/remove", "tag", "prod").wantRedirect(t, path+"?done=tag")
	w.post(t, path+"/sinks/remove", "sink_id", sinks[0].ID).wantRedirect(t, path+"?done=sink")
	w.post(t, path+"/ttl", "ttl", "on").wantRedirect(t, path+"?done=ttl-on")
	w.post(t, path+"/expiry", "expires_at", "").wantRedirect(t, path+"?done=expiry")
	w.get(t, path).want(t, http.StatusOK, "TTL indexes off</button>", "The cluster is kept until somebody destroys it.")
	w.get(t, path+"?done=<script>").want(t, http.StatusOK, "Every address may connect", "Logs go nowhere else")
}

func TestSettingsSayWhatIsWrongNextToTheField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + c.ID + "/settings"
	for _, bad := range []struct {
		form, field, says string
		fields            []string
	}{
		{"/sources", "sources", "The trusted source must be an IP address or a CIDR block", []string{"sources", "home"}},
		{"/maintenance", "hour", "The hour must be a time of day in UTC", []string{"day", "monday", "hour", "late"}},
		{"/maintenance", "day", "The day must be one of monday", []string{"day", "someday", "hour", "03:00"}},
		{"/autoscale", "threshold", "The threshold must be between 15 and 95; got 99.", []string{"threshold", "99", "increment", "10"}},
		{"/autoscale", "increment", `The step must be a whole number; got "x".`, []string{"threshold", "80", "increment", "x"}},
		{"/config", "default_write_concern", "The write concern must be majority or a number of nodes", []string{"default_read_concern", "local", "default_write_concern", "7", "transaction_lifetime_limit_seconds", "60", "slow_op_threshold_ms", "100", "verbosity", "0"}},
		{"/config", "verbosity", `The verbosity must be a whole number; got "loud".`, []string{"default_read_concern", "local", "default_write_concern", "1", "transaction_lifetime_limit_seconds", "60", "slow_op_threshold_ms", "100", "verbosity", "loud"}},
		{"/suspension", "after_minutes", "The time without work must be between 1 and 43200, or 0 for never; got -3.", []string{"after_minutes", "-3"}},
		{"/suspension", "after_minutes", `The time without work must be a whole number; got "long".`, []string{"after_minutes", "long"}},
		{"/expiry", "expires_at", `such as 12h or 3d, or a date and a time such as 2026-08-10 14:03; got "soon".`, []string{"expires_at", "soon"}},
		{"/expiry", "expires_at", "The end must be between 1 minute and 10 years from now", []string{"expires_at", "0d"}},
		{"/tags", "tag", "The name must have 1 to 255 letters", []string{"tag", "no blanks"}},
		{"/sinks", "key", "The API key must be an API key of Datadog", []string{"sink", "dd", "site", "datadoghq.com", "key", "not a key"}},
		{"/sinks", "sink", "The name must be 1 to 255 characters", []string{"sink", "", "site", "datadoghq.com", "key", "abc"}},
	} {
		a := w.post(t, path+bad.form, bad.fields...)
		a.want(t, http.StatusUnprocessableEntity, bad.says, `id="`+bad.field+`-wrong"`, `href="#`+bad.field+`"`, `id="`+bad.field+`"`)
		a.wantWithout(t, "not a key")
	}
	w.post(t, path+"/version", "version", "7").want(t, http.StatusUnprocessableEntity, "The version must be later than 8")
	resize := "/databases/" + c.ID + "/resize"
	w.get(t, resize).want(t, http.StatusOK, `value="db-s-1vcpu-1gb" checked`, `value="15"`)
	w.post(t, resize, "size", "db-s-1vcpu-1gb", "storage", "5").want(t, http.StatusUnprocessableEntity, "Storage must be between 15 GiB and 60 GiB")
	w.part(t, resize+"/preview", "summary", "size", "db-s-1vcpu-2gb", "storage", "40").want(t, http.StatusOK, "$32.10")
	if got, err := b.store.Cluster(t.Context(), c.ID); err != nil || got.Status != store.StatusOnline || len(got.TrustedSources)+len(got.Tags) != 0 {
		t.Errorf("cluster %+v, %v", got, err)
	}
	w.post(t, resize, "size", "db-s-1vcpu-2gb", "storage", "40").wantRedirect(t, "/databases/"+c.ID+"?done=resize")
	w.get(t, "/databases/"+c.ID).want(t, http.StatusOK, "resizing", "It stays in use meanwhile", "40 GiB")
}

func TestUsersAndDatabases(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeWrite)
	path := "/databases/" + c.ID + "/users"
	w.get(t, path).want(t, http.StatusOK, "doadmin", "all rights", "Create a user", "Create a database")
	made := w.post(t, path, "name", "ada", "role", "readOnly", "databases", "shop, logs")
	made.want(t, http.StatusCreated, "The password of ada", "Save the password now.", "readOnly on logs, shop", "mongodb://ada:")
	secret := secretOf(t, made.body)
	later := w.get(t, path)
	later.want(t, http.StatusOK, "ada")
	later.wantWithout(t, secret)
	w.post(t, path, "name", "ada", "role", "").want(t, http.StatusUnprocessableEntity, `there is a user "ada" already.`, `id="name-wrong"`)
	w.post(t, path, "name", "bob", "role", "king").want(t, http.StatusUnprocessableEntity, "The role must be one of", `href="#role"`)

	user := path + "/ada"
	w.get(t, user).want(t, http.StatusOK, `value="readOnly" selected`, `value="logs, shop"`)
	w.post(t, user, "role", "readWrite", "databases", "").wantRedirect(t, path+"?done=user")
	w.get(t, path).want(t, http.StatusOK, "readWrite on admin")
	w.post(t, user, "role", "").want(t, http.StatusUnprocessableEntity, "Choose a role.")
	reset := w.post(t, user+"/reset")
	if reset.want(t, http.StatusCreated, "The password of ada"); secretOf(t, reset.body) == secret {
		t.Error("the password is the old one")
	}
	w.post(t, user+"/delete", "confirm", "eve").want(t, http.StatusUnprocessableEntity, "Nothing was deleted.")
	w.post(t, user+"/delete", "confirm", "ada").wantRedirect(t, path+"?done=user-gone")
	w.get(t, user).want(t, http.StatusNotFound)
	w.post(t, path+"/doadmin/delete", "confirm", "doadmin").want(t, http.StatusConflict, "Doadmin always has all rights and cannot be deleted")

	dbs := "/databases/" + c.ID + "/dbs"
	w.post(t, dbs, "db", "no/slash").want(t, http.StatusUnprocessableEntity, "The name must be 1 to 63 bytes", `id="db-wrong"`)
	w.post(t, dbs, "db", "shop").wantRedirect(t, path+"?done=db")
	w.get(t, path).want(t, http.StatusOK, dbs+"/shop/delete")
	w.get(t, dbs+"/shop/delete").want(t, http.StatusOK, "Type shop to confirm")
	w.post(t, dbs+"/shop/delete", "confirm", "x").want(t, http.StatusUnprocessableEntity, "Nothing was deleted.")
	w.post(t, dbs+"/shop/delete", "confirm", "shop").wantRedirect(t, path+"?done=db-gone")
	w.get(t, dbs+"/shop/delete").want(t, http.StatusNotFound)

	if strings.Contains(b.log.String(), secret) {
		t.Error("the log has the password")
	}
	making := b.create(t, "making")
	w.get(t, "/databases/"+making.ID+"/users").want(t, http.StatusOK, "They can be seen and changed when it is online.")
}

// secretOf is the password that a page shows.
func secretOf(t *testing.T, body string) string {
	t.Helper()
	_, rest, _ := strings.Cut(body, `<dt>Password</dt><dd><span class="copyable"><code class="copy">`)
	secret, _, ok := strings.Cut(rest, "</code>")
	if !ok || len(secret) < 20 {
		t.Fatalf("no password:\n%s", body)
	}
	return secret
}

func TestATokenThatMaySeeNoCredentialsSeesNone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedInWith(t, store.ScopeDatabaseRead, store.ScopeDatabaseCreate, store.ScopeDatabaseUpdate)
	for _, a := range []answer{
		w.post(t, "/databases/new", "name", "made", "size", "db-s-1vcpu-1gb", "region", "nyc1", "version", "8"),
		w.post(t, "/databases/"+c.ID+"/fork", "name", "forked", "size", c.Size, "state", "latest"),
		w.post(t, "/databases/"+c.ID+"/users", "name", "ada"),
		w.post(t, "/databases/"+c.ID+"/users/doadmin/reset"),
	} {
		a.want(t, http.StatusCreated, "database:view_credentials")
		a.wantWithout(t, "mongodb://", "<dt>Password</dt>")
	}
}

func TestTokensAreMadeShownOnceAndRevoked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.loggedIn(t, store.ScopeAdmin)
	w.get(t, "/tokens").want(t, http.StatusOK, "(yours)", "Create a token")
	w.post(t, "/tokens", "name", "", "scopes", "read").want(t, http.StatusUnprocessableEntity, "The name must be 1 to 100 characters", `href="#name"`)
	w.post(t, "/tokens", "name", "ci").want(t, http.StatusUnprocessableEntity, "The scopes must name at least one", `href="#scopes"`)
	w.post(t, "/tokens", "name", "ci", "scopes", "read", "expires_at", "soon").want(t, http.StatusUnprocessableEntity, "The end must be a date such as")
	w.post(t, "/tokens", "name", "ci", "scopes", "read", "expires_at", "2020-01-01").want(t, http.StatusUnprocessableEntity, "The end must be in the future")
	made := w.post(t, "/tokens", "name", "ci", "scopes", "read", "expires_at", "2099-01-31")
	made.want(t, http.StatusCreated, "The token ci", "Save it now.", "tine_v1_", "2099-01-31")
	_, rest, _ := strings.Cut(made.body, `<code class="copy">`)
	secret, _, _ := strings.Cut(rest, "</code>")
	token, err := b.store.Authenticate(t.Context(), secret)
	if err != nil || token.Name != "ci" {
		t.Fatalf("the secret is of %+v, %v", token, err)
	}
	w.get(t, "/tokens").wantWithout(t, secret)
	w.get(t, "/tokens/"+token.ID+"/revoke").want(t, http.StatusOK, "Whoever uses the token ci is shut out at once.")
	w.post(t, "/tokens/"+token.ID+"/revoke").wantRedirect(t, "/tokens?done=revoked")
	w.get(t, "/tokens/"+token.ID+"/revoke").want(t, http.StatusNotFound)

	w.get(t, "/audit").want(t, http.StatusOK, "panel: POST /tokens/{token}/revoke", "303", "panel: POST /tokens", "201", "127.0.0.1")
	if strings.Contains(b.log.String(), secret) {
		t.Error("the log has the token")
	}
}

func TestTheAuditLogHasPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.loggedIn(t, store.ScopeAdmin)
	w.get(t, "/audit").want(t, http.StatusOK, "Nothing was changed yet")
	c := b.create(t, "backend")
	for range 51 {
		w.post(t, "/databases/"+c.ID+"/destroy", "name", "x").want(t, http.StatusUnprocessableEntity)
	}
	first := w.get(t, "/audit?cluster="+c.ID)
	first.want(t, http.StatusOK, "Of one cluster", "/audit?before=2&cluster="+c.ID)
	if n := strings.Count(first.body, "/destroy</code>"); n != 50 {
		t.Errorf("%d changes on the page", n)
	}
	second := w.get(t, "/audit?before=2&cluster="+c.ID)
	if second.want(t, http.StatusOK, "/destroy"); strings.Count(second.body, "/destroy</code>") != 1 {
		t.Errorf("the second page: %s", second.body)
	}
}

func TestBillingShowsWhatForksShared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.online(t, "backend")
	if _, err := b.fleet.Create(t.Context(), fleet.CreateRequest{Name: "copy", Engine: "mongodb", Source: &fleet.Source{ID: source.ID}}); err != nil {
		t.Fatal(err)
	}
	w := b.loggedIn(t, store.ScopeRead)
	b.clock.Advance(minutes(60))
	page := w.get(t, "/billing")
	page.want(t, http.StatusOK, "Month to date", "$0.04", "backend", "fork of backend", "1.5 GiB", "1 fork", "the first comes when this month is over")
	b.clock.Advance(40 * 24 * 60 * 60 * 1e9) // the next month
	page = w.relogin(t, store.ScopeRead).get(t, "/billing")
	page.want(t, http.StatusOK, "August 2026", `href="/billing/`)
	_, rest, _ := strings.Cut(page.body, `<th scope="row"><a href="/billing/`)
	id, _, _ := strings.Cut(rest, `"`)
	w.get(t, "/billing/"+id).want(t, http.StatusOK, "Invoice of August 2026", "$11.52", "$23.04", "backend")
	w.get(t, "/billing/nonsense").want(t, http.StatusNotFound)
}

func TestInsightsDrawWhatWasSampled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	w := b.loggedIn(t, store.ScopeRead)
	path := "/databases/" + c.ID + "/insights"
	w.get(t, path).want(t, http.StatusOK, "Nothing was measured yet")
	var samples []store.Sample
	for i := range 10 {
		samples = append(samples, store.Sample{
			ClusterID: c.ID, At: now.Add(-minutes(i)), Span: minutes(1), Connections: 40 + i, Reads: 600, Writes: 60, Busy: 660 * 2e6, Slow: 5e6,
			CPU: 15e9, MemoryBytes: 512 << 20, StorageBytes: 3 << 30,
		})
	}
	if err := b.store.AddSamples(t.Context(), samples); err != nil {
		t.Fatal(err)
	}
	w.get(t, path+"?range=24h").want(t, http.StatusOK, "Connections", "at most 49 of 100", "Operations", "reads 10/s, writes 1/s", "Latency", "mean 2 ms", "95 of 100 at most 5 ms",
		"3.0 GiB", "25 %", "512.0 MiB", "<path class=\"line\" d=\"M")
	w.get(t, path+"?range=1000y").want(t, http.StatusOK, `href="?range=1h" aria-current="true"`)
}

func TestLogsAreShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.online(t, "backend")
	b.loggedIn(t, store.ScopeRead).get(t, "/databases/"+c.ID+"/logs").want(t, http.StatusOK, "database system is ready", "<strong>error</strong> no way")
}
