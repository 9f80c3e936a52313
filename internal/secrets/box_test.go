package secrets_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tine/internal/secrets"
)

func open(tb testing.TB, dir string) *secrets.Box {
	tb.Helper()
	b, err := secrets.Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestSecretsAreReadWithTheSameKeyForTheSamePurposeOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sealed := open(t, dir).Seal("hunter2", "sink 1")
	if bytes.Contains(sealed, []byte("hunter2")) || bytes.Equal(sealed, open(t, dir).Seal("hunter2", "sink 1")) {
		t.Errorf("sealed is %q, the same each time", sealed)
	}
	again := open(t, dir)
	if got, err := again.Open(sealed, "sink 1"); err != nil || got != "hunter2" {
		t.Errorf("opened %q, %v", got, err)
	}
	damaged := bytes.Clone(sealed)
	damaged[len(damaged)-1]++
	for name, try := range map[string]func() (string, error){
		"another purpose": func() (string, error) { return again.Open(sealed, "sink 2") },
		"another key":     func() (string, error) { return open(t, t.TempDir()).Open(sealed, "sink 1") },
		"damaged":         func() (string, error) { return again.Open(damaged, "sink 1") },
		"cut":             func() (string, error) { return again.Open(sealed[:5], "sink 1") },
		"empty":           func() (string, error) { return again.Open(nil, "sink 1") },
	} {
		if got, err := try(); !errors.Is(err, secrets.ErrSealed) || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestKeyIsPrivateAndMustBeWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	path := filepath.Join(dir, "secret-key")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for _, text := range []string{"", "00ff", "no hexadecimal digits"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := secrets.Open(dir); err == nil {
			t.Errorf("the key %q is no error", text)
		}
	}
}
