package main

import (
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newClusterGetCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "get CLUSTER",
		Short:             "Show one cluster, by its name or id",
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
			if o.output != formatJSON {
				c.used, err = api.storageOf(cmd.Context(), c.ID)
			}
			if err != nil {
				return err
			}
			return o.printCluster(cmd.OutOrStdout(), c)
		},
	}
}

// printCluster prints one cluster in the format that was asked for.
func (o *clientOptions) printCluster(w io.Writer, c cluster) error {
	if o.output == formatJSON {
		return printJSON(w, c)
	}
	fields := []field{
		{"name", c.Name},
		{"status", c.Status},
		{"failure", c.Failure},
		{"plan", c.SizeSlug + ", " + mebibytes(c.StorageSizeMib)},
		{"writes", c.used.writes()},
		{"disk", c.used.disk()},
		{"history", c.used.history()},
		{"version", c.VersionSlug},
		{"region", c.RegionSlug},
		{"transfer", c.Transfer.String()},
		{"nodes", strconv.Itoa(c.NumNodes)},
		{"tags", strings.Join(c.Tags, ", ")},
		{"forked from", c.origin()},
		{"suspended", c.suspension()},
		{"created", moment(c.CreatedAt)},
		{"expires", c.expiry()},
		{"ttl", c.ttl()},
		{"id", c.ID},
		{"user", c.user()},
		{"password", c.password()},
	}
	for _, u := range c.Users {
		if u.Name != c.user() && u.Password != "" {
			fields = append(fields, field{"password of " + u.Name, u.Password})
		}
	}
	return printFields(w, append(fields, field{"uri", c.uri()}))
}

// ttl says that TTL indexes delete nothing, if they do not.
func (c cluster) ttl() string {
	if c.TTLPaused {
		return "off: TTL indexes delete nothing"
	}
	return ""
}

// expiry is when the cluster is destroyed by itself, empty for never.
func (c cluster) expiry() string {
	if c.ExpiresAt == nil {
		return ""
	}
	return moment(*c.ExpiresAt)
}

// origin says what a fork was made from.
func (c cluster) origin() string {
	switch {
	case c.ForkedFrom == nil:
		return ""
	case c.ForkedFrom.At.IsZero():
		return c.ForkedFrom.Name + ", latest"
	case c.ForkedFrom.Before != "":
		return c.ForkedFrom.Name + " right before transaction " + c.ForkedFrom.Before + ", of " + moment(c.ForkedFrom.At)
	case c.ForkedFrom.After != "":
		return c.ForkedFrom.Name + " right after transaction " + c.ForkedFrom.After + ", of " + moment(c.ForkedFrom.At)
	default:
		return c.ForkedFrom.Name + " at " + moment(c.ForkedFrom.At)
	}
}

func (c cluster) user() string {
	if c.Connection == nil {
		return ""
	}
	return c.Connection.User
}

// password is known in the answer to the request that made it, and never again.
func (c cluster) password() string {
	if c.Connection == nil {
		return ""
	}
	return c.Connection.Password
}

func (c cluster) uri() string {
	if c.Connection == nil {
		return ""
	}
	return c.Connection.URI
}
