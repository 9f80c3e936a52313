package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tine/internal/store"
)

const tokensPath = "/v2/tokens"

// token is the right to use the API.
type token struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Scopes     []string `json:"scopes"`
	CreatedAt  string   `json:"created_at"`
	ExpiresAt  *string  `json:"expires_at"`
	LastUsedAt *string  `json:"last_used_at"`
	Secret     string   `json:"secret,omitempty"` // in the answer to its creation only
}

func newTokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Create, list and revoke API tokens"}
	o := addClientFlags(cmd)
	return group(cmd, newTokenCreateCommand(o), newTokenListCommand(o), newTokenRevokeCommand(o))
}

func newTokenCreateCommand(o *clientOptions) *cobra.Command {
	var scopes []string
	var expires string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a token and show it, this once",
		Example: `  tine token create ci --scope read
  tine token create deploy --scope database:read --scope database:create --expires 30d
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
			body := map[string]any{"name": args[0], "scopes": scopes}
			if expires != "" {
				at, err := parseExpiry(expires, time.Now())
				if err != nil {
					return err
				}
				body["expires_at"] = at
			}
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
	cmd.Flags().StringSliceVar(&scopes, "scope", []string{store.ScopeWrite},
		"what it allows: read, write (also create, change and destroy), admin (also tokens), or single scopes such as database:create")
	cmd.Flags().StringVar(&expires, "expires", "", "when it ends by itself: a `time`, or how long from now, like 12h or 30d (default never)")
	completions := append(store.Scopes(), store.ScopeWrite, store.ScopeRead)
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions(completions, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// shortScopes is a list of scopes, by the short name that it has.
func shortScopes(scopes []string) string {
	for _, short := range []string{store.ScopeWrite, store.ScopeRead} {
		if slices.Equal(scopes, store.Expand(short)) {
			return short
		}
	}
	return strings.Join(scopes, " ")
}

func orNever(moment *string) string {
	if moment == nil {
		return "never"
	}
	return *moment
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
				rows[i] = []string{t.Name, shortScopes(t.Scopes), t.CreatedAt, orNever(t.ExpiresAt), orNever(t.LastUsedAt), t.ID}
			}
			return printTable(cmd.OutOrStdout(), []string{"NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "ID"}, rows)
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
