package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// SetUpdatePending records whether the next start of a cluster's node is an update. That there is one is an event. It changes nothing if it was known, or the
// cluster is gone or being destroyed.
func (s *Store) SetUpdatePending(ctx context.Context, id string, pending bool) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		event := Event{
			ClusterID: id, Type: EventClusterUpdate,
			Message: "An update of the engine or its settings is ready: the node will be started again in the maintenance window, or by install_update.",
		}
		row := tx.QueryRow(ctx, `UPDATE tine.clusters SET update_pending = $2
			WHERE id = $1 AND update_pending <> $2 AND status <> 'destroying' RETURNING name`, id, pending)
		if err := row.Scan(&event.ClusterName); isNoRows(err) {
			return nil
		} else if err != nil {
			return err
		}
		if !pending {
			return nil // what started the node has its own event
		}
		return insertEvent(ctx, tx, event)
	})
	if err != nil {
		return fmt.Errorf("record update of cluster %s: %w", id, err)
	}
	return nil
}

// ClustersToUpdate returns the online clusters for which an update is pending, but for those that are suspended: what wakes one starts it with the update. Its cost grows with the number of clusters.
func (s *Store) ClustersToUpdate(ctx context.Context) ([]Cluster, error) {
	return s.clusters(ctx, "update_pending AND status = 'online' AND suspended_at IS NULL ORDER BY created_at, id")
}
