package main

import (
	"io"
	"slices"

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
			return printClusters(cmd.OutOrStdout(), list)
		},
	}
}

// printClusters prints a table. It has a column for when clusters expire if any does.
func printClusters(w io.Writer, list []cluster) error {
	header := []string{"NAME", "STATUS", "PLAN", "STORAGE", "OWN+SHARED", "REGION", "VERSION", "CREATED"}
	expire := slices.ContainsFunc(list, func(c cluster) bool { return c.ExpiresAt != nil })
	if expire {
		header = append(header, "EXPIRES")
	}
	rows := make([][]string, len(list))
	for i, c := range list {
		rows[i] = []string{c.Name, c.state(), c.SizeSlug, mebibytes(c.StorageSizeMib), ownAndShared(c), c.RegionSlug, c.VersionSlug, moment(c.CreatedAt)}
		if expire {
			rows[i] = append(rows[i], c.expiry())
		}
		rows[i] = append(rows[i], c.ID)
	}
	return printTable(w, append(header, "ID"), rows)
}

// state is a cluster's status, and whether it sleeps.
func (c cluster) state() string {
	if c.Suspended {
		return c.Status + ", suspended"
	}
	return c.Status
}

// ownAndShared is what a cluster occupies on the disk, empty before it was measured.
func ownAndShared(c cluster) string {
	if c.ExclusiveBytes == nil || c.SharedBytes == nil {
		return ""
	}
	return megabytes(*c.ExclusiveBytes) + " + " + megabytes(*c.SharedBytes)
}
