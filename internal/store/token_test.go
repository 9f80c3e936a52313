package store_test

import (
	"errors"
	"strings"
	"testing"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestTokensAuthenticateUntilRevoked(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	secret, made, err := s.CreateToken(t.Context(), "ci", store.ScopeWrite)
	if err != nil {
		t.Fatal(err)
	}
	if got := must(s.Authenticate(t.Context(), secret))(t); got != made || got.Scope != store.ScopeWrite {
		t.Errorf("Authenticate = %+v, want %+v", got, made)
	}
	if _, _, err := s.CreateToken(t.Context(), "ci", store.ScopeRead); !errors.Is(err, store.ErrNameTaken) {
		t.Errorf("second token of the name: %v, want ErrNameTaken", err)
	}
	for _, wrong := range []string{"", "tine_v1_", secret + "x", secret[:len(secret)-1], strings.ToUpper(secret), store.NewSecret(), "x' OR true --"} {
		if _, err := s.Authenticate(t.Context(), wrong); !errors.Is(err, store.ErrUnauthorized) {
			t.Errorf("Authenticate(%q) = %v, want ErrUnauthorized", wrong, err)
		}
	}
	if err := s.RevokeToken(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), secret); !errors.Is(err, store.ErrUnauthorized) {
		t.Errorf("revoked token: %v, want ErrUnauthorized", err)
	}
	for _, id := range []string{made.ID, "nonsense"} {
		if err := s.RevokeToken(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("RevokeToken(%s) = %v, want ErrNotFound", id, err)
		}
	}
}

func TestSecretsAreNotStored(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	secret, _, err := s.CreateToken(t.Context(), "ci", store.ScopeAdmin)
	if err != nil {
		t.Fatal(err)
	}
	var row string
	if err := s.Pool().QueryRow(t.Context(), "SELECT t::text FROM tine.tokens t").Scan(&row); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(row, strings.TrimPrefix(secret, "tine_v1_")) {
		t.Errorf("the table holds the secret: %s", row)
	}
}

func TestEnsureTokenReplacesTheSecret(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	first, second := store.NewSecret(), store.NewSecret()
	for _, secret := range []string{first, first, second} {
		_ = must(s.EnsureToken(t.Context(), "admin", store.ScopeAdmin, secret))(t)
	}
	if _, err := s.Authenticate(t.Context(), first); !errors.Is(err, store.ErrUnauthorized) {
		t.Errorf("replaced secret: %v, want ErrUnauthorized", err)
	}
	if got := must(s.Authenticate(t.Context(), second))(t); got.Scope != store.ScopeAdmin {
		t.Errorf("scope %s, want admin", got.Scope)
	}
	if list := must(s.Tokens(t.Context()))(t); len(list) != 1 {
		t.Errorf("tokens: %+v, want one", list)
	}
	if _, err := s.EnsureToken(t.Context(), "admin", store.ScopeAdmin, "hunter2"); err == nil {
		t.Error("a short secret was accepted")
	}
}
