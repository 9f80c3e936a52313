package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// auditRecord is a change that somebody asked for.
type auditRecord struct {
	At        time.Time `json:"at"`
	TokenName string    `json:"token_name"`
	Remote    string    `json:"remote"`
	Action    string    `json:"action"`
	Path      string    `json:"path"`
	Outcome   *struct {
		Status  int    `json:"status"`
		Message string `json:"message"`
	} `json:"outcome"`
}

func newAuditCommand() *cobra.Command {
	var cluster string
	most := quantity(50)
	const limit = 200 // the API's
	cmd := &cobra.Command{
		Use:               "audit",
		Short:             "Show who changed what, when and from where, the newest first",
		Example:           "  tine audit --cluster shop",
		Args:              takes(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o := addClientFlags(cmd)
	cmd.Flags().StringVar(&cluster, "cluster", "", "only what concerns this `cluster`, by its name or id; of one that is gone by its id")
	cmd.Flags().Var(&most, "most", "how many changes to show, up to 200")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if most > limit {
			return &usageError{fmt.Sprintf("--most must be a whole number from 1 to %d; got %d", limit, most)}
		}
		api, err := o.client()
		if err != nil {
			return err
		}
		query := url.Values{"per_page": {most.String()}}
		if cluster != "" {
			c, err := api.find(cmd.Context(), cluster)
			switch {
			case err == nil:
				query.Set("cluster_id", c.ID)
			case uuid.Validate(cluster) == nil && exitCode(err) == exitNotFound: // it is gone
				query.Set("cluster_id", cluster)
			default:
				return err
			}
		}
		var root struct {
			Audit json.RawMessage `json:"audit"`
		}
		if err := api.call(cmd.Context(), http.MethodGet, "/v2/audit?"+query.Encode(), nil, &root); err != nil {
			return err
		}
		if o.output == formatJSON {
			return printJSON(cmd.OutOrStdout(), root.Audit)
		}
		return printAudit(cmd, root.Audit)
	}
	return cmd
}

func printAudit(cmd *cobra.Command, raw json.RawMessage) error {
	var records []auditRecord
	if err := json.Unmarshal(raw, &records); err != nil {
		return fmt.Errorf("decode audit log: %w", err)
	}
	rows := make([][]string, len(records))
	for i, r := range records {
		outcome := "interrupted"
		if r.Outcome != nil {
			outcome = fmt.Sprintf("%d %s", r.Outcome.Status, r.Outcome.Message)
		}
		rows[i] = []string{moment(r.At), r.TokenName, r.Remote, r.Action, r.Path, outcome}
	}
	return printTable(cmd.OutOrStdout(), []string{"WHEN", "TOKEN", "FROM", "ACTION", "PATH", "OUTCOME"}, rows)
}
