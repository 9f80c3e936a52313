package fleet

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
	"unicode/utf8"

	"tine/internal/store"
)

const (
	metricsPurpose = "metrics credentials"
	metricsUser    = "metrics" // unless another name is set
)

// MetricsCredentials are the one user of /metrics, beside those who have a token.
type MetricsCredentials struct {
	Username, Password string
}

// MetricsCredentials returns the credentials, and makes them when they are asked for first.
func (f *Fleet) MetricsCredentials(ctx context.Context) (MetricsCredentials, error) {
	row, err := f.cfg.Store.MetricsCredentials(ctx)
	if errors.Is(err, store.ErrNotFound) {
		row, err = f.makeMetricsCredentials(ctx)
	}
	if err != nil {
		return MetricsCredentials{}, err
	}
	password, err := f.openSecret(row.Password, metricsPurpose)
	return MetricsCredentials{Username: row.Username, Password: password}, err
}

func (f *Fleet) makeMetricsCredentials(ctx context.Context) (store.MetricsCredentials, error) {
	password, err := newPassword(f.cfg.Random)
	if err != nil {
		return store.MetricsCredentials{}, err
	}
	sealed, err := f.sealSecret(password, metricsPurpose)
	if err != nil {
		return store.MetricsCredentials{}, err
	}
	return f.cfg.Store.EnsureMetricsCredentials(ctx, store.MetricsCredentials{Username: metricsUser, Password: sealed})
}

// SetMetricsCredentials replaces the credentials.
func (f *Fleet) SetMetricsCredentials(ctx context.Context, c MetricsCredentials) error {
	const shortest, longest = 8, 255
	if n := utf8.RuneCountInString(c.Username); n == 0 || n > longest || strings.ContainsFunc(c.Username, notInBasicAuth) || strings.Contains(c.Username, ":") {
		return invalid("credentials.basic_auth_username", "must be 1 to %d characters without colons and control characters", longest)
	}
	if n := utf8.RuneCountInString(c.Password); n < shortest || n > longest || strings.ContainsFunc(c.Password, notInBasicAuth) {
		return invalid("credentials.basic_auth_password", "must be %d to %d characters without control characters", shortest, longest)
	}
	sealed, err := f.sealSecret(c.Password, metricsPurpose)
	if err != nil {
		return err
	}
	return f.cfg.Store.SetMetricsCredentials(ctx, store.MetricsCredentials{Username: c.Username, Password: sealed})
}

func notInBasicAuth(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }

// MayReadMetrics says whether these are the credentials. How long it takes tells nothing of how they differ.
func (f *Fleet) MayReadMetrics(ctx context.Context, c MetricsCredentials) (bool, error) {
	if _, err := f.cfg.Store.MetricsCredentials(ctx); errors.Is(err, store.ErrNotFound) {
		return false, nil // nobody has any yet
	}
	want, err := f.MetricsCredentials(ctx)
	if err != nil {
		return false, err
	}
	return sameText(c.Username, want.Username)&sameText(c.Password, want.Password) == 1, nil
}

// sameText compares hashes, which are of one length whatever the texts' are.
func sameText(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}
