package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// suspensionRequest changes when a cluster is suspended.
type suspensionRequest struct {
	AfterMinutes *int64 `json:"after_minutes,omitempty"`
	Now          bool   `json:"now,omitempty"`
}

func newClusterSuspendCommand(o *clientOptions) *cobra.Command {
	var after string
	cmd := &cobra.Command{
		Use:   "suspend CLUSTER",
		Short: "Stop a cluster's node until somebody needs it, or say after how long without work that happens",
		Long: `Stop the node of a cluster that nobody uses. It stays online: the next command or log-in starts the node again, which takes a fraction of
a second. Open transactions and cursors, and commands that run, keep it from being suspended.

With --after the cluster is not suspended now, but whenever it has had no work for that long. What drivers send to watch a server is no work.`,
		Example: `  tine cluster suspend shop-test
  tine cluster suspend shop-test --after 10m
  tine cluster suspend shop --after never`,
		Args:              takes("CLUSTER"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := suspensionRequest{Now: true}
			if cmd.Flags().Changed("after") {
				minutes, err := parseSuspendAfter("--after", after)
				if err != nil {
					return err
				}
				request = suspensionRequest{AfterMinutes: minutes}
			}
			api, err := o.client()
			if err != nil {
				return err
			}
			c, err := api.find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := api.call(cmd.Context(), http.MethodPut, clustersPath+"/"+url.PathEscape(c.ID)+"/suspension", request, nil); err != nil {
				return err
			}
			switch {
			case request.Now:
				note(cmd.ErrOrStderr(), "%s is suspended as soon as nobody uses it.", c.Name)
			case *request.AfterMinutes == 0:
				note(cmd.ErrOrStderr(), "%s is not suspended by itself.", c.Name)
			default:
				note(cmd.ErrOrStderr(), "%s is suspended after %s without work.", c.Name, inMinutes(*request.AfterMinutes))
			}
			return o.printChanged(cmd, api, c)
		},
	}
	cmd.Flags().StringVar(&after, "after", "", "`time` without work after which the cluster is suspended, like 10m or 2h; never: not by itself")
	return cmd
}

// parseSuspendAfter reads a time in whole minutes, or never.
func parseSuspendAfter(flag, text string) (*int64, error) {
	var minutes int64
	if strings.EqualFold(text, "never") {
		return &minutes, nil
	}
	d, ok := parseAgo(text)
	if !ok || d%time.Minute != 0 {
		return nil, &usageError{fmt.Sprintf("%s must be a time without work in whole minutes, like 10m or 2h, or never; got %q", flag, text)}
	}
	minutes = int64(d / time.Minute)
	return &minutes, nil
}

func inMinutes(n int64) string {
	if n == 1 {
		return "1 minute"
	}
	return strconv.FormatInt(n, 10) + " minutes"
}

// suspension says when a cluster is suspended, and whether it is.
func (c cluster) suspension() string {
	after := "never by itself"
	if c.SuspendAfterMinutes > 0 {
		after = "after " + inMinutes(c.SuspendAfterMinutes) + " without work"
	}
	if c.Suspended {
		return "yes; the next command or log-in wakes it (" + after + ")"
	}
	return after
}
