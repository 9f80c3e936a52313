package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// clusterHistory is what the API says of a cluster's history.
type clusterHistory struct {
	Window *struct {
		From time.Time `json:"from"`
		To   time.Time `json:"to"`
	} `json:"window"`
	RestorePoints []struct {
		CreatedAt     time.Time `json:"created_at"`
		SizeGigabytes float64   `json:"size_gigabytes"`
	} `json:"restore_points"`
}

func newClusterHistoryCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "history CLUSTER",
		Short:             "Show the moments that a cluster can be forked at, and its restore points",
		Args:              takes("CLUSTER"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := o.client()
			if err != nil {
				return err
			}
			c, err := api.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := api.call(cmd.Context(), http.MethodGet, clustersPath+"/"+url.PathEscape(c.ID)+"/history", nil, &raw); err != nil {
				return err
			}
			if o.output == formatJSON {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			return printHistory(cmd, c.Name, raw)
		},
	}
}

func printHistory(cmd *cobra.Command, name string, raw json.RawMessage) error {
	var h clusterHistory
	if err := json.Unmarshal(raw, &h); err != nil {
		return fmt.Errorf("decode history: %w", err)
	}
	if h.Window == nil {
		note(cmd.ErrOrStderr(), "%s has no history yet: its first restore point is taken when it comes online.", name)
		return nil
	}
	note(cmd.ErrOrStderr(), "%s can be forked at any moment from %s to %s.", name, moment(h.Window.From), moment(h.Window.To))
	rows := make([][]string, len(h.RestorePoints))
	for i, p := range h.RestorePoints {
		rows[i] = []string{moment(p.CreatedAt), fmt.Sprintf("%.3f GB", p.SizeGigabytes)}
	}
	return printTable(cmd.OutOrStdout(), []string{"RESTORE POINT", "SIZE"}, rows)
}
