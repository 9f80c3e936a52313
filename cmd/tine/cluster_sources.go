package main

import (
	"context"
	"net/http"
	"slices"

	"github.com/spf13/cobra"
)

// trustedSource is who may connect to a cluster. All of the API's fields are sent back as they came.
type trustedSource map[string]any

func (s trustedSource) text(field string) string {
	text, _ := s[field].(string)
	return text
}

func newClusterSourcesCommand(o *clientOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sources",
		Short: "List, add and remove the trusted sources of a cluster: the addresses that may connect",
		Long: `List, add and remove the trusted sources of a cluster: the addresses, and blocks of them, that may connect. Without any, every address may. Connections that are no
longer trusted are closed.`,
	}
	return group(cmd, newSourcesListCommand(o), newSourcesAddCommand(o), newSourcesRemoveCommand(o))
}

func newSourcesListCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "list CLUSTER",
		Aliases:           []string{"ls"},
		Short:             "List the trusted sources of a cluster",
		Args:              takes("CLUSTER"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, c, err := o.findCluster(cmd, args[0])
			if err != nil {
				return err
			}
			list, err := api.sources(cmd.Context(), c)
			if err != nil {
				return err
			}
			if o.output == formatJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			if len(list) == 0 {
				note(cmd.ErrOrStderr(), "%s has no trusted sources: every address may connect.", c.Name)
				return nil
			}
			rows := make([][]string, len(list))
			for i, s := range list {
				rows[i] = []string{s.text("value"), s.text("type"), s.text("description"), s.text("created_at")}
			}
			return printTable(cmd.OutOrStdout(), []string{"SOURCE", "TYPE", "DESCRIPTION", "CREATED"}, rows)
		},
	}
}

func newSourcesAddCommand(o *clientOptions) *cobra.Command {
	var description string
	cmd := &cobra.Command{
		Use:               "add CLUSTER ADDRESS",
		Short:             "Trust an address, or a block like 192.0.2.0/24",
		Args:              takes("CLUSTER", "ADDRESS"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.changeSources(cmd, args[0], func(list []trustedSource) ([]trustedSource, error) {
				added := trustedSource{"type": "ip_addr", "value": args[1]}
				if description != "" {
					added["description"] = description
				}
				return append(list, added), nil
			})
		},
	}
	cmd.Flags().StringVar(&description, "description", "", "what it is, for people")
	return cmd
}

func newSourcesRemoveCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "remove CLUSTER SOURCE",
		Aliases:           []string{"rm"},
		Short:             "No longer trust a source",
		Args:              takes("CLUSTER", "SOURCE"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.changeSources(cmd, args[0], func(list []trustedSource) ([]trustedSource, error) {
				rest := slices.DeleteFunc(slices.Clone(list), func(s trustedSource) bool { return s.text("value") == args[1] })
				if len(rest) == len(list) {
					return nil, &notFoundError{"trusted source", args[1]}
				}
				return rest, nil
			})
		},
	}
}

// changeSources replaces a cluster's trusted sources by what change makes of them. What somebody else changes at the same time is overwritten: the API has no
// other way.
func (o *clientOptions) changeSources(cmd *cobra.Command, nameOrID string, change func([]trustedSource) ([]trustedSource, error)) error {
	api, c, err := o.findCluster(cmd, nameOrID)
	if err != nil {
		return err
	}
	list, err := api.sources(cmd.Context(), c)
	if err != nil {
		return err
	}
	if list, err = change(list); err != nil {
		return err
	}
	if err := api.call(cmd.Context(), http.MethodPut, c.path("/firewall"), map[string]any{"rules": list}, nil); err != nil {
		return err
	}
	if len(list) == 0 {
		note(cmd.ErrOrStderr(), "%s has no trusted sources any more: every address may connect.", c.Name)
		return nil
	}
	note(cmd.ErrOrStderr(), "The trusted sources of %s are changed; it has %d.", c.Name, len(list))
	return nil
}

func (c *client) sources(ctx context.Context, of cluster) ([]trustedSource, error) {
	root := struct {
		Rules []trustedSource `json:"rules"`
	}{Rules: []trustedSource{}}
	err := c.call(ctx, http.MethodGet, of.path("/firewall"), nil, &root)
	return root.Rules, err
}
