package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// variable is the environment's name of a flag.
func variable(flag string) string {
	return "TINE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// bindEnvironment sets the flags of cmd that are not on its command line from the environment. They count as given from then on: a
// configuration file does not override them. An empty variable is as good as none.
func bindEnvironment(cmd *cobra.Command) error {
	var err error
	flags := cmd.Flags()
	flags.VisitAll(func(f *pflag.Flag) {
		value := os.Getenv(variable(f.Name))
		if err != nil || f.Changed || value == "" || isBuiltIn(cmd, f) {
			return
		}
		if flags.Set(f.Name, value) != nil {
			// The value may be a secret, and pflag's error repeats it.
			err = &usageError{fmt.Sprintf("%s stands for --%s and must be %s", variable(f.Name), f.Name, wanted(f.Value.Type()))}
		}
	})
	return err
}

// documentEnvironment adds to the help of every flag which variable it has.
func documentEnvironment(cmd *cobra.Command) {
	add := func(f *pflag.Flag) {
		if !isBuiltIn(cmd, f) {
			f.Usage += " [" + variable(f.Name) + "]"
		}
	}
	cmd.Flags().VisitAll(add)
	cmd.PersistentFlags().VisitAll(add)
	for _, child := range cmd.Commands() {
		documentEnvironment(child)
	}
}

// isBuiltIn is true for cobra's own flags: --help everywhere, and the root's --version.
func isBuiltIn(cmd *cobra.Command, f *pflag.Flag) bool {
	return f.Name == "help" || f.Name == "version" && !cmd.HasParent()
}
