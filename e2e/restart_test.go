package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"tine/e2e/harness"
)

// After --stop-nodes everything is down and unmounted; the next start brings it back, with its history.
func TestClustersComeBackAfterEverythingWasStopped(t *testing.T) {
	t.Parallel()
	tine := own(t)
	cluster := makeCluster(t, tine, harness.CreateRequest(newName("prod")))
	c := connect(t, cluster).Database("d").Collection("c")
	insert(t, c, 1)
	before := now()
	insert(t, c, 2)
	restart(t, tine, "TINE_STOP_NODES=true")
	if err := tine.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	// To a host of another name the clusters would be nobody's.
	for _, start := range []struct{ settings, want string }{{"host: other\n", `holds clusters of the host "local"`}, {"", ""}} {
		if err := tine.Configure(start.settings); err != nil {
			t.Fatal(err)
		}
		if err := tine.Start(t.Context()); (err != nil) != (start.want != "") || err != nil && !strings.Contains(err.Error(), start.want) {
			t.Fatalf("with %q: %v, want %q", start.settings, err, start.want)
		}
	}
	insert(t, c, 3)
	wantNumbers(t, c, 1, 2, 3)
	fork := makeCluster(t, tine, harness.ForkRequest(cluster.Name, newName("fork"), before))
	wantNumbers(t, connect(t, fork).Database("d").Collection("c"), 1)
}

// kill -9 of tine up, of its own database and of every node at once, as when the machine is reset.
func TestClustersComeBackAfterEverythingWasKilled(t *testing.T) {
	t.Parallel()
	tine := own(t)
	cluster := makeCluster(t, tine, harness.CreateRequest(newName("prod")))
	c := connect(t, cluster).Database("d").Collection("c")
	insert(t, c, 1)
	before := now()
	insert(t, c, 2)
	if err := tine.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	killContainers(t, tine)
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	insert(t, c, 3)
	wantNumbers(t, c, 1, 2, 3)
	wantClusters(t, tine, 1)
	fork := makeCluster(t, tine, harness.ForkRequest(cluster.Name, newName("fork"), before))
	wantNumbers(t, connect(t, fork).Database("d").Collection("c"), 1)
}

// killContainers kills the first process of every container, the control plane's included.
func killContainers(t *testing.T, tine *harness.Tine) {
	t.Helper()
	pids, err := filepath.Glob(filepath.Join(tine.DataDir(), "sandbox", "containers", "*", "pid"))
	if err != nil || len(pids) != 2 {
		t.Fatalf("%d containers run, want a node and the control plane's: %v", len(pids), err)
	}
	for _, file := range pids {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
}
