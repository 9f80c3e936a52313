package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func newClusterResizeCommand(o *clientOptions) *cobra.Command {
	var size, storage string
	var wait waitOptions
	cmd := &cobra.Command{
		Use:   "resize CLUSTER",
		Short: "Give a cluster another plan or more storage",
		Long: `Give a cluster another plan or more storage. With another plan its node is started again: clients wait for about a second, and nothing is lost. Neither
shrinks; to have less, fork the cluster into a smaller plan.`,
		Example: `  tine cluster resize shop --size db-s-2vcpu-4gb --wait
  tine cluster resize shop --storage 80GiB`,
		Args:              takes("CLUSTER"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			if size == "" && storage == "" {
				return &usageError{"give --size, --storage or both"}
			}
			mib, err := parseStorage(storage)
			if err != nil {
				return err
			}
			api, c, err := o.findCluster(cmd, args[0])
			if err != nil {
				return err
			}
			if size == "" {
				size = c.SizeSlug
			}
			body := map[string]any{"size": size, "num_nodes": c.NumNodes}
			if mib != 0 {
				body["storage_size_mib"] = mib
			}
			if err := api.call(cmd.Context(), http.MethodPut, c.path("/resize"), body, nil); err != nil {
				return err
			}
			if !wait.enabled {
				note(cmd.ErrOrStderr(), "%s is being resized.", c.Name)
				return o.printChanged(cmd, api, c)
			}
			c, err = api.waitOnline(cmd.Context(), c, wait.atMost(), progressTo(cmd))
			if err != nil {
				return err
			}
			return o.printCluster(cmd.OutOrStdout(), c)
		},
	}
	cmd.Flags().StringVar(&size, "size", "", "`plan`; default: the present one")
	cmd.Flags().StringVar(&storage, "storage", "", "`size` of the storage, like 40GiB; default: the present one, or the plan's least if that is more")
	_ = cmd.RegisterFlagCompletionFunc("size", completeOption(o, engineOptions.sizes))
	wait.addFlags(cmd, "wait until the cluster is resized")
	return cmd
}
