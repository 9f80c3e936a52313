package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tine/internal/store"
)

// TokenRequest asks for an API token.
type TokenRequest struct {
	Name    string
	Scopes  []string   // those of store.Scopes, and the short names
	Expires *time.Time // nil: never
}

// CreateToken makes an API token and returns its secret, which cannot be had again.
func (f *Fleet) CreateToken(ctx context.Context, r TokenRequest) (secret string, t store.Token, err error) {
	const longest = 100
	if n := utf8.RuneCountInString(r.Name); n == 0 || n > longest || !utf8.ValidString(r.Name) || strings.ContainsRune(r.Name, 0) {
		return "", store.Token{}, invalid("name", "must be 1 to %d characters; %s has %d", longest, quote(r.Name), n)
	}
	known := append(store.Scopes(), store.ScopeWrite, store.ScopeRead)
	if len(r.Scopes) == 0 {
		return "", store.Token{}, invalid("scopes", "must name at least one of %s", strings.Join(known, ", "))
	}
	for _, scope := range r.Scopes {
		if !slices.Contains(known, scope) {
			return "", store.Token{}, oneOf("scopes", scope, known)
		}
	}
	if r.Expires != nil && !r.Expires.After(f.cfg.Clock()) {
		return "", store.Token{}, invalid("expires_at", "must be in the future; got %s", r.Expires.UTC().Format(time.RFC3339))
	}
	secret, t, err = f.cfg.Store.CreateToken(ctx, r.Name, r.Expires, r.Scopes...)
	if errors.Is(err, store.ErrNameTaken) {
		return "", store.Token{}, invalid("name", "must be unique; there is a token %s already", quote(r.Name))
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
