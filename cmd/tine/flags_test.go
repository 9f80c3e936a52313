package main

import (
	"net/http"
	"strings"
	"testing"
)

// What a command line says wrongly is told in one sentence with what would be right, and nothing is asked for.
func TestWrongFlagsAreToldInWords(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ line, want string }{
		"no number":             {"cluster create copy --nodes x", `--nodes must be a whole number of at least 1; got "x"`},
		"no nodes":              {"cluster create copy --nodes 0", `--nodes must be a whole number of at least 1; got "0"`},
		"no patience":           {"cluster create copy --wait --timeout 0", `--timeout must be how long, like 90s, 10m or 2h; got "0"`},
		"less than none":        {"cluster restore shop --at 2h --wait --timeout -1s", `--timeout must be how long, like 90s, 10m or 2h; got "-1s"`},
		"no switch":             {"cluster create copy --wait=perhaps", `--wait must be true or false; got "perhaps"`},
		"no such flag":          {"cluster create copy --frob", `there is no flag --frob`},
		"hyphen":                {"cluster get -abc", `there is no flag -abc; an argument that begins with a hyphen must come behind --`},
		"two arguments":         {"cluster fork", `SOURCE and NAME are missing`},
		"life of no time":       {"cluster create copy --expires-in 500ms", `--expires-in must be how long from now, in whole seconds, like 12h or 30d; got "500ms"`},
		"fork's life":           {"cluster fork shop copy --expires-in 0", `--expires-in must be how long from now, in whole seconds, like 12h or 30d; got "0"`},
		"keep for no time":      {"cluster restore shop --at 2h --keep 500ms", `--keep must be how long, in whole seconds, like 12h or 30d, or forever; got "500ms"`},
		"expiry at no time":     {"cluster expire shop 0.5s", `LIFE must be how long from now, in whole seconds, like 12h or 30d, a time like 2027-01-31T00:00:00Z, or never; got "0.5s"`},
		"suspended at creation": {"cluster create copy --suspend-after 90s", `--suspend-after must be a time without work in whole minutes, like 10m or 2h, or never; got "90s"`},
		"suspended":             {"cluster suspend shop --after 90s", `--after must be a time without work in whole minutes, like 10m or 2h, or never; got "90s"`},
		"two moments":           {"cluster fork shop copy --at 2h --before 0/1", `give only one of --at and --before`},
		"two places":            {"cluster restore shop --before 0/1 --after 0/1", `give only one of --before and --after`},
		"empty moment":          {"cluster fork shop copy --at=", `--at must not be empty: give a moment, or leave it out`},
		"empty transaction":     {"cluster reset shop --before=", `--before must not be empty: give a transaction, or leave it out`},
		"empty restore":         {"cluster restore shop --at=", `--at must not be empty: give a moment, or leave it out`},
		"empty estimate":        {"cluster history shop --at=", `--at must not be empty: give a moment, or leave it out`},
		"around what":           {"cluster history shop --around 14:03", `--around needs --transactions`},
		"whose schema":          {"cluster history shop --schema", `--schema needs --transactions`},
		"count of what":         {"cluster history shop --count 3", `--count needs --transactions`},
		"two lists":             {"cluster history shop --transactions --at 2h", `--at is for the estimate of a fork and not for --transactions, which have --around`},
		"region of none":        {"cluster history shop --transactions --region fra1", `--region is for the estimate of a fork and not for --transactions, which have --around`},
		"too many changes":      {"audit --most 1000", `--most must be a whole number from 1 to 200; got 1000`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t)
			got := tine(t, a.URL, strings.Fields(test.line)...)
			if sentence, _, _ := strings.Cut(got.stderr, "\n"); got.code != exitUsage || sentence != "tine: "+test.want {
				t.Errorf("exit code %d, %s\nwant %s", got.code, got.stderr, test.want)
			}
			if a.created.Load() != nil || a.changed.Load() != nil {
				t.Error("something was asked for all the same")
			}
		})
	}
}

func TestFlagWithoutItsValueIsToldInWords(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	if code := run(t.Context(), newRootCommand(), []string{"cluster", "create", "copy", "--size"}, &stderr); code != exitUsage ||
		!strings.HasPrefix(stderr.String(), "tine: --size needs a value after it\n") {
		t.Errorf("exit code %d, %s", code, stderr.String())
	}
}

// A cluster that is gone is known by its id alone; a name that nobody has is a mistake.
func TestAuditOfOneCluster(t *testing.T) {
	t.Parallel()
	a := newUnstartedAPI(t)
	inner, asked := a.Config.Handler, ""
	mux := http.NewServeMux()
	mux.Handle("/", inner)
	mux.HandleFunc("GET /v2/audit", func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("cluster_id")
		answer(w, http.StatusOK, `{"audit":[]}`)
	})
	a.Config.Handler = mux
	a.Start()
	const gone = "0c2a9a3e-9f3f-4c65-a3f4-6f4f2d9d1c11"
	for _, test := range []struct {
		cluster, asked string
		code           int
	}{{"shop", shopID, exitOK}, {gone, gone, exitOK}, {"nobody", "", exitNotFound}} {
		asked = ""
		got := tine(t, a.URL, "audit", "--cluster", test.cluster, "--api", a.URL, "--token", "secret")
		if got.code != test.code || asked != test.asked {
			t.Errorf("%s: exit code %d, asked for %q: %s", test.cluster, got.code, asked, got.stderr)
		}
	}
}
