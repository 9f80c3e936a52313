package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

const clustersPath = "/v2/databases"

func newClusterCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "cluster", Short: "Create, fork, list, change and destroy clusters"}
	o := addClientFlags(cmd)
	return group(cmd,
		newClusterListCommand(o), newClusterGetCommand(o), newClusterCreateCommand(o), newClusterForkCommand(o),
		newClusterDestroyCommand(o), newClusterConnectCommand(o), newClusterCACommand(o), newClusterHistoryCommand(o),
		newClusterRestoreCommand(o), newClusterResetCommand(o), newClusterSwapCommand(o), newClusterExpireCommand(o), newClusterTTLCommand(o),
		newClusterResizeCommand(o), newClusterMigrateCommand(o), newClusterUsersCommand(o), newClusterSourcesCommand(o),
		newClusterSuspendCommand(o))
}

// cluster is what the API says of a cluster. It is printed as JSON exactly as it came, with the fields that godo does not know.
type cluster struct {
	godo.Database
	Failure    string      `json:"failure"`
	ForkedFrom *forkedFrom `json:"forked_from"`
	ExpiresAt  *time.Time  `json:"expires_at"`
	TTLPaused  bool        `json:"ttl_paused"`

	SuspendAfterMinutes int64 `json:"suspend_after_minutes"`
	Suspended           bool  `json:"suspended"`

	ExclusiveBytes *int64 `json:"exclusive_bytes"` // nil: not measured yet
	SharedBytes    *int64 `json:"shared_bytes"`

	Transfer *transfer `json:"transfer"` // nil: nothing of it is being sent

	raw  json.RawMessage
	used storageInUse // if it was asked for
}

type forkedFrom struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"` // zero: the latest

	Before string `json:"before_transaction"`
	After  string `json:"after_transaction"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *cluster) UnmarshalJSON(b []byte) error {
	type fields cluster // without this method
	if err := json.Unmarshal(b, (*fields)(c)); err != nil {
		return fmt.Errorf("decode cluster: %w", err)
	}
	c.raw = bytes.Clone(b)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (c cluster) MarshalJSON() ([]byte, error) { return c.raw, nil }

var (
	_ json.Unmarshaler = (*cluster)(nil)
	_ json.Marshaler   = cluster{}
)

type clusterRoot struct {
	Database cluster `json:"database"`
}

// clusters returns all clusters, or with a name the one that has it, if any.
func (c *client) clusters(ctx context.Context, name string) ([]cluster, error) {
	const perPage = 200 // the most that the API gives
	list := []cluster{}
	for page := 1; ; page++ {
		query := url.Values{"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(perPage)}}
		if name != "" {
			query.Set("name", name)
		}
		var root struct {
			Databases []cluster `json:"databases"`
		}
		if err := c.call(ctx, http.MethodGet, clustersPath+"?"+query.Encode(), nil, &root); err != nil {
			return nil, err
		}
		list = append(list, root.Databases...)
		if len(root.Databases) < perPage {
			return list, nil
		}
	}
}

// clusterByID returns a cluster as it is now.
func (c *client) clusterByID(ctx context.Context, id string) (cluster, error) {
	var root clusterRoot
	err := c.call(ctx, http.MethodGet, clustersPath+"/"+url.PathEscape(id), nil, &root)
	return root.Database, err
}

// find returns the cluster that a user means by a name or an id. A name wins, because a name may look like an id.
func (c *client) find(ctx context.Context, nameOrID string) (cluster, error) {
	list, err := c.clusters(ctx, nameOrID)
	if err != nil {
		return cluster{}, err
	}
	for _, candidate := range list {
		if candidate.Name == nameOrID {
			return candidate, nil
		}
	}
	if uuid.Validate(nameOrID) == nil {
		return c.clusterByID(ctx, nameOrID)
	}
	return cluster{}, &notFoundError{"cluster", nameOrID}
}

// path is the API's for something of the cluster.
func (c cluster) path(of string) string { return clustersPath + "/" + url.PathEscape(c.ID) + of }

// findCluster is for commands that do something with one cluster.
func (o *clientOptions) findCluster(cmd *cobra.Command, nameOrID string) (*client, cluster, error) {
	api, err := o.client()
	if err != nil {
		return nil, cluster{}, err
	}
	c, err := api.find(cmd.Context(), nameOrID)
	return api, c, err
}

// completeCluster offers the names of clusters for the first argument.
func completeCluster(o *clientOptions) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const patience = 2 * time.Second
		ctx, cancel := context.WithTimeout(cmd.Context(), patience)
		defer cancel()
		// Cobra completes without running the root's PersistentPreRunE.
		if len(args) > 0 || bindEnvironment(cmd) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var list []cluster
		api, err := o.client()
		if err == nil {
			list, err = api.clusters(ctx, "")
		}
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for _, c := range list {
			if strings.HasPrefix(c.Name, prefix) {
				names = append(names, cobra.CompletionWithDesc(c.Name, c.Status))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
