// Command tine runs Tine and speaks to it: `tine up` is the whole service on one machine, everything else is a client of its API.
//
// Each command has a file of its own, named for its words. Commands hold no rules: they read flags, call the API and print the
// answer. What people read goes to stdout as text, or with -o json as the API's own objects; what only accompanies it (progress,
// warnings, questions) goes to stderr, so that stdout can always be piped.
//
// Every flag can be given by the environment, as TINE_ and its name; see bindEnvironment. Every way to fail has an exit code;
// see exitCode. A command must not set its own PersistentPreRunE: cobra would run it instead of the root's, and flags would no
// longer be read from the environment.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal ends the process at once, should the first not do it.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, newRootCommand(), os.Args[1:], os.Stderr))
}

// run executes one command line and returns the process's exit code.
func run(ctx context.Context, root *cobra.Command, args []string, stderr io.Writer) int {
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	_, _ = fmt.Fprintf(stderr, "tine: %s\n", sentence(err))
	code := exitCode(err)
	if code == exitUsage {
		_, _ = fmt.Fprintf(stderr, "Run `%s --help` for how it is used.\n", cmd.CommandPath())
	}
	return code
}
