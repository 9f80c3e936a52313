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
	Send        *struct {
		Region         string `json:"region"`
		Bytes          *int64 `json:"bytes"`
		BytesPerSecond *int64 `json:"bytes_per_second"`
	} `json:"send"`
}

// fields are what is shown of it.
func (e *forkEstimate) fields() []field {
	const mib = 1 << 20
	list := []field{{"at", moment(e.At)}, {"replay", fmt.Sprintf("%.1f MiB", float64(e.ReplayBytes)/mib)}}
	duration := "about"
	if s := e.Send; s != nil {
		text := "all data, to " + s.Region
		if s.Bytes != nil {
			text = "about " + megabytes(*s.Bytes) + ", to " + s.Region
		}
		if s.BytesPerSecond != nil {
			text += ", at most " + megabytes(*s.BytesPerSecond) + " a second"
		}
		list, duration = append(list, field{"send", text}), "at least"
		if s.Bytes == nil || s.BytesPerSecond == nil {
			duration = "what the sending takes, and about"
		}
	}
	return append(list, field{"duration", fmt.Sprintf("%s %.1f s", duration, e.Seconds)})
}

func newClusterHistoryCommand(o *clientOptions) *cobra.Command {
	var at, region string
	var t transactionsFlags
	cmd := &cobra.Command{
		Use:   "history CLUSTER",
		Short: "Show the moments that a cluster can be forked at, and its restore points",
		Long: `Show the moments that a cluster can be forked at, and its restore points. With --at, show what a fork at that moment would take instead, with
--region in that region: where that has a disk of its own, the data are sent.

With --transactions, list the transactions around a moment instead, oldest first, with what they did to the schema: ` + "`tine cluster fork`" + ` can make
a fork right before or right after each of them.`,
		Example: `  tine cluster history shop
  tine cluster history shop --at 2h
  tine cluster history shop --at latest --region fra1
  tine cluster history shop --transactions --around 14:03:07 --schema`,
		Args:              takes("CLUSTER"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.check(cmd); err != nil {
				return err
			}
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
			query, err := estimateQuery(at, region)
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
	cmd.Flags().StringVar(&at, "at", "", "`moment` of a fork to estimate: "+momentForms+"; or latest")
	cmd.Flags().StringVar(&region, "region", "", "with --at: `region` of that fork (default: the cluster's)")
	_ = cmd.RegisterFlagCompletionFunc("region", completeOption(o, func(e engineOptions) []string { return e.Regions }))
	t.add(cmd)
	return cmd
}

// estimateQuery asks for an estimate at the moment that --at names, if it does.
func estimateQuery(at, region string) (string, error) {
	const latest = "latest"
	if at == "" && region != "" {
		return "", &usageError{"--region needs --at, the moment of the fork"}
	}
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
	query := url.Values{"at": {at}}
	if region != "" {
		query.Set("region", region)
	}
	return "?" + query.Encode(), nil
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
		return printFields(cmd.OutOrStdout(), e.fields())
	}
	note(cmd.ErrOrStderr(), "%s can be forked at any moment from %s to %s.", name, moment(h.Window.From), moment(h.Window.To))
	rows := make([][]string, len(h.RestorePoints))
	for i, p := range h.RestorePoints {
		rows[i] = []string{moment(p.CreatedAt), fmt.Sprintf("%.3f GB", p.SizeGigabytes)}
	}
	return printTable(cmd.OutOrStdout(), []string{"RESTORE POINT", "SIZE"}, rows)
}
