package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// SetOverStorage records whether a cluster's data have reached the storage of its plan, with an event if that is new, in those words. It changes nothing
// if it was known, or the cluster is gone.
func (s *Store) SetOverStorage(ctx context.Context, id string, over bool, message string) (changed bool, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		event := Event{ClusterID: id, Type: EventWritesAllowed, Message: message}
		if over {
			event.Type = EventWritesBlocked
		}
		row := tx.QueryRow(ctx, `SELECT c.name, coalesce((SELECT over_storage FROM tine.cluster_space WHERE cluster_id = c.id), false)
			FROM tine.clusters c WHERE c.id = $1 FOR UPDATE`, id)
		var before bool
		if err := row.Scan(&event.ClusterName, &before); isNoRows(err) || before == over {
			return nil
		} else if err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO tine.cluster_space (cluster_id, over_storage) VALUES ($1, $2)
			ON CONFLICT (cluster_id) DO UPDATE SET over_storage = $2`, id, over)
		if err != nil {
			return err
		}
		changed = true
		return insertEvent(ctx, tx, event)
	})
	if err != nil {
		return false, fmt.Errorf("record storage of cluster %s: %w", id, err)
	}
	return changed, nil
}

// ClusterSpace is what a cluster occupied on its host's disk when that was measured last, in bytes of data.
type ClusterSpace struct {
	ClusterID      string
	ExclusiveBytes int64     // what would be free without the cluster, but for the log
	SharedBytes    int64     // what other clusters refer to as well
	PointsBytes    int64     // of both: what only its restore points refer to, not its data
	WALBytes       int64     // of the history's write-ahead log
	MeasuredAt     time.Time // the zero value: never yet
	OverStorage    bool      // the data have reached the plan's storage, and may not grow
}

// OwnBytes are what would be free without the cluster, the log included.
func (c ClusterSpace) OwnBytes() int64 { return c.ExclusiveBytes + c.WALBytes }

// SetClusterSpace records what clusters occupy; those that are gone are left out.
func (s *Store) SetClusterSpace(ctx context.Context, list []ClusterSpace) error {
	var batch pgx.Batch
	for _, c := range list {
		batch.Queue(`INSERT INTO tine.cluster_space (cluster_id, exclusive_bytes, shared_bytes, points_bytes, wal_bytes, measured_at)
			SELECT id, $2, $3, $4, $5, $6 FROM tine.clusters WHERE id = $1 FOR KEY SHARE
			ON CONFLICT (cluster_id) DO UPDATE SET exclusive_bytes = $2, shared_bytes = $3, points_bytes = $4, wal_bytes = $5, measured_at = $6`,
			c.ClusterID, c.ExclusiveBytes, c.SharedBytes, c.PointsBytes, c.WALBytes, micros(c.MeasuredAt))
	}
	if err := s.pool.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("record space of %d clusters: %w", len(list), err)
	}
	return nil
}

// ClusterSpace returns what a cluster occupies; all zero if it was never measured.
func (s *Store) ClusterSpace(ctx context.Context, id string) (ClusterSpace, error) {
	c := ClusterSpace{ClusterID: id}
	if !isUUID(id) {
		return c, nil
	}
	var at *time.Time
	row := s.pool.QueryRow(ctx, `SELECT exclusive_bytes, shared_bytes, points_bytes, wal_bytes, measured_at, over_storage
		FROM tine.cluster_space WHERE cluster_id = $1`, id)
	err := row.Scan(&c.ExclusiveBytes, &c.SharedBytes, &c.PointsBytes, &c.WALBytes, &at, &c.OverStorage)
	if err != nil && !isNoRows(err) {
		return c, fmt.Errorf("read space of cluster %s: %w", id, err)
	}
	if at != nil {
		c.MeasuredAt = at.UTC()
	}
	return c, nil
}

// ClusterSpaces returns what of these clusters is known, by their ids, in one look.
func (s *Store) ClusterSpaces(ctx context.Context, ids []string) (map[string]ClusterSpace, error) {
	rows, err := s.pool.Query(ctx, `SELECT cluster_id, exclusive_bytes, shared_bytes, points_bytes, wal_bytes, measured_at, over_storage
		FROM tine.cluster_space WHERE cluster_id = ANY($1::uuid[]) AND measured_at IS NOT NULL`, ids)
	if err != nil {
		return nil, fmt.Errorf("read space of clusters: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ClusterSpace])
	if err != nil {
		return nil, fmt.Errorf("read space of clusters: %w", err)
	}
	known := make(map[string]ClusterSpace, len(list))
	for _, c := range list {
		c.MeasuredAt = c.MeasuredAt.UTC()
		known[c.ClusterID] = c
	}
	return known, nil
}
