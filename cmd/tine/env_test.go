package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestFlagsComeFromTheEnvironment(t *testing.T) {
	t.Setenv("TINE_API", newAPI(t).URL)
	t.Setenv("TINE_TOKEN", "secret")
	t.Setenv("TINE_OUTPUT", "json")
	var stdout, stderr strings.Builder
	root := newRootCommand()
	root.SetOut(&stdout)
	if code := run(t.Context(), root, []string{"cluster", "get", "shop"}, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	decode(t, stdout.String())
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	t.Setenv("TINE_OUTPUT", "json")
	got := tine(t, newAPI(t).URL, "cluster", "get", "shop", "-o", "table")
	if !strings.HasPrefix(got.stdout, "name ") {
		t.Errorf("exit code %d, output\n%s%s", got.code, got.stdout, got.stderr)
	}
}

func TestWrongVariableIsNamedWithoutItsValue(t *testing.T) {
	t.Setenv("TINE_TIMEOUT", "secret")
	got := tine(t, newAPI(t).URL, "cluster", "create", "copy")
	if got.code != exitUsage || !strings.Contains(got.stderr, "TINE_TIMEOUT stands for --timeout and must be how long, like 90s, 10m or 2h\n") || strings.Contains(got.stderr, "secret") {
		t.Errorf("exit code %d: %s", got.code, got.stderr)
	}
}

func TestEveryFlagOfEveryCommandNamesItsVariable(t *testing.T) {
	t.Parallel()
	var check func(*cobra.Command)
	check = func(cmd *cobra.Command) {
		cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if !isBuiltIn(cmd, f) && strings.Count(f.Usage, "["+variable(f.Name)+"]") != 1 {
				t.Errorf("%s --%s: %s", cmd.CommandPath(), f.Name, f.Usage)
			}
		})
		if cmd.PersistentPreRunE != nil && cmd.HasParent() {
			t.Errorf("%s has a PersistentPreRunE of its own: its flags are not read from the environment", cmd.CommandPath())
		}
		for _, child := range cmd.Commands() {
			check(child)
		}
	}
	check(newRootCommand())
}
