package fleet

import (
	"fmt"
	"io"
)

const (
	passwordLength  = 24 // of 62 characters each: 142 bits
	passwordLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
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
