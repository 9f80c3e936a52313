package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// EventExpiry says when a cluster will be destroyed by itself.
const EventExpiry = "cluster_expiry"

// SetExpiry changes when a cluster is destroyed by itself; nil means never. ErrNotFound if there is no such cluster, or it is being destroyed.
func (s *Store) SetExpiry(ctx context.Context, id string, at *time.Time) error {
	return s.changeCluster(ctx, id, func(tx pgx.Tx, c Cluster) error {
		message := "The cluster no longer expires."
		if at != nil {
			*at = micros(*at)
			message = fmt.Sprintf("The cluster expires at %s: it is destroyed then, unless that is changed.", at.Format(time.RFC3339))
		}
		if _, err := tx.Exec(ctx, "UPDATE tine.clusters SET expires_at = $2, expiry_announced = false WHERE id = $1", id, at); err != nil {
			return err
		}
		return insertEvent(ctx, tx, Event{ClusterID: id, ClusterName: c.Name, Type: EventExpiry, Message: message})
	})
}

// AnnounceExpiries writes an event for each cluster that expires before a moment, once.
func (s *Store) AnnounceExpiries(ctx context.Context, before time.Time) error {
	_, err := s.pool.Exec(ctx, `
		WITH soon AS (
			UPDATE tine.clusters SET expiry_announced = true
			WHERE expires_at <= $1 AND NOT expiry_announced AND status <> 'destroying'
			RETURNING id, name, expires_at)
		INSERT INTO tine.events (cluster_id, cluster_name, type, message, created_at)
		SELECT id, name, $2, 'The cluster expires at ' || to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
			|| ': it will be destroyed with its data and its history, unless that is changed.', clock_timestamp() FROM soon`, before, EventExpiry)
	if err != nil {
		return fmt.Errorf("announce expiries: %w", err)
	}
	return nil
}

// ExpiredClusters returns the clusters whose time is over and was announced, and that nothing is being done with.
func (s *Store) ExpiredClusters(ctx context.Context, now time.Time) ([]Cluster, error) {
	return s.clusters(ctx, "expires_at <= $1 AND expiry_announced AND status IN ('online', 'failed') ORDER BY expires_at, id", now)
}

// Expire asks for the destruction of a cluster if it is still one that ExpiredClusters would return; else it does nothing.
func (s *Store) Expire(ctx context.Context, id string, now time.Time) error {
	return s.changeCluster(ctx, id, func(tx pgx.Tx, c Cluster) error {
		var over bool
		const sql = `SELECT coalesce(expires_at <= $2, false) AND expiry_announced AND status IN ('online', 'failed') FROM tine.clusters WHERE id = $1`
		if err := tx.QueryRow(ctx, sql, id, now).Scan(&over); err != nil || !over {
			return err
		}
		return s.markDestroying(ctx, tx, c.ID, "The cluster has expired and is being destroyed.")
	})
}
