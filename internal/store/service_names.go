package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// SetServiceNames replaces the names that clients reach a cluster by, beside the gateway's own. ErrNotFound if there is no such cluster, or it is
// being destroyed.
func (s *Store) SetServiceNames(ctx context.Context, id string, names []string) error {
	err := s.changeLocked(ctx, id, "The names of the service were changed.", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE tine.clusters SET service_names = $2 WHERE id = $1", id, append([]string{}, names...))
		return err
	})
	if err != nil {
		return fmt.Errorf("set service names of cluster %s: %w", id, err)
	}
	return nil
}

// ServiceNames returns the names of all clusters.
func (s *Store) ServiceNames(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, "SELECT DISTINCT unnest(service_names) FROM tine.clusters WHERE status <> 'destroying'")
	if err != nil {
		return nil, fmt.Errorf("read service names: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read service names: %w", err)
	}
	return names, nil
}
