package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"tine/internal/store"
)

// CreateToken makes an API token and returns its secret, which cannot be had again.
func (f *Fleet) CreateToken(ctx context.Context, name, scope string) (secret string, t store.Token, err error) {
	const longest = 100
	if n := utf8.RuneCountInString(name); n == 0 || n > longest || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return "", store.Token{}, invalid("name", "must be 1 to %d characters; %s has %d", longest, quote(name), n)
	}
	scopes := []string{store.ScopeAdmin, store.ScopeWrite, store.ScopeRead}
	if !slices.Contains(scopes, scope) {
		return "", store.Token{}, oneOf("scope", scope, scopes)
	}
	secret, t, err = f.cfg.Store.CreateToken(ctx, name, scope)
	if errors.Is(err, store.ErrNameTaken) {
		return "", store.Token{}, invalid("name", "must be unique; there is a token %s already", quote(name))
	}
	return secret, t, err
}

// Tokens returns all API tokens by name.
func (f *Fleet) Tokens(ctx context.Context) ([]store.Token, error) {
	return f.cfg.Store.Tokens(ctx)
}

// RevokeToken ends an API token at once.
func (f *Fleet) RevokeToken(ctx context.Context, id string) error {
	err := f.cfg.Store.RevokeToken(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return &Error{Kind: NotFound, Message: fmt.Sprintf("there is no token with the id %s", quote(id))}
	}
	return err
}
