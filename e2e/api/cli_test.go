package api

import (
	"os/exec"
	"strings"
	"testing"

	"tine/e2e/harness"
)

// tine runs the command line against the shared Tine; it must succeed.
func tine(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shared.Binary, args...)
	cmd.Env = append(cmd.Environ(), "TINE_API="+shared.URL, "TINE_DATA_DIR="+shared.DataDir())
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("tine %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String()
}

// Whoever has no other client gives a cluster a larger plan, users and trusted sources, and all of it is so.
func TestOperatorChangesAClusterFromTheCommandLine(t *testing.T) {
	t.Parallel()
	cluster := makeCluster(t, shared, "cli")
	name := cluster.Name
	tine(t, "cluster", "resize", name, "--size", "db-s-1vcpu-2gb", "--storage", "40GiB", "--wait")
	changed, _, err := shared.API.Databases.Get(t.Context(), cluster.ID)
	if err != nil || changed.SizeSlug != "db-s-1vcpu-2gb" || changed.StorageSizeMib != 40960 || changed.Status != "online" {
		t.Errorf("resized to %+v, %v", changed, err)
	}
	password := strings.TrimSpace(tine(t, "cluster", "users", "create", name, "app", "--role", "readOnly", "--db", "shop"))
	login := func(password string) error {
		uri := strings.Replace(cluster.Connection.URI, "doadmin:"+cluster.Connection.Password, "app:"+password, 1)
		client, err := harness.Connect(t.Context(), uri)
		if err == nil {
			err = client.Disconnect(t.Context())
		}
		return err
	}
	if err := login(password); err != nil {
		t.Errorf("the user cannot log in: %v", err)
	}
	again := strings.TrimSpace(tine(t, "cluster", "users", "reset", name, "app"))
	if err := login(again); err != nil || again == password {
		t.Errorf("with the new password: %v", err)
	}
	if list := tine(t, "cluster", "users", "list", name); !strings.Contains(list, "app       readOnly   shop") {
		t.Errorf("users\n%s", list)
	}
	tine(t, "cluster", "users", "delete", name, "app")
	tine(t, "cluster", "sources", "add", name, "192.0.2.0/24", "--description", "office")
	tine(t, "cluster", "sources", "add", name, "127.0.0.1")
	rules, _, err := shared.API.Databases.GetFirewallRules(t.Context(), cluster.ID)
	if err != nil || len(rules) != 2 || rules[0].Value != "192.0.2.0/24" || rules[1].Value != "127.0.0.1" {
		t.Errorf("trusted sources %+v, %v", rules, err)
	}
	tine(t, "cluster", "sources", "remove", name, "192.0.2.0/24")
	if list := tine(t, "cluster", "sources", "list", name); strings.Contains(list, "192.0.2.0") || !strings.Contains(list, "127.0.0.1") {
		t.Errorf("trusted sources\n%s", list)
	}
	if out := tine(t, "cluster", "history", name, "--at", "latest"); !strings.Contains(out, "replay") {
		t.Errorf("estimate\n%s", out)
	}
}
