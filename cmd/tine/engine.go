package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tine/internal/engine"
)

const defaultEngineDir = "/var/lib/tine/engine"

func newEngineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "engine",
		Short: "Install the engine: PostgreSQL with DocumentDB in a private root file system",
	}
	cmd.AddCommand(newEngineInstallCommand())
	return cmd
}

func newEngineInstallCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install the engine, or do nothing if it is installed",
		Long: `Install the engine: PostgreSQL 18 with the DocumentDB extension, from Debian's packages, in a root file
system of its own. Nothing is installed on the host itself. It takes about a minute, once; an
installation that is interrupted leaves nothing that looks installed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.ErrOrStderr()
			return engine.Install(cmd.Context(), dir, func(line string) { _, _ = fmt.Fprintln(out, line) })
		},
	}
	cmd.Flags().StringVar(&dir, "engine-dir", defaultEngineDir, "where the engine is installed")
	return cmd
}
