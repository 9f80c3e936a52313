package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func newClusterMigrateCommand(o *clientOptions) *cobra.Command {
	var region string
	var wait waitOptions
	cmd := &cobra.Command{
		Use:   "migrate CLUSTER --region REGION",
		Short: "Move a cluster to another region, with its whole history",
		Long: `Move a cluster to another region, with its whole history. Name, id, endpoint, users and settings stay. If the region's clusters are on another disk, the cluster
is sent there while it is in use; at the end its node is stopped for a moment, in which clients wait. With --wait it is shown how much is sent and how long the rest takes.`,
		Example:           `  tine cluster migrate shop --region fra1 --wait --timeout 2h`,
		Args:              takes("CLUSTER"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			if region == "" {
				return &usageError{"give --region"}
			}
			api, c, err := o.findCluster(cmd, args[0])
			if err != nil {
				return err
			}
			if err := api.call(cmd.Context(), http.MethodPut, c.path("/migrate"), map[string]any{"region": region}, nil); err != nil {
				return err
			}
			if !wait.enabled {
				note(cmd.ErrOrStderr(), "%s is being migrated to %s.", c.Name, region)
				return o.printChanged(cmd, api, c)
			}
			c, err = api.waitOnline(cmd.Context(), c, wait.atMost(), progressTo(cmd))
			if err != nil {
				return err
			}
			if c.RegionSlug != region {
				return fmt.Errorf("%s was not migrated: %s", c.Name, api.failure(cmd.Context(), c))
			}
			return o.printCluster(cmd.OutOrStdout(), c)
		},
	}
	cmd.Flags().StringVar(&region, "region", "", "`slug` of the region")
	_ = cmd.RegisterFlagCompletionFunc("region", completeOption(o, func(e engineOptions) []string { return e.Regions }))
	wait.addFlags(cmd, "wait until the cluster is migrated, and show how far it is")
	return cmd
}

// transfer is how far a cluster is that is sent to another region.
type transfer struct {
	SentBytes      int64  `json:"sent_bytes"`
	TotalBytes     int64  `json:"total_bytes"`
	BytesPerSecond int64  `json:"bytes_per_second"`
	SecondsLeft    *int64 `json:"seconds_left"`
}

// String says how far it is, in a line.
func (t *transfer) String() string {
	if t == nil {
		return ""
	}
	text := megabytes(t.SentBytes)
	if t.TotalBytes > 0 {
		text += " of " + megabytes(t.TotalBytes)
	}
	text += " sent"
	if t.BytesPerSecond > 0 {
		text += ", " + megabytes(t.BytesPerSecond) + " a second"
	}
	if t.SecondsLeft != nil {
		text += fmt.Sprintf(", %s left", time.Duration(*t.SecondsLeft)*time.Second)
	}
	return text
}

// progressTo shows how far a cluster is that is sent to another region, when there is something new.
func progressTo(cmd *cobra.Command) func(cluster) {
	shown := ""
	return func(c cluster) {
		if text := c.Transfer.String(); text != "" && text != shown {
			shown = text
			note(cmd.ErrOrStderr(), "%s: %s", c.Name, text)
		}
	}
}
