package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func newClusterExpireCommand(o *clientOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "expire CLUSTER LIFE",
		Short: "Change when a cluster is destroyed by itself",
		Long: `Change when a cluster is destroyed by itself: LIFE is how long from now, a time, or never. An event tells a day before; a cluster
whose clock was just set or started is destroyed some minutes later.`,
		Example: `  tine cluster expire shop-test 12h
  tine cluster expire shop-test never`,
		Args:              takes("CLUSTER", "LIFE"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"expires_at": nil}
			if args[1] != "never" {
				if at, err := time.Parse(time.RFC3339, args[1]); err == nil {
					body = map[string]any{"expires_at": at.UTC().Format(time.RFC3339)}
				} else {
					life, ok := parseSpan(args[1])
					if !ok {
						return &usageError{fmt.Sprintf("LIFE must be how long from now, in whole seconds, like 12h or 30d, a time like 2027-01-31T00:00:00Z, or never; got %q", args[1])}
					}
					body = map[string]any{"expires_in_seconds": int64(life.Seconds())}
				}
			}
			api, err := o.client()
			if err != nil {
				return err
			}
			c, err := api.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := api.call(cmd.Context(), http.MethodPut, clustersPath+"/"+url.PathEscape(c.ID)+"/expiry", body, &raw); err != nil {
				return err
			}
			if o.output == formatJSON {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			var answer struct {
				At *time.Time `json:"expires_at"`
			}
			if err := json.Unmarshal(raw, &answer); err != nil {
				return fmt.Errorf("decode answer: %w", err)
			}
			if answer.At == nil {
				note(cmd.ErrOrStderr(), "%s does not expire.", c.Name)
				return nil
			}
			note(cmd.ErrOrStderr(), "%s expires at %s.", c.Name, answer.At.UTC().Format(time.RFC3339))
			return nil
		},
	}
	return cmd
}

// parseLife reads how long a cluster lives, in seconds.
func parseLife(flag, text string) (int64, error) {
	life, ok := parseSpan(text)
	if !ok {
		return 0, &usageError{fmt.Sprintf("%s must be how long from now, in whole seconds, like 12h or 30d; got %q", flag, text)}
	}
	return int64(life.Seconds()), nil
}
