package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestTokensAuthenticateUntilRevoked(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	secret, made, err := s.CreateToken(t.Context(), "ci", nil, store.ScopeWrite)
	if err != nil {
		t.Fatal(err)
	}
	if got := must(s.Authenticate(t.Context(), secret))(t); got.ID != made.ID || !got.Allows(store.ScopeDatabaseCreate) || got.Allows(store.ScopeAdmin) {
		t.Errorf("Authenticate = %+v, want %+v", got, made)
	}
	if _, _, err := s.CreateToken(t.Context(), "ci", nil, store.ScopeRead); !errors.Is(err, store.ErrNameTaken) {
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
	secret, _, err := s.CreateToken(t.Context(), "ci", nil, store.ScopeAdmin)
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
	if got := must(s.Authenticate(t.Context(), second))(t); !got.Allows(store.ScopeAdmin) {
		t.Errorf("scopes %s, want admin", got.Scopes)
	}
	if list := must(s.Tokens(t.Context()))(t); len(list) != 1 {
		t.Errorf("tokens: %+v, want one", list)
	}
	if _, err := s.EnsureToken(t.Context(), "admin", store.ScopeAdmin, "hunter2"); err == nil {
		t.Error("a short secret was accepted")
	}
}

func TestTokensExpireAndShowTheirLastUse(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	past, future := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	gone, _, err := s.CreateToken(t.Context(), "gone", &past, store.ScopeRead)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), gone); !errors.Is(err, store.ErrUnauthorized) {
		t.Errorf("expired token: %v, want ErrUnauthorized", err)
	}
	valid, made, err := s.CreateToken(t.Context(), "valid", &future, store.ScopeRead)
	if err != nil || made.LastUsedAt != nil {
		t.Fatalf("made %+v, %v", made, err)
	}
	_ = must(s.Authenticate(t.Context(), valid))(t)
	list := must(s.Tokens(t.Context()))(t)
	if list[0].LastUsedAt != nil || list[1].LastUsedAt == nil {
		t.Errorf("tokens %+v: want the last use of the valid one only", list)
	}
}

func TestShortNamesOfScopes(t *testing.T) {
	t.Parallel()
	write, read := store.Token{Scopes: store.Expand(store.ScopeWrite)}, store.Token{Scopes: store.Expand(store.ScopeRead)}
	for _, scope := range store.Scopes() {
		if got, want := write.Allows(scope), scope != store.ScopeAdmin; got != want {
			t.Errorf("write allows %s: %t, want %t", scope, got, want)
		}
		if got, want := read.Allows(scope), strings.HasSuffix(scope, ":read"); got != want {
			t.Errorf("read allows %s: %t, want %t", scope, got, want)
		}
	}
	if got := store.Expand(store.ScopeRead, store.ScopeTagRead, store.ScopeRead); !slices.Equal(got, store.Expand(store.ScopeRead)) {
		t.Errorf("scopes twice: %s", got)
	}
}
