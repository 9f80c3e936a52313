package fleet

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

func TestPasswordsUseAllLettersFairly(t *testing.T) {
	t.Parallel()
	const passwords = 4000
	counts := map[rune]int{}
	for range passwords {
		password, err := newPassword(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, letter := range password {
			counts[letter]++
		}
	}
	mean := passwords * passwordLength / len(passwordLetters)
	for _, letter := range passwordLetters {
		if n := counts[letter]; n < mean*3/4 || n > mean*5/4 {
			t.Errorf("letter %c came %d times, want about %d", letter, n, mean)
		}
	}
	if len(counts) != len(passwordLetters) {
		t.Errorf("%d different letters, want %d", len(counts), len(passwordLetters))
	}
}

// A client that knows the password, and only such a one, authenticates against the verifier.
func TestVerifierAcceptsItsPasswordOnly(t *testing.T) {
	t.Parallel()
	verifier, err := newVerifier(rand.Reader, "right")
	if err != nil {
		t.Fatal(err)
	}
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return parseVerifier(t, verifier), nil })
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"right": true, "wrong": false} {
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

func parseVerifier(t *testing.T, verifier string) scram.StoredCredentials {
	t.Helper()
	parts := strings.FieldsFunc(verifier, func(r rune) bool { return r == '$' || r == ':' })
	if len(parts) != 5 || parts[0] != "SCRAM-SHA-256" || parts[1] != "4096" {
		t.Fatalf("verifier %q has not the form that PostgreSQL takes", verifier)
	}
	decode := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(decode(parts[2])), Iters: scramIterations},
		StoredKey:  decode(parts[3]), ServerKey: decode(parts[4]),
	}
}
