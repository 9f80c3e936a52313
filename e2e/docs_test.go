package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tine/e2e/harness"
)

// The program that docs/godo.md shows is the one that is run here.
func TestGodoAsItsPageShowsIt(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/godo.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("../demo/godo/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```go\n"+string(program)+"```\n") {
		t.Error("docs/godo.md does not show demo/godo/main.go as it is")
	}
	source := makeCluster(t, shared, harness.CreateRequest(newName("godo")))
	orders := connect(t, source).Database("shop").Collection("orders")
	insert(t, orders, 1)
	at := now()
	insert(t, orders, 2)
	for _, test := range []struct {
		at   []string
		want []int
	}{{nil, []int{1, 2}}, {[]string{at.UTC().Format(time.RFC3339Nano)}, []int{1}}} {
		name := newName("godo-fork")
		uri := runExample(t, append([]string{source.Name, name}, test.at...)...)
		client, err := harness.Connect(t.Context(), uri)
		if err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, client.Database("shop").Collection("orders"), test.want...)
		_ = client.Disconnect(t.Context())
		removeNamed(t, name)
	}
}

// runExample runs the program and returns what it printed, without the end of the line.
func runExample(t *testing.T, args ...string) string {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(shared.DataDir(), "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "../demo/godo"}, args...)...)
	cmd.Env = append(os.Environ(), "TINE_API="+shared.URL+"/", "TINE_TOKEN="+strings.TrimSpace(string(secret)))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("run the program of docs/godo.md: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// removeNamed destroys the cluster with that name.
func removeNamed(t *testing.T, name string) {
	t.Helper()
	list, _, err := shared.API.Databases.List(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].Name == name {
			if err := shared.Remove(context.WithoutCancel(t.Context()), list[i].ID); err != nil {
				t.Fatal(err)
			}
		}
	}
}
