package users_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"tine/internal/users"
)

// A client that knows the password, and only such a one, authenticates against the verifier.
func TestVerifierAcceptsItsPasswordOnly(t *testing.T) {
	t.Parallel()
	verifier, err := users.NewVerifier(rand.Reader, "right password")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(verifier, "SCRAM-SHA-256$15000:") || strings.Contains(verifier, "right") {
		t.Errorf("verifier %q", verifier)
	}
	stored, err := users.ParseVerifier(verifier)
	if err != nil {
		t.Fatal(err)
	}
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return stored, nil })
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"right password": true, "wrong password": false} {
		client, err := scram.SHA256.NewClient("doadmin", password, "")
		if err != nil {
			t.Fatal(err)
		}
		c, s := client.NewConversation(), server.NewConversation()
		first, _ := c.Step("")
		challenge, _ := s.Step(first)
		proof, _ := c.Step(challenge)
		_, _ = s.Step(proof)
		if s.Valid() != want {
			t.Errorf("password %s accepted: %v, want %v", password, s.Valid(), want)
		}
	}
}

func TestVerifiersDifferAndShortPasswordsHaveNone(t *testing.T) {
	t.Parallel()
	first, err := users.NewVerifier(rand.Reader, "the same password")
	if err != nil {
		t.Fatal(err)
	}
	second, err := users.NewVerifier(rand.Reader, "the same password")
	if err != nil || first == second {
		t.Errorf("two verifiers of a password are the same: %q, %v", first, err)
	}
	if _, err := users.NewVerifier(rand.Reader, "short12"); !errors.Is(err, users.ErrInvalid) {
		t.Errorf("a password of 7 characters: %v", err)
	}
}
