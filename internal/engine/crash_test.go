package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A node of which one process has crashed exits as a whole, so that its host starts it anew.
func TestNodeExitsWhenOneOfItsProcessesCrashes(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	root := installedRoot(t)
	golden, err := root.BuildGolden(t.Context(), place.pool, place.runtime, filepath.Join(place.dir, "work"))
	noError(t, err)
	n := place.startNode(t, root, golden, "crashing")
	status, err := place.runtime.Status(t.Context(), n.ID())
	noError(t, err)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", status.PID, status.PID))
	noError(t, err)
	child, err := strconv.Atoi(strings.Fields(string(children))[0])
	noError(t, err)
	noError(t, syscall.Kill(child, syscall.SIGKILL))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := n.WaitExit(ctx); err != nil {
		t.Fatalf("the node has not exited: %v", err)
	}
}
