package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The programs that scripts/clients.sh installs; mongosh is one of node's.
const (
	node    = "node/node_modules/.bin/node"
	mongosh = "node/node_modules/.bin/mongosh"
	// python is Debian's own, which has PyMongo, whichever comes first in the PATH.
	python = "/usr/bin/python3"
)

// script is a program of another language with TINE_URI set.
func script(t *testing.T, uri, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	// mongosh keeps its settings at home.
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "TINE_URI="+uri, "HOME="+home, "PYTHONPATH=python")
	cmd.WaitDelay = time.Minute
	return cmd
}

// runScript runs a program to its end, and fails with what it printed if it fails.
func runScript(t *testing.T, uri, name string, args ...string) string {
	t.Helper()
	cmd := script(t, uri, name, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// suite runs each file that a pattern finds as a test, on a cluster of its own.
func suite(t *testing.T, pattern string, run func(t *testing.T, uri, file string)) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			run(t, newCluster(t, shared), file)
		})
	}
}

func needNodeModules(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("node/node_modules"); err != nil {
		t.Fatalf("the npm packages are missing, run scripts/clients.sh: %v", err)
	}
}

func TestNodeDriver(t *testing.T) {
	t.Parallel()
	needNodeModules(t)
	suite(t, "node/*.test.mjs", func(t *testing.T, uri, file string) {
		t.Helper()
		// One process: with --test the runner would start another for the file, which would outlive it if it is killed.
		runScript(t, uri, node, "--test-reporter=spec", file)
	})
}

func TestMongosh(t *testing.T) {
	t.Parallel()
	needNodeModules(t)
	suite(t, "mongosh/*.test.js", func(t *testing.T, uri, file string) {
		t.Helper()
		runScript(t, uri, node, mongosh, uri, "--quiet", "--file", "mongosh/assert.js", "--file", file)
	})
}

func TestPyMongo(t *testing.T) {
	t.Parallel()
	suite(t, "python/test_*.py", func(t *testing.T, uri, file string) {
		t.Helper()
		runScript(t, uri, python, "-B", "-W", "error", "-m", "unittest", "-v", file)
	})
}
