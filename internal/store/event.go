package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// The types of events that the store writes by itself; others may add their own with AddEvent. DigitalOcean's names
// are used where it has one.
const (
	EventClusterCreate    = "cluster_create"    // asked for
	EventClusterFork      = "cluster_fork"      // asked for
	EventClusterOnline    = "cluster_online"    // the creation or fork is complete
	EventClusterFailed    = "cluster_failed"    // the creation or fork was given up
	EventClusterUpdate    = "cluster_update"    // settings
	EventClusterDelete    = "cluster_delete"    // destruction asked for
	EventClusterDestroyed = "cluster_destroyed" // destruction complete
	EventMaintenance      = "cluster_maintenance_perform"
	EventDrop             = "drop" // of a collection or a database, by a client
	EventNodeRestart      = "node_restart"
	EventWritesBlocked    = "writes_blocked" // the data have reached the plan's storage
	EventWritesAllowed    = "writes_allowed" // they have not any more
	EventMigrated         = "cluster_migrate_done"
	EventNotMigrated      = "cluster_migrate_failed" // it is where it was
	EventHistoryShortened = "history_shortened"      // the host's pool was nearly full
	EventDamaged          = "data_damaged"           // the disk does not return what was written to it
	EventResumed          = "operation_resumed"      // an interrupted job goes on after a restart of its host
)

// EventRetention is how long events are kept, whether or not their cluster still exists.
const EventRetention = 30 * 24 * time.Hour

// Event is something that happened to a cluster, in words for its owner.
type Event struct {
	ID          int64
	ClusterID   string
	ClusterName string
	Type        string
	Message     string // one sentence
	CreatedAt   time.Time
}

// AddEvent records an event. ClusterName is looked up if it is empty and the cluster exists; CreatedAt is set to the
// present if it is zero.
func (s *Store) AddEvent(ctx context.Context, e Event) error {
	if err := insertEvent(ctx, s.pool, e); err != nil {
		return fmt.Errorf("add event %s of cluster %s: %w", e.Type, e.ClusterID, err)
	}
	return nil
}

// Events returns a cluster's events in the order in which they happened, also when the cluster is gone.
func (s *Store) Events(ctx context.Context, clusterID string) ([]Event, error) {
	if !isUUID(clusterID) {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, `SELECT id, cluster_id, cluster_name, type, message, created_at
		FROM tine.events WHERE cluster_id = $1 ORDER BY id`, clusterID)
	if err != nil {
		return nil, fmt.Errorf("read events of cluster %s: %w", clusterID, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Event, error) {
		var e Event
		err := row.Scan(&e.ID, &e.ClusterID, &e.ClusterName, &e.Type, &e.Message, &e.CreatedAt)
		e.CreatedAt = e.CreatedAt.UTC()
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read events of cluster %s: %w", clusterID, err)
	}
	return list, nil
}

// pruneEvents deletes the events that have outlived EventRetention.
func (s *Store) pruneEvents(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, "DELETE FROM tine.events WHERE created_at < now() - $1::interval", EventRetention)
	if err != nil {
		return fmt.Errorf("prune events: %w", err)
	}
	return nil
}

func insertEvent(ctx context.Context, db execer, e Event) error {
	var at *time.Time
	if !e.CreatedAt.IsZero() {
		micro := micros(e.CreatedAt)
		at = &micro
	}
	_, err := db.Exec(ctx, `INSERT INTO tine.events (cluster_id, cluster_name, type, message, created_at)
		VALUES ($1, coalesce(nullif($2, ''), (SELECT name FROM tine.clusters WHERE id = $1), ''), $3, $4,
			coalesce($5, clock_timestamp()))`,
		e.ClusterID, e.ClusterName, e.Type, e.Message, at)
	return err
}

func creationEvent(c Cluster) Event {
	e := Event{ClusterID: c.ID, ClusterName: c.Name, Type: EventClusterCreate, Message: "The cluster is being created."}
	if !c.IsFork() {
		return e
	}
	e.Type = EventClusterFork
	moment := "its latest state"
	switch {
	case c.ForkLSN != 0:
		moment = "right " + c.ForkSide() + " transaction " + c.ForkTransaction()
	case c.ForkAt != nil:
		moment = "its state at " + c.ForkAt.Format(time.RFC3339Nano)
	}
	e.Message = fmt.Sprintf("The cluster is being forked from %s, %s.", c.SourceName, moment)
	return e
}
