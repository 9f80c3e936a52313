package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

const rootHelp = `Tine runs MongoDB-compatible clusters on your own machines and forks them: any cluster, any size, at any
moment of its history, in a fraction of a second.

Every flag can be given by the environment instead: --gateway-host is TINE_GATEWAY_HOST, and so on. A flag on the
command line wins.

Exit codes:
  0    it is done
  1    it failed
  2    the command line is wrong
  3    there is no such cluster, transaction, user or token
  4    the API refused it: the request cannot be carried out as it is
  5    there is no token, or it does not allow this
  6    the API could not be reached
  7    --wait took longer than --timeout
  130  interrupted`

// newRootCommand returns the whole command line.
func newRootCommand() *cobra.Command {
	root := group(&cobra.Command{
		Use:           "tine",
		Short:         "Run MongoDB-compatible clusters and fork them in a fraction of a second",
		Long:          rootHelp,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return bindEnvironment(cmd)
		},
	}, newUpCommand(), newEngineCommand(), newClusterCommand(), newTokenCommand(), newAuditCommand(), newBillingCommand(), newBenchCommand())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.SetVersionTemplate("tine {{.Version}}\n")
	documentEnvironment(root)
	return root
}

// group makes cmd the parent of commands. On its own it shows its help; an unknown word is an error, not the help of its parent.
func group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		message := fmt.Sprintf("there is no command %q", cmd.CommandPath()+" "+args[0])
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			message += "; is it " + strings.Join(near, " or ") + "?"
		}
		return &usageError{message}
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(commands...)
	return cmd
}

// takes says which arguments a command needs, in the words of its usage line.
func takes(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			missing, verb := names[len(args):], " is missing"
			if len(missing) > 1 {
				verb = " are missing"
			}
			return &usageError{strings.Join(missing, " and ") + verb}
		case len(args) > len(names):
			return &usageError{fmt.Sprintf("%q is too much: there is no argument after %s", args[len(names)], lastOf(names))}
		default:
			return nil
		}
	}
}

func lastOf(names []string) string {
	if len(names) == 0 {
		return "the command"
	}
	return names[len(names)-1]
}

// version is what the Go toolchain recorded: a tag, or the commit and its time.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return info.Main.Version
}
