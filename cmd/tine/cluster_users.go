package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// clusterUser is a user of a cluster, as the API has one.
type clusterUser struct {
	Name     string `json:"name"`
	Role     string `json:"role"`
	Password string `json:"password"`
	Settings *struct {
		Mongo struct {
			Databases []string `json:"databases"`
			Role      string   `json:"role"`
		} `json:"mongo_user_settings"`
	} `json:"settings"`
}

func newClusterUsersCommand(o *clientOptions) *cobra.Command {
	cmd := &cobra.Command{Use: "users", Short: "List, create and delete the users of a cluster, and give them new passwords"}
	return group(cmd, newUsersListCommand(o), newUsersCreateCommand(o), newUsersResetCommand(o), newUsersDeleteCommand(o))
}

func newUsersListCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "list CLUSTER",
		Aliases:           []string{"ls"},
		Short:             "List the users of a cluster",
		Args:              takes("CLUSTER"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, c, err := o.findCluster(cmd, args[0])
			if err != nil {
				return err
			}
			var root struct {
				Users []json.RawMessage `json:"users"`
			}
			if err := api.call(cmd.Context(), http.MethodGet, c.path("/users"), nil, &root); err != nil {
				return err
			}
			if o.output == formatJSON {
				return printJSON(cmd.OutOrStdout(), root.Users)
			}
			rows := make([][]string, len(root.Users))
			for i, raw := range root.Users {
				var u clusterUser
				if err := json.Unmarshal(raw, &u); err != nil {
					return fmt.Errorf("decode user: %w", err)
				}
				rows[i] = []string{u.Name, u.rights(), u.databases()}
			}
			return printTable(cmd.OutOrStdout(), []string{"NAME", "ROLE", "DATABASES"}, rows)
		},
	}
}

// rights is the role that a user has; who has no settings may do everything.
func (u clusterUser) rights() string {
	if u.Settings == nil {
		return "root"
	}
	return u.Settings.Mongo.Role
}

func (u clusterUser) databases() string {
	if u.Settings == nil {
		return "all"
	}
	return strings.Join(u.Settings.Mongo.Databases, " ")
}

func newUsersCreateCommand(o *clientOptions) *cobra.Command {
	var role string
	var databases []string
	cmd := &cobra.Command{
		Use:   "create CLUSTER NAME",
		Short: "Create a user and show its password, this once",
		Example: `  tine cluster users create shop app --role readWrite --db shop
  tine cluster users create shop reports --role readOnly --db shop --db logs
  tine cluster users create shop operator`,
		Args:              takes("CLUSTER", "NAME"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"name": args[1]}
			if (role == "") != (len(databases) == 0) {
				return &usageError{"give --role and --db both, or neither for a user with all rights"}
			}
			if role != "" {
				body["settings"] = map[string]any{"mongo_user_settings": map[string]any{"role": role, "databases": databases}}
			}
			return o.showPassword(cmd, args[0], "/users", body)
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "what it may do: readOnly, readWrite or dbAdmin (default: everything)")
	cmd.Flags().StringSliceVar(&databases, "db", nil, "`database` that the role is for; admin means all")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"readOnly", "readWrite", "dbAdmin"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func newUsersResetCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "reset CLUSTER NAME",
		Short:             "Give a user a new password and show it, this once",
		Args:              takes("CLUSTER", "NAME"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.showPassword(cmd, args[0], "/users/"+url.PathEscape(args[1])+"/reset_auth", map[string]any{})
		},
	}
}

// showPassword sends a request that makes a password, and prints it.
func (o *clientOptions) showPassword(cmd *cobra.Command, nameOrID, path string, body map[string]any) error {
	api, c, err := o.findCluster(cmd, nameOrID)
	if err != nil {
		return err
	}
	var root struct {
		User json.RawMessage `json:"user"`
	}
	if err := api.call(cmd.Context(), http.MethodPost, c.path(path), body, &root); err != nil {
		return err
	}
	note(cmd.ErrOrStderr(), "The password is shown this once: Tine keeps no copy of it.")
	if o.output == formatJSON {
		return printJSON(cmd.OutOrStdout(), root.User)
	}
	var u clusterUser
	if err := json.Unmarshal(root.User, &u); err != nil {
		return fmt.Errorf("decode user: %w", err)
	}
	return printText(cmd.OutOrStdout(), u.Password+"\n")
}

func newUsersDeleteCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "delete CLUSTER NAME",
		Aliases:           []string{"rm"},
		Short:             "Delete a user; its connections are closed",
		Args:              takes("CLUSTER", "NAME"),
		ValidArgsFunction: completeCluster(o),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, c, err := o.findCluster(cmd, args[0])
			if err != nil {
				return err
			}
			if err := api.call(cmd.Context(), http.MethodDelete, c.path("/users/"+url.PathEscape(args[1])), nil, nil); err != nil {
				return err
			}
			note(cmd.ErrOrStderr(), "The user %s of %s is deleted.", args[1], c.Name)
			return nil
		},
	}
}
