package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"

	"tine/internal/contract"
)

// described is a way to the shared Tine that fails where it does something else than it describes at /openapi.yaml.
func described(t *testing.T) *httptest.Server {
	t.Helper()
	target, err := url.Parse(shared.URL)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: contract.Wrap(http.DefaultTransport),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			t.Error(err)
			w.WriteHeader(http.StatusBadGateway)
		},
	})
	t.Cleanup(server.Close)
	return server
}

// cli runs the command line against the shared Tine and returns what it printed and its exit code.
func cli(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shared.Binary, args...)
	cmd.Env = append(cmd.Environ(), "TINE_API="+described(t).URL, "TINE_DATA_DIR="+shared.DataDir())
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// cliJSON is cli for a command that must succeed and prints one object.
func cliJSON(t *testing.T, into any, args ...string) {
	t.Helper()
	out, errs, code := cli(t, append(args, "-o", "json")...)
	if code != 0 {
		t.Fatalf("tine %s: exit code %d\n%s", strings.Join(args, " "), code, errs)
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("tine %s prints no JSON: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// The main job from the command line.
func TestCommandLineCreatesForksAndDestroys(t *testing.T) {
	t.Parallel()
	source, fork := newName("cli"), newName("cli")
	var made, forked godo.Database
	cliJSON(t, &made, "cluster", "create", source, "--wait")
	c := connect(t, &made).Database("d").Collection("c")
	insert(t, c, 1)
	at := now()
	insert(t, c, 2)
	cliJSON(t, &forked, "cluster", "fork", source, fork, "--at", at.UTC().Format(time.RFC3339Nano), "--wait")
	wantNumbers(t, connect(t, &forked).Database("d").Collection("c"), 1)

	out, _, code := cli(t, "cluster", "list")
	if code != 0 || !strings.Contains(out, source) || !strings.Contains(out, fork) {
		t.Errorf("list ends with %d and prints\n%s", code, out)
	}
	if out, _, code := cli(t, "cluster", "history", source); code != 0 || out == "" {
		t.Errorf("history ends with %d and prints %q", code, out)
	}
	if out, _, code := cli(t, "cluster", "get", fork); code != 0 || strings.Contains(out, forked.Connection.Password) {
		t.Errorf("get ends with %d and prints %q, which must not have the password", code, out)
	}
	for _, name := range []string{fork, source} {
		if _, errs, code := cli(t, "cluster", "destroy", name, "--yes"); code != 0 {
			t.Errorf("destroy ends with %d: %s", code, errs)
		}
	}
}

func TestCommandLineExitCodes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		code int
	}{
		"no such command":  {[]string{"cluster", "frok"}, 2},
		"no such flag":     {[]string{"cluster", "list", "--all"}, 2},
		"bad moment":       {[]string{"cluster", "fork", "a", "bbb", "--at", "yesterday"}, 2},
		"no such cluster":  {[]string{"cluster", "get", "nobody"}, 3},
		"refused":          {[]string{"cluster", "create", "Bad_Name"}, 4},
		"no such source":   {[]string{"cluster", "fork", "nobody", newName("cli")}, 3},
		"wrong token":      {[]string{"cluster", "list", "--token", "tine_v1_wrong"}, 5},
		"nobody listening": {[]string{"cluster", "list", "--api", "http://127.0.0.1:1"}, 6},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, errs, code := cli(t, test.args...); code != test.code || errs == "" {
				t.Errorf("tine %s ends with %d and says %q, want %d and a sentence", strings.Join(test.args, " "), code, errs, test.code)
			}
		})
	}
}

func TestCommandLineTokensWorkUntilTheyAreRevoked(t *testing.T) {
	t.Parallel()
	name := newName("token")
	var made struct {
		Secret string `json:"secret"`
	}
	cliJSON(t, &made, "token", "create", name, "--scope", "read")
	if _, errs, code := cli(t, "cluster", "list", "--token", made.Secret); code != 0 {
		t.Errorf("list with the new token ends with %d: %s", code, errs)
	}
	if _, _, code := cli(t, "cluster", "create", newName("cli"), "--token", made.Secret); code != 5 {
		t.Errorf("create with a token that may only read ends with %d, want 5", code)
	}
	if _, errs, code := cli(t, "token", "revoke", name); code != 0 {
		t.Fatalf("revoke ends with %d: %s", code, errs)
	}
	if _, _, code := cli(t, "cluster", "list", "--token", made.Secret); code != 5 {
		t.Errorf("list with the revoked token ends with %d, want 5", code)
	}
}
