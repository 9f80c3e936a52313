package secrets

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	keyName   = "secret-key"
	keyLength = 32 // AES-256
)

// ErrSealed says that a secret cannot be opened: it was sealed with another key, for another purpose, or is damaged.
var ErrSealed = errors.New("the secret cannot be opened with the key of this data directory; set it anew")

// Box seals and opens secrets. Its methods may be called from any number of goroutines.
type Box struct {
	aead cipher.AEAD
}

// Open reads the key in dir, or makes it. One process at a time may do that.
func Open(dir string) (*Box, error) {
	path := filepath.Join(dir, keyName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read key of secrets: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != keyLength {
		return nil, fmt.Errorf("read key of secrets: %s must hold %d hexadecimal digits", path, 2*keyLength)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("read key of secrets: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("read key of secrets: %w", err)
	}
	return &Box{aead: aead}, nil
}

// Seal makes a secret unreadable. Purpose says what it is for and is needed to open it.
func (b *Box) Seal(secret, purpose string) []byte {
	return b.aead.Seal(nil, nil, []byte(secret), []byte(purpose))
}

// Open returns a secret that was sealed for that purpose, or ErrSealed.
func (b *Box) Open(sealed []byte, purpose string) (string, error) {
	secret, err := b.aead.Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return "", ErrSealed // the cause tells an attacker more than anybody else
	}
	return string(secret), nil
}

// makeKey writes a new key, whole or not at all, before anything is sealed with it.
func makeKey(path string) (text []byte, err error) {
	key := make([]byte, keyLength)
	_, _ = rand.Read(key) // never fails
	text = []byte(hex.EncodeToString(key) + "\n")
	tmp := path + ".tmp"
	_ = os.Remove(tmp) // of a start that was killed; with its mode
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp, path); err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	return text, errors.Join(dir.Sync(), dir.Close())
}
