package store

import (
	"context"
	"fmt"
)

// Identity names what the store remembers: another database has another, a copy of this one the same. It is when its tables were made.
func (s *Store) Identity(ctx context.Context) (string, error) {
	var made string
	row := s.pool.QueryRow(ctx, `SELECT to_char(min(tstamp), 'YYYY-MM-DD"T"HH24:MI:SS.US') FROM tine.schema_version`)
	if err := row.Scan(&made); err != nil {
		return "", fmt.Errorf("read identity of the store: %w", err)
	}
	return made, nil
}
