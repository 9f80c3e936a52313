package store

import (
	"context"
	"fmt"
)

// MetricsCredentials are the one user of /metrics.
type MetricsCredentials struct {
	Username string
	Password []byte // sealed
}

// EnsureMetricsCredentials returns the credentials there are, or else makes these them.
func (s *Store) EnsureMetricsCredentials(ctx context.Context, fresh MetricsCredentials) (c MetricsCredentials, err error) {
	_, err = s.pool.Exec(ctx, "INSERT INTO tine.metrics_credentials (username, password) VALUES ($1, $2) ON CONFLICT DO NOTHING",
		fresh.Username, fresh.Password)
	if err != nil {
		return c, fmt.Errorf("make credentials for metrics: %w", err)
	}
	return s.MetricsCredentials(ctx)
}

// MetricsCredentials returns the credentials; ErrNotFound if nobody has asked for any yet.
func (s *Store) MetricsCredentials(ctx context.Context) (c MetricsCredentials, err error) {
	err = s.pool.QueryRow(ctx, "SELECT username, password FROM tine.metrics_credentials").Scan(&c.Username, &c.Password)
	if isNoRows(err) {
		err = ErrNotFound
	}
	if err != nil {
		return c, fmt.Errorf("read credentials for metrics: %w", err)
	}
	return c, nil
}

// SetMetricsCredentials replaces the credentials.
func (s *Store) SetMetricsCredentials(ctx context.Context, c MetricsCredentials) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO tine.metrics_credentials (username, password) VALUES ($1, $2)
		ON CONFLICT (one) DO UPDATE SET username = excluded.username, password = excluded.password`, c.Username, c.Password)
	if err != nil {
		return fmt.Errorf("set credentials for metrics: %w", err)
	}
	return nil
}
