//go:build doclients

package doclients

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/digitalocean/godo"

	"tine/e2e/harness"
)

// tofu is a directory with a module and its state.
type tofu struct {
	t       *testing.T
	dir     string
	address string
	vars    []string // NAME=VALUE
}

// newTofu copies the module, so that its state is in a directory of its own.
func newTofu(t *testing.T, address string) tofu {
	t.Helper()
	dir := t.TempDir()
	module, err := os.ReadFile("terraform/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), module, 0o600); err != nil {
		t.Fatal(err)
	}
	bin, err := filepath.Abs("bin")
	if err != nil {
		t.Fatal(err)
	}
	// With an override the provider is taken as it was built: there is no tofu init, which would ask a registry.
	config := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"digitalocean/digitalocean\" = %q\n  }\n  direct {}\n}\n", bin)
	if err := os.WriteFile(filepath.Join(dir, "tofurc"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return tofu{t: t, dir: dir, address: address}
}

// run runs a command in the module and returns what it printed and its exit code.
func (f tofu) run(args ...string) (string, int) {
	f.t.Helper()
	cmd := client(f.t, f.dir, "tofu", args...)
	cmd.Dir = f.dir
	cmd.Env = append(cmd.Env, "TF_CLI_CONFIG_FILE="+filepath.Join(f.dir, "tofurc"), "TF_VAR_endpoint="+f.address, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1")
	for _, v := range f.vars {
		cmd.Env = append(cmd.Env, "TF_VAR_"+v)
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		f.t.Fatalf("tofu %s: %v", strings.Join(args, " "), err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (f tofu) ok(args ...string) string {
	f.t.Helper()
	out, code := f.run(args...)
	if code != 0 {
		f.t.Fatalf("tofu %s ended with %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

func (f tofu) apply() { f.t.Helper(); f.ok("apply", "-auto-approve", "-no-color", "-input=false") }

// The exit codes of tofu plan -detailed-exitcode.
const (
	nothingToDo = 0
	changes     = 2
)

// plan fails unless a plan ends with that exit code, and returns it.
func (f tofu) plan(want int) string {
	f.t.Helper()
	out, code := f.run("plan", "-detailed-exitcode", "-no-color", "-input=false")
	if code != want {
		f.t.Errorf("tofu plan ended with %d, want %d\n%s", code, want, out)
	}
	return out
}

// output reads an output into a value.
func (f tofu) output(name string, into any) {
	f.t.Helper()
	if err := json.Unmarshal([]byte(f.ok("output", "-json", name)), into); err != nil {
		f.t.Fatalf("output %s: %v", name, err)
	}
}

type found struct {
	Size, CA, Role           string
	Tags, Resources, Regions []string
}

func TestTerraform(t *testing.T) {
	t.Parallel()
	address := inspected(t)
	f := newTofu(t, address)
	f.apply()
	t.Cleanup(func() {
		// What a failed test has left would be in the way of nobody but the next one by the same names.
		if t.Failed() {
			f.run("destroy", "-auto-approve", "-no-color", "-input=false")
		}
	})
	f.plan(nothingToDo)
	var ids map[string]string
	f.output("ids", &ids)
	checkFound(t, f, ids)
	for _, name := range []string{"uri", "fork_uri"} {
		var uri string
		f.output(name, &uri)
		connected, err := harness.Connect(t.Context(), uri)
		if err != nil {
			t.Fatalf("connect by the output %s: %v", name, err)
		}
		_ = connected.Disconnect(t.Context())
	}
	changeAll(t, &f, ids)
	repair(t, f, ids["shop"])
	f.output("ids", &ids) // the fork was replaced
	adopt(t, newTofu(t, address), f.vars, ids)
	f.ok("destroy", "-auto-approve", "-no-color", "-input=false")
	for name, id := range ids {
		if _, response, err := shared.API.Databases.Get(t.Context(), id); response == nil || response.StatusCode != http.StatusNotFound {
			t.Errorf("%s after destroy: %v", name, err)
		}
	}
}

// checkFound looks at what data sources found.
func checkFound(t *testing.T, f tofu, ids map[string]string) {
	t.Helper()
	var got found
	f.output("found", &got)
	if got.Size != "db-s-1vcpu-1gb" || got.Role != "normal" || !strings.Contains(got.CA, "BEGIN CERTIFICATE") || !slices.Contains(got.Tags, "env:prod") ||
		!slices.Contains(got.Resources, "do:dbaas:"+ids["shop"]) || !slices.Equal(got.Regions, []string{"nyc1"}) {
		t.Errorf("data sources found %+v", got)
	}
}

// changeAll changes what can be changed of each resource, in place.
func changeAll(t *testing.T, f *tofu, ids map[string]string) {
	t.Helper()
	f.vars = []string{
		"size=db-s-2vcpu-4gb", "storage=51200", `tags=["blue","env:test"]`, "hour=14:30", "large_version=8", "threshold=85", `trusted=["127.0.0.1","10.0.0.0/8"]`, "read_concern=local",
	}
	if plan := f.plan(changes); !strings.Contains(plan, "Plan: 0 to add, 4 to change, 0 to destroy.") {
		t.Errorf("the plan of the changes:\n%s", plan)
	}
	f.apply()
	f.plan(nothingToDo)
	shop, _, err := shared.API.Databases.Get(t.Context(), ids["shop"])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(shop.Tags)
	if shop.SizeSlug != "db-s-2vcpu-4gb" || !slices.Equal(shop.Tags, []string{"blue", "env:test"}) || shop.MaintenanceWindow.Hour != "14:30:00" {
		t.Errorf("the cluster became %+v", shop)
	}
	large, _, err := shared.API.Databases.Get(t.Context(), ids["large"])
	if err != nil || large.StorageSizeMib != 51200 || large.VersionSlug != "8" || *large.StorageAutoscale.ThresholdPercent != 85 {
		t.Errorf("the other cluster became %+v, %v", large, err)
	}
	rules, _, err := shared.API.Databases.GetFirewallRules(t.Context(), ids["shop"])
	if err != nil || len(rules) != 3 {
		t.Errorf("rules became %+v, %v", rules, err)
	}
}

// repair has Terraform put right what somebody else has changed.
func repair(t *testing.T, f tofu, id string) {
	t.Helper()
	if _, err := shared.API.Databases.DeleteUser(t.Context(), id, "app"); err != nil {
		t.Fatal(err)
	}
	if _, err := shared.API.Databases.UpdateFirewallRules(t.Context(), id, &godo.DatabaseUpdateFirewallRulesRequest{Rules: []*godo.DatabaseFirewallRule{}}); err != nil {
		t.Fatal(err)
	}
	if plan := f.plan(changes); !strings.Contains(plan, "Plan: 1 to add, 1 to change, 0 to destroy.") {
		t.Errorf("the plan of the repair:\n%s", plan)
	}
	f.apply()
	f.plan(nothingToDo)
	f.ok("apply", "-auto-approve", "-no-color", "-input=false", "-replace=digitalocean_database_cluster.fork")
}

// adopt imports what is there into a state that knows of nothing.
func adopt(t *testing.T, f tofu, vars []string, ids map[string]string) {
	t.Helper()
	f.vars = vars
	for _, each := range [][2]string{
		{"digitalocean_database_cluster.shop", ids["shop"]},
		{"digitalocean_database_cluster.large", ids["large"]},
		{"digitalocean_database_cluster.fork", ids["fork"]},
		{"digitalocean_database_user.app", ids["shop"] + ",app"},
		{"digitalocean_database_db.orders", ids["shop"] + ",orders"},
		{"digitalocean_database_firewall.shop", ids["shop"]},
		{"digitalocean_database_mongodb_config.shop", ids["shop"]},
	} {
		f.ok("import", "-no-color", "-input=false", each[0], each[1])
	}
	// The provider does not import what it calls blocks of a cluster, such as its maintenance window, which it then sets anew.
	if plan := f.plan(changes); !strings.Contains(plan, "0 to add,") || !strings.Contains(plan, "0 to destroy.") {
		t.Errorf("the plan after the import:\n%s", plan)
	}
}
