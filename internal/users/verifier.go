package users

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/scram"
)

const (
	// Iterations is how often a password is hashed, as MongoDB does it for SCRAM-SHA-256.
	Iterations = 15000
	// SaltLength is the length of a salt in bytes.
	SaltLength = 16
	// MinPassword is how many characters a password has at least: too many to be guessed at the pace that a listener allows.
	MinPassword = 8

	mechanism = "SCRAM-SHA-256"
)

// NewVerifier returns what a password can be checked with, and not be computed from. The password is prepared as clients do it (SASLprep).
func NewVerifier(random io.Reader, password string) (string, error) {
	if utf8.RuneCountInString(password) < MinPassword {
		return "", fmt.Errorf("%w: a password must have %d characters or more", ErrInvalid, MinPassword)
	}
	salt := make([]byte, SaltLength)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("make verifier: %w", err)
	}
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		return "", fmt.Errorf("%w: the password has characters that SASLprep (RFC 4013) forbids", ErrInvalid)
	}
	keys, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: Iterations})
	if err != nil {
		return "", fmt.Errorf("make verifier: %w", err)
	}
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", mechanism, Iterations, encode(salt), encode(keys.StoredKey), encode(keys.ServerKey)), nil
}

// ParseVerifier reads a verifier, which has PostgreSQL's form: SCRAM-SHA-256$iterations:salt$stored:server.
func ParseVerifier(v string) (scram.StoredCredentials, error) {
	parts := strings.FieldsFunc(v, func(r rune) bool { return r == '$' || r == ':' })
	if len(parts) != 5 || parts[0] != mechanism {
		return scram.StoredCredentials{}, errors.New("a password verifier is not of the form SCRAM-SHA-256$iterations:salt$stored:server")
	}
	iters, err := strconv.Atoi(parts[1])
	if err != nil {
		return scram.StoredCredentials{}, errors.New("a password verifier has no iteration count")
	}
	var raw [3][]byte
	for i := range raw {
		if raw[i], err = base64.StdEncoding.DecodeString(parts[i+2]); err != nil {
			return scram.StoredCredentials{}, errors.New("a password verifier is not valid base64")
		}
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(raw[0]), Iters: iters},
		StoredKey:  raw[1],
		ServerKey:  raw[2],
	}, nil
}
