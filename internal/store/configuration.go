package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Configuration is what can be changed of what a cluster is.
type Configuration struct {
	Region, Size string
	NumNodes     int
	StorageMiB   int64
	Charge       Charge // from now on
}

// Reconfigure changes an online cluster's configuration and queues the job that carries it out. Until that is done the cluster's status is
// resizing, or migrating if its region changes; it is served meanwhile. ErrNotOnline if it is in any other state, ErrNotFound if there is none.
//
// before is the cluster that the configuration was decided for: ErrChanged if somebody has changed it since, or the decision would undo that.
func (s *Store) Reconfigure(ctx context.Context, before Cluster, to Configuration) error {
	return s.changeAsSeen(ctx, before, func(tx pgx.Tx, c Cluster) error {
		id := c.ID
		status, event := StatusResizing, resizeEvent(c, to)
		if to.Region != c.Region {
			status = StatusMigrating
			event.Message = fmt.Sprintf("The cluster is being migrated from %s to %s.", c.Region, to.Region)
		}
		_, err := tx.Exec(ctx, "UPDATE tine.clusters SET region = $2, size = $3, num_nodes = $4, storage_mib = $5, status = $6 WHERE id = $1",
			id, to.Region, to.Size, to.NumNodes, to.StorageMiB, status)
		if err != nil {
			return err
		}
		if err := stopMeter(ctx, tx, id); err != nil {
			return err
		}
		if err := resumeMeter(ctx, tx, id, to.Charge); err != nil {
			return err
		}
		if err := insertEvent(ctx, tx, event); err != nil {
			return err
		}
		job := ReconfigureJob{ClusterID: id}
		row := tx.QueryRow(ctx, "UPDATE tine.clusters SET settings_revision = settings_revision + 1 WHERE id = $1 RETURNING settings_revision", id)
		if err := row.Scan(&job.Revision); err != nil {
			return err
		}
		return s.queue(ctx, tx, c.Host, job)
	})
}

func resizeEvent(c Cluster, to Configuration) Event {
	return Event{
		ClusterID: c.ID, ClusterName: c.Name, Type: EventClusterUpdate,
		Message: fmt.Sprintf("The cluster is being resized from %s with %d MiB to %s with %d MiB.", c.Size, c.StorageMiB, to.Size, to.StorageMiB),
	}
}

// FinishReconfiguration makes a cluster online whose node runs with nodeSize. It changes nothing if another state was asked for meanwhile.
func (s *Store) FinishReconfiguration(ctx context.Context, id, nodeSize string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		event := Event{ClusterID: id, Type: EventClusterUpdate, Message: "The change of the cluster is complete."}
		row := tx.QueryRow(ctx, `UPDATE tine.clusters SET status = 'online', node_size = $2
			WHERE id = $1 AND status IN ('resizing', 'migrating') RETURNING name`, id, nodeSize)
		if err := row.Scan(&event.ClusterName); isNoRows(err) {
			return nil
		} else if err != nil {
			return err
		}
		return insertEvent(ctx, tx, event)
	})
	if err != nil {
		return fmt.Errorf("finish change of cluster %s: %w", id, err)
	}
	return nil
}

// QueueMaintenance asks for a restart of an online cluster's node on the engine that is installed now. Errors as with Reconfigure. The node is started after the
// call: a request shares the job of another one only if that has not begun.
func (s *Store) QueueMaintenance(ctx context.Context, id string) error {
	return s.queueMaintenance(ctx, id, "available", "pending", "scheduled", "retryable")
}

// QueueDueMaintenance is QueueMaintenance for who comes again as long as an update is pending: it does nothing while a restart is under way.
func (s *Store) QueueDueMaintenance(ctx context.Context, id string) error {
	return s.queueMaintenance(ctx, id, "available", "pending", "scheduled", "retryable", "running")
}

// queueMaintenance queues a job unless one is in any of those states.
func (s *Store) queueMaintenance(ctx context.Context, id string, unless ...string) error {
	return s.changeOnline(ctx, id, func(tx pgx.Tx, c Cluster) error {
		job := MaintenanceJob{ClusterID: id, Requested: time.Now().UnixMicro()}
		var shared bool
		row := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM tine.river_job
			WHERE kind = $1 AND args ->> 'cluster_id' = $2 AND state::text = ANY($3))`, job.Kind(), id, unless)
		if err := row.Scan(&shared); err != nil || shared {
			return err
		}
		event := Event{ClusterID: id, ClusterName: c.Name, Type: EventMaintenance, Message: "The updates are being installed: the node is started again."}
		if err := insertEvent(ctx, tx, event); err != nil {
			return err
		}
		return s.queue(ctx, tx, c.Host, job)
	})
}

// SetVersion changes an online cluster's version and queues the job that puts it in force. before and errors as with Reconfigure.
func (s *Store) SetVersion(ctx context.Context, before Cluster, version string) error {
	return s.changeAsSeen(ctx, before, func(tx pgx.Tx, c Cluster) error {
		message := fmt.Sprintf("The cluster was upgraded from version %s to %s.", c.Version, version)
		return s.changeSettings(ctx, tx, c, message, "version = $2", version)
	})
}

// SetSettings replaces a served cluster's settings and queues the job that puts them in force. ErrNotFound if there is no such cluster, or it is being
// destroyed.
func (s *Store) SetSettings(ctx context.Context, id string, change func(Settings) Settings) error {
	return s.changeCluster(ctx, id, func(tx pgx.Tx, c Cluster) error {
		before, err := c.Settings()
		if err != nil {
			return err
		}
		text, err := json.Marshal(change(before))
		if err != nil {
			return fmt.Errorf("encode settings: %w", err)
		}
		return s.changeSettings(ctx, tx, c, "The configuration was changed.", "settings = $2", json.RawMessage(text))
	})
}

// SetMaintenance changes when a cluster's node may be restarted. ErrNotFound as with SetSettings.
func (s *Store) SetMaintenance(ctx context.Context, id string, w MaintenanceWindow) error {
	return s.changeCluster(ctx, id, func(tx pgx.Tx, c Cluster) error {
		_, err := tx.Exec(ctx, "UPDATE tine.clusters SET maintenance_day = $2, maintenance_hour = $3 WHERE id = $1", id, w.Day, w.Hour)
		if err != nil {
			return err
		}
		message := fmt.Sprintf("The maintenance window was moved to %s, %s UTC.", w.Day, w.Hour)
		return insertEvent(ctx, tx, Event{ClusterID: id, ClusterName: c.Name, Type: EventClusterUpdate, Message: message})
	})
}

// SetAutoscale changes when a cluster's storage grows by itself. ErrNotFound as with SetSettings.
func (s *Store) SetAutoscale(ctx context.Context, id string, a Autoscale) error {
	return s.changeCluster(ctx, id, func(tx pgx.Tx, c Cluster) error {
		_, err := tx.Exec(ctx, `UPDATE tine.clusters SET autoscale_enabled = $2, autoscale_threshold = $3, autoscale_increment = $4
			WHERE id = $1`, id, a.Enabled, a.ThresholdPercent, a.IncrementGiB)
		if err != nil {
			return err
		}
		message := "The storage no longer grows by itself."
		if a.Enabled {
			message = fmt.Sprintf("The storage grows by itself by %d GiB when %d %% of it are used.", a.IncrementGiB, a.ThresholdPercent)
		}
		return insertEvent(ctx, tx, Event{ClusterID: id, ClusterName: c.Name, Type: EventClusterUpdate, Message: message})
	})
}

// AutoscaledClusters returns the online clusters whose storage grows by itself, with the bytes that the data of each took at its newest
// restore point. Its cost grows with those clusters.
func (s *Store) AutoscaledClusters(ctx context.Context) (clusters []Cluster, used []int64, err error) {
	clusters, err = s.clusters(ctx, "autoscale_enabled AND status = 'online' ORDER BY created_at, id")
	if err != nil {
		return nil, nil, err
	}
	used = make([]int64, len(clusters))
	for i, c := range clusters {
		row := s.pool.QueryRow(ctx, `SELECT size_bytes FROM tine.restore_points WHERE cluster_id = $1
			ORDER BY completed_at DESC, id DESC LIMIT 1`, c.ID)
		if err := row.Scan(&used[i]); err != nil && !isNoRows(err) {
			return nil, nil, fmt.Errorf("read size of cluster %s: %w", c.Name, err)
		}
	}
	return clusters, used, nil
}

// changeSettings sets columns of which the gateway must learn.
func (s *Store) changeSettings(ctx context.Context, tx pgx.Tx, c Cluster, message, set string, value any) error {
	job := SettingsJob{ClusterID: c.ID}
	row := tx.QueryRow(ctx, "UPDATE tine.clusters SET settings_revision = settings_revision + 1, "+set+
		" WHERE id = $1 RETURNING settings_revision", c.ID, value)
	if err := row.Scan(&job.Revision); err != nil {
		return err
	}
	if err := insertEvent(ctx, tx, Event{ClusterID: c.ID, ClusterName: c.Name, Type: EventClusterUpdate, Message: message}); err != nil {
		return err
	}
	return s.queue(ctx, tx, c.Host, job)
}

// changeAsSeen changes an online cluster that still is what the caller has seen.
func (s *Store) changeAsSeen(ctx context.Context, before Cluster, change func(pgx.Tx, Cluster) error) error {
	return s.changeOnline(ctx, before.ID, func(tx pgx.Tx, c Cluster) error {
		if c.Version != before.Version || c.Region != before.Region || c.Size != before.Size || c.NumNodes != before.NumNodes ||
			c.StorageMiB != before.StorageMiB {
			return ErrChanged
		}
		return change(tx, c)
	})
}

func (s *Store) changeOnline(ctx context.Context, id string, change func(pgx.Tx, Cluster) error) error {
	return s.changeCluster(ctx, id, func(tx pgx.Tx, c Cluster) error {
		if c.Status != StatusOnline {
			return ErrNotOnline
		}
		return change(tx, c)
	})
}

// changeCluster runs change on a cluster that nobody else changes meanwhile and that is not being destroyed.
func (s *Store) changeCluster(ctx context.Context, id string, change func(pgx.Tx, Cluster) error) error {
	if !isUUID(id) {
		return fmt.Errorf("change cluster %q: %w", id, ErrNotFound)
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT "+clusterColumns+" FROM tine.clusters WHERE id = $1 AND status <> 'destroying' FOR UPDATE", id)
		if err != nil {
			return err
		}
		c, err := pgx.CollectExactlyOneRow(rows, scanCluster)
		if isNoRows(err) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		return change(tx, c)
	})
	if err != nil {
		return fmt.Errorf("change cluster %s: %w", id, err)
	}
	return nil
}
