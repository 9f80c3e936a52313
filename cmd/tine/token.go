package main

import (
	"context"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

const tokensPath = "/v2/tokens"

// token is the right to use the API.
type token struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Scope     string `json:"scope"`
	CreatedAt string `json:"created_at"`
	Secret    string `json:"secret,omitempty"` // in the answer to its creation only
}

func newTokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Create, list and revoke API tokens"}
	o := addClientFlags(cmd)
	return group(cmd, newTokenCreateCommand(o), newTokenListCommand(o), newTokenRevokeCommand(o))
}

func newTokenCreateCommand(o *clientOptions) *cobra.Command {
	var scope string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a token and show it, this once",
		Example: `  tine token create ci --scope read
  export DIGITALOCEAN_ACCESS_TOKEN=$(tine token create doctl --scope write)`,
		Args:              takes("NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := o.client()
			if err != nil {
				return err
			}
			var root struct {
				Token token `json:"token"`
			}
			body := map[string]string{"name": args[0], "scope": scope}
			if err := api.call(cmd.Context(), http.MethodPost, tokensPath, body, &root); err != nil {
				return err
			}
			note(cmd.ErrOrStderr(), "The token is shown this once: Tine keeps no copy of it.")
			if o.output == formatJSON {
				return printJSON(cmd.OutOrStdout(), root.Token)
			}
			return printText(cmd.OutOrStdout(), root.Token.Secret+"\n")
		},
	}
	cmd.Flags().StringVar(&scope, "scope", "write", "what it allows: read, write (also create, fork and destroy) or admin (also tokens)")
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions([]string{"read", "write", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func newTokenListCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:               "list",
		Aliases:           []string{"ls"},
		Short:             "List the tokens, without their secrets",
		Args:              takes(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := o.client()
			if err != nil {
				return err
			}
			list, err := api.tokens(cmd.Context())
			if err != nil {
				return err
			}
			if o.output == formatJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			rows := make([][]string, len(list))
			for i, t := range list {
				rows[i] = []string{t.Name, t.Scope, t.CreatedAt, t.ID}
			}
			return printTable(cmd.OutOrStdout(), []string{"NAME", "SCOPE", "CREATED", "ID"}, rows)
		},
	}
}

func newTokenRevokeCommand(o *clientOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke TOKEN",
		Short: "End a token at once, by its name or id",
		Args:  takes("TOKEN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := o.client()
			if err != nil {
				return err
			}
			t, err := api.findToken(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := api.call(cmd.Context(), http.MethodDelete, tokensPath+"/"+url.PathEscape(t.ID), nil, nil); err != nil {
				return err
			}
			note(cmd.ErrOrStderr(), "The token %s no longer works.", t.Name)
			return nil
		},
	}
}

func (c *client) tokens(ctx context.Context) ([]token, error) {
	var root struct {
		Tokens []token `json:"tokens"`
	}
	err := c.call(ctx, http.MethodGet, tokensPath, nil, &root)
	return root.Tokens, err
}

// findToken returns the token that a user means by a name or an id; a name wins.
func (c *client) findToken(ctx context.Context, nameOrID string) (token, error) {
	list, err := c.tokens(ctx)
	if err != nil {
		return token{}, err
	}
	for _, matches := range []func(token) bool{
		func(t token) bool { return t.Name == nameOrID },
		func(t token) bool { return t.ID == nameOrID },
	} {
		for _, t := range list {
			if matches(t) {
				return t, nil
			}
		}
	}
	return token{}, &notFoundError{"token", nameOrID}
}
