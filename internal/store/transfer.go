package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Transfer is what is being sent of a cluster to another pool: for a fork in another region than its source, or for a cluster that migrates.
type Transfer struct {
	ClusterID            string
	FromRegion, ToRegion string
	ToPool               string // as in Cluster
	SentBytes            int64
	KeptBytes            int64 // of those, what need not be sent again after an interruption
	TotalBytes           int64 // an estimate; 0 while there is none
	BytesPerSecond       int64 // of late
	StartedAt, UpdatedAt time.Time
}

// Left is how long the rest takes if it goes on as of late; ok is false while nobody knows.
func (t Transfer) Left() (left time.Duration, ok bool) {
	if t.TotalBytes == 0 || t.BytesPerSecond == 0 {
		return 0, false
	}
	rest := max(t.TotalBytes-t.SentBytes, 0)
	return time.Duration(float64(rest) / float64(t.BytesPerSecond) * float64(time.Second)), true
}

// Transfer returns what is being sent of a cluster; ErrNotFound if nothing is.
func (s *Store) Transfer(ctx context.Context, clusterID string) (Transfer, error) {
	t := Transfer{ClusterID: clusterID}
	row := s.pool.QueryRow(ctx, `SELECT from_region, to_region, to_pool, sent_bytes, kept_bytes, total_bytes, bytes_per_second, started_at, updated_at
		FROM tine.transfers WHERE cluster_id = $1`, clusterID)
	err := row.Scan(&t.FromRegion, &t.ToRegion, &t.ToPool, &t.SentBytes, &t.KeptBytes, &t.TotalBytes, &t.BytesPerSecond, &t.StartedAt, &t.UpdatedAt)
	if isNoRows(err) {
		err = ErrNotFound
	}
	if err != nil {
		return Transfer{}, fmt.Errorf("read transfer of cluster %s: %w", clusterID, err)
	}
	t.StartedAt, t.UpdatedAt = t.StartedAt.UTC(), t.UpdatedAt.UTC()
	return t, nil
}

// BeginTransfer records that something is sent of a cluster, and returns what is known of that already if it was begun before.
func (s *Store) BeginTransfer(ctx context.Context, t Transfer) (Transfer, error) {
	if err := insertTransfer(ctx, s.pool, t); err != nil {
		return Transfer{}, fmt.Errorf("begin transfer of cluster %s: %w", t.ClusterID, err)
	}
	return s.Transfer(ctx, t.ClusterID)
}

func insertTransfer(ctx context.Context, db execer, t Transfer) error {
	_, err := db.Exec(ctx, `INSERT INTO tine.transfers (cluster_id, from_region, to_region, to_pool) SELECT id, $2, $3, $4 FROM tine.clusters WHERE id = $1
		ON CONFLICT (cluster_id) DO NOTHING`, t.ClusterID, t.FromRegion, t.ToRegion, t.ToPool)
	return err
}

// SetTransferProgress records how far a transfer is. wanted is false if nobody wants it any more: its cluster is being destroyed, or gone.
func (s *Store) SetTransferProgress(ctx context.Context, t Transfer) (wanted bool, err error) {
	row := s.pool.QueryRow(ctx, `UPDATE tine.transfers x SET sent_bytes = $2, kept_bytes = $3, total_bytes = $4, bytes_per_second = $5, updated_at = clock_timestamp()
		FROM tine.clusters c WHERE x.cluster_id = $1 AND c.id = x.cluster_id RETURNING c.status IN ('forking', 'migrating')`,
		t.ClusterID, t.SentBytes, t.KeptBytes, t.TotalBytes, t.BytesPerSecond)
	if err := row.Scan(&wanted); err != nil && !isNoRows(err) {
		return false, fmt.Errorf("record transfer of cluster %s: %w", t.ClusterID, err)
	}
	return wanted, nil
}

func endTransfer(ctx context.Context, tx pgx.Tx, clusterID string) error {
	_, err := tx.Exec(ctx, "DELETE FROM tine.transfers WHERE cluster_id = $1", clusterID)
	return err
}

// BeginMigration asks for an online cluster to be moved to another pool of its host, which is that of the region to. Until that is done its status is migrating, and it
// is served where it was. before and errors as with Reconfigure.
func (s *Store) BeginMigration(ctx context.Context, before Cluster, region, pool string) error {
	return s.changeAsSeen(ctx, before, func(tx pgx.Tx, c Cluster) error {
		if _, err := tx.Exec(ctx, "UPDATE tine.clusters SET status = 'migrating' WHERE id = $1", c.ID); err != nil {
			return err
		}
		t := Transfer{ClusterID: c.ID, FromRegion: c.Region, ToRegion: region, ToPool: pool}
		if err := insertTransfer(ctx, tx, t); err != nil {
			return err
		}
		event := Event{
			ClusterID: c.ID, ClusterName: c.Name, Type: EventClusterUpdate,
			Message: fmt.Sprintf("The cluster is being migrated from %s to %s, with its whole history.", c.Region, region),
		}
		if err := insertEvent(ctx, tx, event); err != nil {
			return err
		}
		job := ReconfigureJob{ClusterID: c.ID}
		row := tx.QueryRow(ctx, "UPDATE tine.clusters SET settings_revision = settings_revision + 1 WHERE id = $1 RETURNING settings_revision", c.ID)
		if err := row.Scan(&job.Revision); err != nil {
			return err
		}
		return s.queue(ctx, tx, c.Host, job)
	})
}

// MoveCluster says that a cluster that migrates is in its new region from now on: what it has there is complete, and its node runs nowhere. moved is false, and nothing is
// changed, if nobody wants the migration any more. With ErrUnknown it may be said all the same, also later; it may be repeated.
func (s *Store) MoveCluster(ctx context.Context, id string) (moved bool, err error) {
	tag, err := s.pool.Exec(ctx, `UPDATE tine.clusters c SET region = x.to_region, pool = x.to_pool
		FROM tine.transfers x WHERE c.id = $1 AND x.cluster_id = c.id AND c.status = 'migrating'`, id)
	if err != nil {
		return false, fmt.Errorf("move cluster %s: %w", id, unknown(err))
	}
	return tag.RowsAffected() == 1, nil
}

// unknown marks the errors of a statement after which nobody knows whether it was carried out: the connection was lost, or the caller did not wait.
func unknown(err error) error {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Severity == "ERROR" || pgconn.SafeToRetry(err) {
		return err
	}
	return errors.Join(err, ErrUnknown)
}

// EndMigration makes a cluster online again, wherever it is; sentence is for its owner. It changes nothing if no migration is under way.
func (s *Store) EndMigration(ctx context.Context, id, kind, sentence string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		event := Event{ClusterID: id, Type: kind, Message: sentence}
		row := tx.QueryRow(ctx, "UPDATE tine.clusters SET status = 'online' WHERE id = $1 AND status = 'migrating' RETURNING name", id)
		if err := row.Scan(&event.ClusterName); isNoRows(err) {
			return nil
		} else if err != nil {
			return err
		}
		if err := endTransfer(ctx, tx, id); err != nil {
			return err
		}
		return insertEvent(ctx, tx, event)
	})
	if err != nil {
		return fmt.Errorf("end migration of cluster %s: %w", id, err)
	}
	return nil
}
