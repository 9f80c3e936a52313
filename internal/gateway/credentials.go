package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/scram"

	"tine/internal/users"
)

// owner is the user that every cluster has.
const owner = users.Owner

// credentials returns what SCRAM needs to know of a user. For a user that does not exist it looks the same to a client, every
// time, and fits no password; the second result is then false. Both cases take the same work.
func (a *accounts) credentials(ctx context.Context, user string) (scram.StoredCredentials, bool, error) {
	if strings.ContainsRune(user, 0) || !utf8.ValidString(user) {
		user = "" // PostgreSQL has no such text
	}
	var verifier, key string
	err := a.look(ctx, func(ctx context.Context, db users.DB) (err error) {
		verifier, key, err = users.Verifiers(ctx, db, user)
		return err
	})
	if err != nil {
		return scram.StoredCredentials{}, false, err
	}
	unknown := fakeCredentials(user, key)
	if verifier == "" {
		return unknown, false, nil
	}
	stored, err := users.ParseVerifier(verifier)
	return stored, err == nil, err
}

// fakeCredentials are those of a user that does not exist, in the form of those of one that does. Their salt is derived from the
// owner's verifier, which is secret, another one in every cluster, and changes only when the owner's password does.
func fakeCredentials(user, key string) scram.StoredCredentials {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write([]byte("salt of " + user)) // it cannot fail
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // it cannot fail
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(mac.Sum(nil)[:users.SaltLength]), Iters: users.Iterations},
		StoredKey:  secret,
		ServerKey:  secret,
	}
}
