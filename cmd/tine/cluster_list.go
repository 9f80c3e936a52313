package main

import (
	"github.com/spf13/cobra"
)

func newClusterListCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "list",
		Aliases:           []string{"ls"},
		Short:             "List the clusters",
		Args:              takes(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := o.client()
			if err != nil {
				return err
			}
			list, err := api.clusters(cmd.Context(), "")
			if err != nil {
				return err
			}
			if o.output == formatJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			if len(list) == 0 {
				note(cmd.ErrOrStderr(), "There is no cluster yet. Make one: tine cluster create NAME")
				return nil
			}
			rows := make([][]string, len(list))
			for i, c := range list {
				rows[i] = []string{c.Name, c.Status, c.SizeSlug, mebibytes(c.StorageSizeMib), c.RegionSlug, c.VersionSlug, moment(c.CreatedAt), c.ID}
			}
			return printTable(cmd.OutOrStdout(), []string{"NAME", "STATUS", "PLAN", "STORAGE", "REGION", "VERSION", "CREATED", "ID"}, rows)
		},
	}
}
