package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/digitalocean/godo"
	"github.com/spf13/cobra"
)

const engineSlug = "mongodb"

// shape is what a new cluster can be asked to be. What is empty is for the API to choose for a fork, and the smallest there is for
// a cluster.
type shape struct {
	size, storage, region string
	nodes                 quantity
	tags                  []string
	expires               string
	suspendAfter          string
	wait                  waitOptions
}

// createRequest is godo's with what is Tine's own.
type createRequest struct {
	*godo.DatabaseCreateRequest
	ExpiresInSeconds    int64  `json:"expires_in_seconds,omitempty"`
	FreshPasswords      bool   `json:"fresh_passwords,omitempty"`
	SuspendAfterMinutes *int64 `json:"suspend_after_minutes,omitempty"`
}

// addFlags has the help say what each is if it is not given, and for how long a node goes on without work.
func (s *shape) addFlags(cmd *cobra.Command, o *clientOptions, unless, unlessStorage, unlessSuspend string) {
	f := cmd.Flags()
	f.StringVar(&s.size, "size", "", "plan `slug`; "+unless)
	f.StringVar(&s.storage, "storage", "", "`size` of the storage, like 20GiB; "+unlessStorage)
	f.StringVar(&s.region, "region", "", "region `slug`; "+unless)
	f.Var(&s.nodes, "nodes", "`number` of nodes; "+unless)
	f.Lookup("nodes").DefValue = "0" // which is not shown
	f.StringSliceVar(&s.tags, "tag", nil, "`tag` of the cluster; may be repeated")
	f.StringVar(&s.expires, "expires-in", "", "how `long` the cluster lives, like 12h or 30d, until it is destroyed by itself (default: for ever)")
	f.StringVar(&s.suspendAfter, "suspend-after", "", "`time` without work after which the node is suspended, like 10m, or never; "+unlessSuspend)
	s.wait.addFlags(cmd, "wait until the cluster is online")
	_ = cmd.RegisterFlagCompletionFunc("size", completeOption(o, func(e engineOptions) []string { return e.sizes() }))
	_ = cmd.RegisterFlagCompletionFunc("region", completeOption(o, func(e engineOptions) []string { return e.Regions }))
}

func (s *shape) request(name string) (*createRequest, error) {
	storage, err := parseStorage(s.storage)
	if err != nil {
		return nil, err
	}
	r := &createRequest{DatabaseCreateRequest: &godo.DatabaseCreateRequest{
		Name: name, EngineSlug: engineSlug, SizeSlug: s.size, Region: s.region, NumNodes: int(s.nodes),
		StorageSizeMib: storage, Tags: s.tags,
	}}
	if s.expires != "" {
		if r.ExpiresInSeconds, err = parseLife("--expires-in", s.expires); err != nil {
			return nil, err
		}
	}
	if s.suspendAfter != "" {
		if r.SuspendAfterMinutes, err = parseSuspendAfter("--suspend-after", s.suspendAfter); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func newClusterCreateCommand(o *clientOptions) *cobra.Command {
	var s shape
	var version string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create an empty cluster",
		Example: `  tine cluster create shop --wait
  tine cluster create shop --size db-s-2vcpu-4gb --storage 100GiB --tag team:web`,
		Args:              takes("NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := s.request(args[0])
			if err != nil {
				return err
			}
			request.Version = version
			api, err := o.client()
			if err != nil {
				return err
			}
			if err := api.complete(cmd.Context(), request.DatabaseCreateRequest); err != nil {
				return err
			}
			return o.make(cmd, api, request, s.wait)
		},
	}
	s.addFlags(cmd, o, "default: the first in the catalog", "default: the plan's least", "default: the configuration's, or its plan's")
	cmd.Flags().StringVar(&version, "version", "", "MongoDB `version` to be compatible with; default: the newest that is recommended")
	_ = cmd.RegisterFlagCompletionFunc("version", completeOption(o, func(e engineOptions) []string { return e.Versions }))
	return cmd
}

// make sends a request for a cluster and prints the result, which holds the only copy of its password: also when waiting fails or
// is interrupted.
func (o *clientOptions) make(cmd *cobra.Command, api *client, request any, wait waitOptions) error {
	start := time.Now()
	var root clusterRoot
	if err := api.call(cmd.Context(), http.MethodPost, clustersPath, request, &root); err != nil {
		return err
	}
	c := root.Database
	var err error
	if wait.enabled {
		c, err = api.waitOnline(cmd.Context(), c, wait.atMost(), progressTo(cmd))
	}
	if err == nil && wait.enabled {
		note(cmd.ErrOrStderr(), "%s is online after %s.", c.Name, time.Since(start).Round(time.Millisecond))
	}
	if printErr := o.printCluster(cmd.OutOrStdout(), c); printErr != nil {
		return errors.Join(err, printErr)
	}
	if c.password() != "" {
		note(cmd.ErrOrStderr(), "The password is shown this once: Tine keeps no copy of it.")
	}
	return err
}

// withSecretsOf returns the cluster as it is now, with what only the answer to its creation had.
func (c cluster) withSecretsOf(created cluster) (cluster, error) {
	var now, then map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(c.raw, &now), json.Unmarshal(created.raw, &then)); err != nil {
		return created, fmt.Errorf("decode cluster: %w", err)
	}
	for _, key := range []string{"connection", "private_connection", "users"} {
		if value, ok := then[key]; ok {
			now[key] = value
		}
	}
	var b bytes.Buffer
	if err := printJSON(&b, now); err != nil {
		return created, fmt.Errorf("encode cluster: %w", err)
	}
	var merged cluster
	if err := json.Unmarshal(b.Bytes(), &merged); err != nil {
		return created, err
	}
	return merged, nil
}

// engineOptions is what clusters can be made of.
type engineOptions struct {
	Regions  []string `json:"regions"`
	Versions []string `json:"versions"`
	Layouts  []struct {
		NumNodes int      `json:"num_nodes"`
		Sizes    []string `json:"sizes"`
	} `json:"layouts"`
}

func (e engineOptions) sizes() []string {
	if len(e.Layouts) == 0 {
		return nil
	}
	return e.Layouts[0].Sizes
}

func (c *client) options(ctx context.Context) (engineOptions, error) {
	var root struct {
		Options map[string]engineOptions `json:"options"`
	}
	err := c.call(ctx, http.MethodGet, clustersPath+"/options", nil, &root)
	return root.Options[engineSlug], err
}

// complete chooses the first of what there is for all that the user left open and the API insists on.
func (c *client) complete(ctx context.Context, r *godo.DatabaseCreateRequest) error {
	if r.SizeSlug != "" && r.Region != "" && r.NumNodes != 0 {
		return nil
	}
	options, err := c.options(ctx)
	if err != nil {
		return err
	}
	if r.SizeSlug == "" && len(options.sizes()) > 0 {
		r.SizeSlug = options.sizes()[0]
	}
	if r.Region == "" && len(options.Regions) > 0 {
		r.Region = options.Regions[0]
	}
	if r.NumNodes == 0 && len(options.Layouts) > 0 {
		r.NumNodes = options.Layouts[0].NumNodes
	}
	return nil
}

// completeOption offers values that the API has.
func completeOption(o *clientOptions, values func(engineOptions) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var options engineOptions
		err := bindEnvironment(cmd)
		if err == nil {
			var api *client
			if api, err = o.client(); err == nil {
				options, err = api.options(cmd.Context())
			}
		}
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return values(options), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}
