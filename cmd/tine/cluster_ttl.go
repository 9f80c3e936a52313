package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func newClusterTTLCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "ttl CLUSTER on|off",
		Short: "Say whether TTL indexes delete what has expired",
		Long: `Say whether TTL indexes delete what has expired. In a fork of the past, and in a cluster that was restored in place, they delete nothing until this turns
them on: what the fork was made to look at would be gone within a minute.`,
		Example: `  tine cluster ttl shop-before on`,
		Args:    takes("CLUSTER", "on|off"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return []cobra.Completion{"on", "off"}, cobra.ShellCompDirectiveNoFileComp
			}
			return completeCluster(o)(cmd, args, prefix)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] != "on" && args[1] != "off" {
				return &usageError{"the last argument must be on or off; got " + args[1]}
			}
			api, err := o.client()
			if err != nil {
				return err
			}
			c, err := api.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			body := map[string]bool{"enabled": args[1] == "on"}
			if err := api.call(cmd.Context(), http.MethodPut, clustersPath+"/"+url.PathEscape(c.ID)+"/ttl", body, nil); err != nil {
				return err
			}
			note(cmd.ErrOrStderr(), "TTL indexes of %s are %s.", c.Name, args[1])
			return o.printChanged(cmd, api, c)
		},
	}
}
