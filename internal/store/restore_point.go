package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// RestorePoint is a snapshot of a cluster's live volume. Its cluster can be forked at any time from CompletedAt on.
type RestorePoint struct {
	ID        int64
	ClusterID string
	Volume    string // name in the host's pool
	// StartedAt is before the checkpoint that precedes the snapshot, CompletedAt after the snapshot: every write
	// acknowledged before StartedAt is in it, none that started after CompletedAt.
	StartedAt, CompletedAt time.Time
	RedoLSN                uint64 // where recovery of the snapshot begins
	EndLSN                 uint64 // end of the WAL that the snapshot itself contains
	MarkerLSN              uint64 // commit of the marker transaction, 0 if there is none
	Timeline               int
	SizeBytes              int64 // bytes that the snapshot refers to, shared or not
}

const restorePointColumns = `id, cluster_id, volume, started_at, completed_at, redo_lsn, end_lsn, marker_lsn, timeline, size_bytes`

// AddRestorePoint records a restore point and returns it with its ID. ErrNotFound if its cluster is gone: then the caller must remove
// the snapshot again.
func (s *Store) AddRestorePoint(ctx context.Context, p RestorePoint) (RestorePoint, error) {
	return s.addRestorePoint(ctx, p, false)
}

// AddFirstRestorePoint is AddRestorePoint for a cluster that nobody uses before something else of it is recorded: until then a crash may lose it.
func (s *Store) AddFirstRestorePoint(ctx context.Context, p RestorePoint) (RestorePoint, error) {
	return s.addRestorePoint(ctx, p, true)
}

func (s *Store) addRestorePoint(ctx context.Context, p RestorePoint, lazily bool) (RestorePoint, error) {
	p.StartedAt, p.CompletedAt = micros(p.StartedAt), micros(p.CompletedAt)
	row := s.pool.QueryRow(ctx, `INSERT INTO tine.restore_points
			(cluster_id, volume, started_at, completed_at, redo_lsn, end_lsn, marker_lsn, timeline, size_bytes)
		SELECT id, $2, $3, $4, $5, $6, $7, $8, $9 FROM tine.clusters WHERE id = $1 AND (NOT $10 OR `+lazyCommit+`)
		FOR KEY SHARE RETURNING id`,
		p.ClusterID, p.Volume, p.StartedAt, p.CompletedAt, int64(p.RedoLSN), int64(p.EndLSN), int64(p.MarkerLSN),
		p.Timeline, p.SizeBytes, lazily)
	err := row.Scan(&p.ID)
	if isNoRows(err) {
		err = ErrNotFound
	}
	if err != nil {
		return RestorePoint{}, fmt.Errorf("add restore point of cluster %s: %w", p.ClusterID, err)
	}
	return p, nil
}

// SetRestorePointSize records how much data a restore point holds; nil if it is gone.
func (s *Store) SetRestorePointSize(ctx context.Context, id, bytes int64) error {
	if _, err := s.pool.Exec(ctx, "UPDATE tine.restore_points SET size_bytes = $2 WHERE id = $1", id, bytes); err != nil {
		return fmt.Errorf("set size of restore point %d: %w", id, err)
	}
	return nil
}

// RestorePoints returns a cluster's restore points in the order of their completion; none if the cluster is gone.
func (s *Store) RestorePoints(ctx context.Context, clusterID string) ([]RestorePoint, error) {
	return s.restorePoints(ctx, clusterID, "")
}

// OldestRestorePoint returns the one with which a cluster's history begins; ErrNotFound while there is none.
func (s *Store) OldestRestorePoint(ctx context.Context, clusterID string) (RestorePoint, error) {
	list, err := s.restorePoints(ctx, clusterID, " LIMIT 1")
	if err != nil {
		return RestorePoint{}, err
	}
	if len(list) == 0 {
		return RestorePoint{}, fmt.Errorf("read oldest restore point of cluster %s: %w", clusterID, ErrNotFound)
	}
	return list[0], nil
}

// DeleteRestorePoint forgets a restore point; nil if it is gone already. Its volume must not be deleted before, or
// a fork may choose a restore point that is no more.
func (s *Store) DeleteRestorePoint(ctx context.Context, id int64) error {
	if _, err := s.pool.Exec(ctx, "DELETE FROM tine.restore_points WHERE id = $1", id); err != nil {
		return fmt.Errorf("delete restore point %d: %w", id, err)
	}
	return nil
}

func (s *Store) restorePoints(ctx context.Context, clusterID, limit string) ([]RestorePoint, error) {
	if !isUUID(clusterID) {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, "SELECT "+restorePointColumns+
		" FROM tine.restore_points WHERE cluster_id = $1 ORDER BY completed_at, id"+limit, clusterID)
	if err != nil {
		return nil, fmt.Errorf("read restore points of cluster %s: %w", clusterID, err)
	}
	list, err := pgx.CollectRows(rows, scanRestorePoint)
	if err != nil {
		return nil, fmt.Errorf("read restore points of cluster %s: %w", clusterID, err)
	}
	return list, nil
}

func scanRestorePoint(row pgx.CollectableRow) (RestorePoint, error) {
	var p RestorePoint
	// PostgreSQL has no unsigned integers; an LSN would need 9 exabytes of WAL to reach the sign.
	var redo, end, marker int64
	err := row.Scan(&p.ID, &p.ClusterID, &p.Volume, &p.StartedAt, &p.CompletedAt, &redo, &end, &marker, &p.Timeline, &p.SizeBytes)
	p.StartedAt, p.CompletedAt = p.StartedAt.UTC(), p.CompletedAt.UTC()
	p.RedoLSN, p.EndLSN, p.MarkerLSN = uint64(redo), uint64(end), uint64(marker)
	return p, err
}
