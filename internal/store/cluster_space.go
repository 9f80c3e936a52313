package store

import (
	"context"
	"fmt"

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
