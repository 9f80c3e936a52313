package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newClusterRestoreCommand(o *clientOptions) *cobra.Command {
	var p inPlace
	cmd := &cobra.Command{
		Use:   "restore CLUSTER --at TIME",
		Short: "Bring a cluster back to a moment or a transaction of its history, in place",
		Long: `Bring a cluster back to a moment of its history. It keeps its name, id, endpoint, plan, settings and users with their passwords; the state before is kept
as a cluster of its own, CLUSTER-before-restore-TIME, which expires after 7 days unless --keep says something else. Connections are cut and
come back. ` + "`tine cluster history CLUSTER`" + ` shows how far back it can be, and with --transactions what can be told to --before and --after.`,
		Example: `  tine cluster restore shop --at 2026-08-01T18:42:26.999Z --wait
  tine cluster restore shop --before 0/3A2F198 --wait
  tine cluster restore shop --at 90s --keep 30d`,
		Args:              takes("CLUSTER"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags := cmd.Flags(); !flags.Changed("at") && !flags.Changed("before") && !flags.Changed("after") {
				return &usageError{"--at is missing: the moment to go back to; or --before or --after, a transaction"}
			}
			return p.run(cmd, o, "restore", args[0])
		},
	}
	p.addFlags(cmd, "`moment` to go back to: "+momentForms)
	return cmd
}

func newClusterResetCommand(o *clientOptions) *cobra.Command {
	var p inPlace
	cmd := &cobra.Command{
		Use:   "reset FORK",
		Short: "Give a fork the state of its source again, in place",
		Long: `Give a fork the latest state of its source, or that of a moment. It keeps its name, id, endpoint, plan, settings and users with their passwords; the state
before is kept as a cluster of its own, FORK-before-reset-TIME, which expires after 7 days unless --keep says something else. Connections are cut and come back.`,
		Example: `  tine cluster reset shop-test --wait
  tine cluster reset shop-test --at 2h --keep 1h`,
		Args:              takes("FORK"),
		ValidArgsFunction: completeCluster(o),
		RunE:              func(cmd *cobra.Command, args []string) error { return p.run(cmd, o, "reset", args[0]) },
	}
	p.addFlags(cmd, "`moment` of the source: "+momentForms+" (default: now)")
	return cmd
}

// inPlace are the flags of what replaces a cluster's data.
type inPlace struct {
	at, before, after, keep string
	wait                    waitOptions
}

func (p *inPlace) addFlags(cmd *cobra.Command, at string) {
	cmd.Flags().StringVar(&p.at, "at", "", at)
	cmd.Flags().StringVar(&p.before, "before", "", "`transaction` to go back to, without it")
	cmd.Flags().StringVar(&p.after, "after", "", "`transaction` to go back to, with it")
	cmd.Flags().StringVar(&p.keep, "keep", "", "how `long` the state before is kept, like 12h or 30d, or forever (default: 7 days)")
	p.wait.addFlags(cmd, "wait until it is done")
}

func (p *inPlace) run(cmd *cobra.Command, o *clientOptions, kind, name string) (err error) {
	if err := atMostOne(cmd, "at", "before", "after"); err != nil {
		return err
	}
	body := map[string]any{}
	if p.at != "" {
		at, err := parseMoment(p.at, time.Now())
		if err != nil {
			return err
		}
		body["at"] = formatMoment(at)
	}
	if p.before != "" {
		body["before_transaction"] = p.before
	}
	if p.after != "" {
		body["after_transaction"] = p.after
	}
	if p.keep != "" {
		keep, err := parseKeep(p.keep)
		if err != nil {
			return err
		}
		body["keep_seconds"] = int64(keep.Seconds())
	}
	api, err := o.client()
	if err != nil {
		return err
	}
	c, err := api.find(cmd.Context(), name)
	if err != nil {
		return err
	}
	progress, err := api.follow(cmd.Context(), c)
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := api.call(cmd.Context(), http.MethodPost, clustersPath+"/"+url.PathEscape(c.ID)+"/"+kind, body, &raw); err != nil {
		return err
	}
	if o.output == formatJSON {
		defer func() { err = errors.Join(err, p.printAnswer(cmd, api, c.ID, raw)) }()
	}
	var answer struct {
		Kept struct {
			Name string `json:"name"`
		} `json:"kept"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	if !p.wait.enabled {
		note(cmd.ErrOrStderr(), "%s is being %s; its present state is kept as %s.", c.Name, participle(kind), answer.Kept.Name)
		return nil
	}
	return progress.wait(cmd.Context(), cmd.ErrOrStderr(), kind, p.wait.atMost())
}

// printAnswer prints the API's answer, after a wait with the cluster as it is then. What keeps the state before is told in any case.
func (p *inPlace) printAnswer(cmd *cobra.Command, api *client, id string, raw json.RawMessage) error {
	if !p.wait.enabled {
		return printJSON(cmd.OutOrStdout(), raw)
	}
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	if now, err := api.clusterByID(cmd.Context(), id); err == nil {
		answer["database"] = now.raw
	}
	return printJSON(cmd.OutOrStdout(), answer)
}

func participle(kind string) string {
	if kind == "restore" {
		return "restored"
	}
	return kind // reset
}

// parseKeep reads --keep.
func parseKeep(text string) (time.Duration, error) {
	if text == "forever" {
		return 0, nil
	}
	keep, ok := parseSpan(text)
	if !ok {
		return 0, &usageError{fmt.Sprintf("--keep must be how long, in whole seconds, like 12h or 30d, or forever; got %q", text)}
	}
	return keep, nil
}

func newClusterSwapCommand(o *clientOptions) *cobra.Command {
	var wait waitOptions
	cmd := &cobra.Command{
		Use:   "swap CLUSTER OTHER",
		Short: "Exchange the data of two clusters",
		Long: `Exchange the data of two clusters, with all history, for example to put a fork in the place of its source. Each cluster keeps its name, id, endpoint, plan,
settings and users with their passwords. Connections to both are cut and come back.`,
		Example:           `  tine cluster swap shop shop-migrated --wait`,
		Args:              takes("CLUSTER", "OTHER"),
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
			other, err := api.find(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			progress, err := api.follow(cmd.Context(), c)
			if err != nil {
				return err
			}
			body := map[string]string{"with": other.ID}
			if err := api.call(cmd.Context(), http.MethodPost, clustersPath+"/"+url.PathEscape(c.ID)+"/swap", body, nil); err != nil {
				return err
			}
			if !wait.enabled {
				note(cmd.ErrOrStderr(), "%s and %s exchange their data.", c.Name, other.Name)
				return o.printChanged(cmd, api, c)
			}
			return errors.Join(progress.wait(cmd.Context(), cmd.ErrOrStderr(), "swap", wait.atMost()), o.printChanged(cmd, api, c))
		},
	}
	wait.addFlags(cmd, "wait until it is done")
	return cmd
}

// progress follows a cluster's events.
type progress struct {
	api     *client
	cluster cluster
	seen    int
}

// event is something that happened to a cluster.
type event struct {
	Detail  string `json:"detail"`
	Message string `json:"message"`
}

func (c *client) events(ctx context.Context, id string) ([]event, error) {
	var root struct {
		Events []event `json:"events"`
	}
	err := c.call(ctx, http.MethodGet, clustersPath+"/"+url.PathEscape(id)+"/events", nil, &root)
	return root.Events, err
}

// follow begins with what happens from now on.
func (c *client) follow(ctx context.Context, of cluster) (*progress, error) {
	events, err := c.events(ctx, of.ID)
	return &progress{api: c, cluster: of, seen: len(events)}, err
}

// wait tells what happens until an operation is over, and fails if the operation did.
func (p *progress) wait(ctx context.Context, out io.Writer, kind string, timeout time.Duration) error {
	err := poll(ctx, timeout, func(ctx context.Context) (bool, error) {
		events, err := p.api.events(ctx, p.cluster.ID)
		if err != nil {
			return false, err
		}
		for ; p.seen < len(events); p.seen++ {
			e := events[p.seen]
			outcome, ours := strings.CutPrefix(e.Detail, "cluster_"+kind)
			if ours && outcome == "_failed" {
				return false, fmt.Errorf("the %s of %s has failed: %s", kind, p.cluster.Name, e.Message)
			}
			note(out, "%s", e.Message)
			if ours && outcome == "_done" {
				return true, nil
			}
		}
		return false, nil
	})
	if errors.Is(err, errTimedOut) {
		return fmt.Errorf("the %s of %s is not over after %s, and goes on: %w", kind, p.cluster.Name, timeout, err)
	}
	return err
}
