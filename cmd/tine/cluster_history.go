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
	Estimate *forkEstimate `json:"estimate"`
}

// forkEstimate is what the API expects of a fork.
type forkEstimate struct {
	At          time.Time `json:"at"`
	ReplayBytes int64     `json:"replay_bytes"`
	Seconds     float64   `json:"seconds"`
}

func newClusterHistoryCommand(o *clientOptions) *cobra.Command {
	var at string
	var t transactionsFlags
	cmd := &cobra.Command{
		Use:   "history CLUSTER",
		Short: "Show the moments that a cluster can be forked at, and its restore points",
		Long: `Show the moments that a cluster can be forked at, and its restore points. With --at, show what a fork at that moment would take instead.

With --transactions, list the transactions around a moment instead, oldest first, with what they did to the schema: ` + "`tine cluster fork`" + ` can make
a fork right before or right after each of them.`,
		Example: `  tine cluster history shop
  tine cluster history shop --at 2h
  tine cluster history shop --at latest
  tine cluster history shop --transactions --around 14:03:07 --schema`,
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
			if t.wanted {
				return o.listTransactions(cmd, api, c, t)
			}
			query, err := estimateQuery(at)
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := api.call(cmd.Context(), http.MethodGet, clustersPath+"/"+url.PathEscape(c.ID)+"/history"+query, nil, &raw); err != nil {
				return err
			}
			if o.output == formatJSON {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			return printHistory(cmd, c.Name, raw)
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "`moment` of a fork to estimate: RFC 3339 with any fraction, how long ago, like 90s or 2h, or latest")
	t.add(cmd)
	return cmd
}

// estimateQuery asks for an estimate at the moment that --at names, if it does.
func estimateQuery(at string) (string, error) {
	const latest = "latest"
	if at == "" {
		return "", nil
	}
	if at != latest {
		moment, err := parseMoment(at, time.Now())
		if err != nil {
			return "", err
		}
		at = formatMoment(moment)
	}
	return "?" + url.Values{"at": {at}}.Encode(), nil
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
	if e := h.Estimate; e != nil {
		const mib = 1 << 20
		return printFields(cmd.OutOrStdout(), []field{
			{"at", moment(e.At)},
			{"replay", fmt.Sprintf("%.1f MiB", float64(e.ReplayBytes)/mib)},
			{"duration", fmt.Sprintf("about %.1f s", e.Seconds)},
		})
	}
	note(cmd.ErrOrStderr(), "%s can be forked at any moment from %s to %s.", name, moment(h.Window.From), moment(h.Window.To))
	rows := make([][]string, len(h.RestorePoints))
	for i, p := range h.RestorePoints {
		rows[i] = []string{moment(p.CreatedAt), fmt.Sprintf("%.3f GB", p.SizeGigabytes)}
	}
	return printTable(cmd.OutOrStdout(), []string{"RESTORE POINT", "SIZE"}, rows)
}
