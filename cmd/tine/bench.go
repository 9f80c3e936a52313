package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tine/bench"
)

func newBenchCommand() *cobra.Command {
	opts := bench.DefaultOptions()
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure Tine on this machine, next to what people do today",
		Long: `Measure Tine on this machine, next to what people do today, and print tables in Markdown.

It runs a Tine of its own and removes it at the end; one that runs already is left alone, though it shares
the machine. By default it measures everything, also with a source of 10 GB of tables and copies of it, which takes an hour or
more and up to 72 GB of disk; --only measures parts.`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			binary, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find own binary: %w", err)
			}
			opts.Binary, opts.Version, opts.Progress = binary, version(), cmd.ErrOrStderr()
			return bench.Run(cmd.Context(), opts, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.EngineDir, "engine-dir", defaultEngineDir, "where the engine is installed")
	f.StringVar(&opts.Dir, "dir", opts.Dir, "where the data is written that it measures with")
	f.IntVar(&opts.Runs, "runs", opts.Runs, "how often each fork is measured")
	f.IntVar(&opts.PeerRuns, "peer-runs", opts.PeerRuns, "how often each of today's ways is measured")
	f.IntVar(&opts.SmallMB, "small-mb", opts.SmallMB, "size of the small source, in MB of documents")
	f.IntVar(&opts.LargeMB, "large-mb", opts.LargeMB, "size of the large source, in MB of documents")
	f.DurationVar(&opts.History, "history", opts.History, "how long a history is written for forks at a moment")
	f.IntVar(&opts.Rounds, "rounds", opts.Rounds, "how often the gateway and its peers have their turns")
	f.DurationVar(&opts.Round, "round", opts.Round, "how long a turn is")
	f.IntVar(&opts.ReplayMiB, "replay-mib", opts.ReplayMiB, "WAL after which the next restore point is taken, in MiB; 0: Tine's default")
	f.IntVar(&opts.Points, "points", opts.Points, "how many restore points the source has that has many")
	f.IntVar(&opts.Density, "density", opts.Density, "how many forks are made and mostly suspended")
	f.IntVar(&opts.DensityMB, "density-mb", opts.DensityMB, "size of their source, in MB of documents")
	f.IntVar(&opts.TransferMB, "transfer-mb", opts.TransferMB, "size of the source that is sent into another region, in MB of documents")
	f.StringVar(&opts.OtherPool, "other-pool", "", "`mount` of a btrfs on another disk to send it to, without clusters of yours; without it a pool beside the first one")
	f.StringSliceVar(&opts.Only, "only", nil, "parts to measure, of "+strings.Join(bench.SectionNames(), ", "))
	return cmd
}
