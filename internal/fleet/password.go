package fleet

import (
	"encoding/base64"
	"fmt"
	"io"

	"github.com/xdg-go/scram"
)

const (
	passwordLength  = 24 // of 62 characters each: 142 bits
	passwordLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	scramIterations = 4096 // PostgreSQL's default
	saltLength      = 16
)

// newPassword makes a password that needs no escaping in a URI.
func newPassword(random io.Reader) (string, error) {
	// Bytes from the last multiple of 62 on are thrown away: taking them modulo 62 would favour some letters.
	const fair = 256 - 256%len(passwordLetters)
	password := make([]byte, 0, passwordLength)
	var buffer [2 * passwordLength]byte
	for {
		if _, err := io.ReadFull(random, buffer[:]); err != nil {
			return "", fmt.Errorf("make password: %w", err)
		}
		for _, b := range buffer {
			if int(b) < fair {
				password = append(password, passwordLetters[int(b)%len(passwordLetters)])
			}
			if len(password) == passwordLength {
				return string(password), nil
			}
		}
	}
}

// newVerifier is what PostgreSQL needs to check a password with SCRAM-SHA-256, in the form ALTER ROLE takes. The password cannot be
// computed from it.
func newVerifier(random io.Reader, password string) (string, error) {
	salt := make([]byte, saltLength)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("make salt: %w", err)
	}
	client, err := scram.SHA256.NewClient(AdminUser, password, "")
	if err != nil {
		return "", fmt.Errorf("make verifier: %w", err)
	}
	keys, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: scramIterations})
	if err != nil {
		return "", fmt.Errorf("make verifier: %w", err)
	}
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, encode(salt), encode(keys.StoredKey), encode(keys.ServerKey)), nil
}
