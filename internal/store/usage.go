package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Charge is what the meter must know of a cluster beyond its row.
type Charge struct {
	MonthlyPrice int64 // millionths of a US dollar, for all nodes and their storage
	SharedBytes  int64 // what a fork did not copy when it was made; else 0
}

// Usage is a time in which a cluster did not change what it costs.
type Usage struct {
	ClusterID, ClusterName string
	ProjectID              string
	SourceID, SourceName   string // empty unless the cluster is a fork
	Size                   string
	NumNodes               int
	StorageMiB             int64
	Charge                 Charge
	From                   time.Time
	To                     time.Time // the zero value while it goes on
}

const usageColumns = `cluster_id, cluster_name, project_id, coalesce(source_id::text, ''), source_name, size, num_nodes, storage_mib,
	monthly_price, shared_bytes, from_at, to_at`

// Usage returns all usage of which some lies between from and to, by cluster, the oldest first, and time. Its cost grows with the usage since from.
func (s *Store) Usage(ctx context.Context, from, to time.Time) ([]Usage, error) {
	rows, err := s.pool.Query(ctx, "SELECT "+usageColumns+` FROM tine.usage
		WHERE (to_at IS NULL OR to_at > $1) AND from_at < $2 AND (to_at > from_at) IS NOT FALSE
		ORDER BY min(id) OVER (PARTITION BY cluster_id), from_at, id`, from, to)
	if err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanUsage)
	if err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	return list, nil
}

// FirstUsage is when the first cluster was made; the zero value if there never was one.
func (s *Store) FirstUsage(ctx context.Context) (time.Time, error) {
	var first *time.Time
	if err := s.pool.QueryRow(ctx, "SELECT min(from_at) FROM tine.usage").Scan(&first); err != nil {
		return time.Time{}, fmt.Errorf("read usage: %w", err)
	}
	if first == nil {
		return time.Time{}, nil
	}
	return first.UTC(), nil
}

// StartMeter opens the usage of a cluster that has none because it is older than the meter. It is charged from now on.
func (s *Store) StartMeter(ctx context.Context, c Cluster) error {
	c.CreatedAt = micros(time.Now())
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var metered bool
		row := tx.QueryRow(ctx, `SELECT c.status = 'destroying' OR c.status = 'failed' OR EXISTS (SELECT FROM tine.usage u WHERE u.cluster_id = c.id)
			FROM tine.clusters c WHERE c.id = $1 FOR UPDATE`, c.ID)
		if err := row.Scan(&metered); isNoRows(err) || metered {
			return nil
		} else if err != nil {
			return err
		}
		return startMeter(ctx, tx, c)
	})
	if err != nil {
		return fmt.Errorf("start meter of cluster %s: %w", c.ID, err)
	}
	return nil
}

// startMeter opens a cluster's first usage.
func startMeter(ctx context.Context, tx pgx.Tx, c Cluster) error {
	_, err := tx.Exec(ctx, `INSERT INTO tine.usage (cluster_id, cluster_name, project_id, source_id, source_name, shared_bytes, size,
			num_nodes, storage_mib, monthly_price, from_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		c.ID, c.Name, c.ProjectID, uuidOrNull(c.SourceID), c.SourceName, c.Charge.SharedBytes, c.Size,
		c.NumNodes, c.StorageMiB, c.Charge.MonthlyPrice, c.CreatedAt)
	return err
}

// resumeMeter opens a cluster's next usage, at the moment at which the last one ended.
func resumeMeter(ctx context.Context, tx pgx.Tx, id string, charge Charge) error {
	_, err := tx.Exec(ctx, `INSERT INTO tine.usage (cluster_id, cluster_name, project_id, source_id, source_name, shared_bytes, size,
			num_nodes, storage_mib, monthly_price, from_at)
		SELECT c.id, c.name, c.project_id, c.source_id, c.source_name, coalesce(last.shared_bytes, 0), c.size, c.num_nodes, c.storage_mib, $2,
			coalesce(last.to_at, now())
		FROM tine.clusters c
		LEFT JOIN LATERAL (SELECT * FROM tine.usage u WHERE u.cluster_id = c.id ORDER BY u.from_at DESC, u.id DESC LIMIT 1) last ON true
		WHERE c.id = $1`, id, charge.MonthlyPrice)
	return err
}

// stopMeter ends a cluster's usage.
func stopMeter(ctx context.Context, tx pgx.Tx, id string) error {
	_, err := tx.Exec(ctx, "UPDATE tine.usage SET to_at = greatest(from_at, now()) WHERE cluster_id = $1 AND to_at IS NULL", id)
	return err
}

// forgive makes a cluster that never came to be cost nothing.
func forgive(ctx context.Context, tx pgx.Tx, id string) error {
	_, err := tx.Exec(ctx, "UPDATE tine.usage SET to_at = from_at WHERE cluster_id = $1 AND to_at IS NULL", id)
	return err
}

func scanUsage(row pgx.CollectableRow) (Usage, error) {
	var (
		u  Usage
		to *time.Time
	)
	err := row.Scan(&u.ClusterID, &u.ClusterName, &u.ProjectID, &u.SourceID, &u.SourceName, &u.Size, &u.NumNodes, &u.StorageMiB,
		&u.Charge.MonthlyPrice, &u.Charge.SharedBytes, &u.From, &to)
	u.From = u.From.UTC()
	if to != nil {
		u.To = to.UTC()
	}
	return u, err
}
