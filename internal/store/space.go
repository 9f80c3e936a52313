package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// SpaceLevel says how full a pool is, in what its host does because of it. Each does what those before it do, too.
type SpaceLevel string

// The levels, from the first to the last.
const (
	SpaceAmple    SpaceLevel = "ample"    // nothing
	SpaceTight    SpaceLevel = "tight"    // no new clusters
	SpaceShort    SpaceLevel = "short"    // history is shortened
	SpaceCritical SpaceLevel = "critical" // faster, and whatever else can give way does
)

// HostSpace is what one of a host's pools had left when the host looked last.
type HostSpace struct {
	Host                  string
	Pool                  string // as in Cluster
	Level                 SpaceLevel
	TotalBytes, FreeBytes int64
	FreeShare             float64 // from 0 to 1: of data or metadata, whichever is scarcer
	RequiredShare         float64 // that must be free before new clusters are made
	MeasuredAt            time.Time
}

// SetHostSpace records what one of a host's pools has left.
func (s *Store) SetHostSpace(ctx context.Context, p HostSpace) error {
	_, err := s.pool.Exec(ctx, `INSERT INTO tine.pools (`+hostSpaceColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (host, pool) DO UPDATE SET level = $2, total_bytes = $3, free_bytes = $4, free_share = $5, required_share = $6, measured_at = $7`,
		p.Host, string(p.Level), p.TotalBytes, p.FreeBytes, p.FreeShare, p.RequiredShare, micros(p.MeasuredAt), p.Pool)
	if err != nil {
		return fmt.Errorf("record space of host %s: %w", p.Host, err)
	}
	return nil
}

const hostSpaceColumns = `host, level, total_bytes, free_bytes, free_share, required_share, measured_at, pool`

// HostSpace returns what one of a host's pools has left; ErrNotFound before the host has looked.
func (s *Store) HostSpace(ctx context.Context, host, pool string) (HostSpace, error) {
	var p HostSpace
	var level string
	row := s.pool.QueryRow(ctx, "SELECT "+hostSpaceColumns+" FROM tine.pools WHERE host = $1 AND pool = $2", host, pool)
	err := row.Scan(&p.Host, &level, &p.TotalBytes, &p.FreeBytes, &p.FreeShare, &p.RequiredShare, &p.MeasuredAt, &p.Pool)
	if isNoRows(err) {
		err = ErrNotFound
	}
	if err != nil {
		return HostSpace{}, fmt.Errorf("read space of host %s: %w", host, err)
	}
	p.Level, p.MeasuredAt = SpaceLevel(level), p.MeasuredAt.UTC()
	return p, nil
}

// ExpendableRestorePoints returns the oldest restore points in one of a host's pools with which the history of their clusters can do without: never the
// newest of a cluster. Its cost grows with the number of restore points in the pool.
func (s *Store) ExpendableRestorePoints(ctx context.Context, host, pool string, most int) ([]RestorePoint, error) {
	rows, err := s.pool.Query(ctx, "SELECT "+restorePointColumns+` FROM tine.restore_points p
		WHERE cluster_id IN (SELECT c.id FROM tine.clusters c WHERE c.host = $1 AND c.pool = $3 AND c.status <> 'destroying')
			AND EXISTS (SELECT FROM tine.restore_points n WHERE n.cluster_id = p.cluster_id AND (n.completed_at, n.id) > (p.completed_at, p.id))
		ORDER BY completed_at, id LIMIT $2`, host, most, pool)
	if err != nil {
		return nil, fmt.Errorf("read restore points of host %s: %w", host, err)
	}
	list, err := pgx.CollectRows(rows, scanRestorePoint)
	if err != nil {
		return nil, fmt.Errorf("read restore points of host %s: %w", host, err)
	}
	return list, nil
}
