package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// EventLogSink is the type of events about the delivery of logs.
const EventLogSink = "log_sink"

// LogSink is where the logs of a cluster are delivered to.
type LogSink struct {
	ID        string // UUID
	ClusterID string
	Name      string
	Type      string // "datadog"
	Site      string
	APIKey    []byte // sealed
}

// DatadogSite is the site that the sink's owner means: some give it, some the whole address of the intake.
func (l LogSink) DatadogSite() string {
	site := strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(l.Site), "https://"), "/")
	return strings.TrimPrefix(site, "http-intake.logs.")
}

// ActiveLogSink is a sink and what has to be known to deliver to it.
type ActiveLogSink struct {
	LogSink
	ClusterName, NodeID, Region string
}

const sinkColumns = "id, cluster_id, name, type, site, api_key"

// maxSinks is how many sinks a cluster may have: each is a reader of its logs.
const maxSinks = 10

// AddLogSink gives a cluster one more sink. ErrNotFound if there is no such cluster, or it is being destroyed; ErrNameTaken if the cluster has a
// sink of that name; ErrTooMany if it has as many as there may be.
func (s *Store) AddLogSink(ctx context.Context, sink LogSink) error {
	err := s.changeLocked(ctx, sink.ClusterID, "The log sink "+sink.Name+" was added.", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `INSERT INTO tine.log_sinks (`+sinkColumns+`) SELECT $1, $2, $3, $4, $5, $6
			WHERE (SELECT count(*) FROM tine.log_sinks WHERE cluster_id = $2) < $7`,
			sink.ID, sink.ClusterID, sink.Name, sink.Type, sink.Site, sink.APIKey, maxSinks)
		if violated(err, "log_sinks_name_key") {
			return ErrNameTaken
		}
		if err == nil && tag.RowsAffected() == 0 {
			return ErrTooMany
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("add log sink to cluster %s: %w", sink.ClusterID, err)
	}
	return nil
}

// UpdateLogSink replaces where a sink delivers to. ErrNotFound if the cluster has no such sink.
func (s *Store) UpdateLogSink(ctx context.Context, sink LogSink) error {
	err := s.changeLocked(ctx, sink.ClusterID, "The log sink "+sink.Name+" was changed.", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE tine.log_sinks SET site = $3, api_key = $4 WHERE cluster_id = $1 AND id = $2",
			sink.ClusterID, sink.ID, sink.Site, sink.APIKey)
		if err == nil && tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("change log sink %s: %w", sink.ID, err)
	}
	return nil
}

// DeleteLogSink ends the delivery to a sink. ErrNotFound if the cluster has no such sink.
func (s *Store) DeleteLogSink(ctx context.Context, sink LogSink) error {
	err := s.changeLocked(ctx, sink.ClusterID, "The log sink "+sink.Name+" was removed.", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "DELETE FROM tine.log_sinks WHERE cluster_id = $1 AND id = $2", sink.ClusterID, sink.ID)
		if err == nil && tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("delete log sink %s: %w", sink.ID, err)
	}
	return nil
}

// changeLocked changes something of a cluster that stays, one change at a time, with its event.
func (s *Store) changeLocked(ctx context.Context, clusterID, message string, change func(pgx.Tx) error) error {
	if !isUUID(clusterID) {
		return ErrNotFound
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		event := Event{ClusterID: clusterID, Type: EventClusterUpdate, Message: message}
		row := tx.QueryRow(ctx, "SELECT name FROM tine.clusters WHERE id = $1 AND status <> 'destroying' FOR UPDATE", clusterID)
		if err := row.Scan(&event.ClusterName); isNoRows(err) {
			return ErrNotFound
		} else if err != nil {
			return err
		}
		if err := change(tx); err != nil {
			return err
		}
		return insertEvent(ctx, tx, event)
	})
}

// LogSinks returns a cluster's sinks, oldest first.
func (s *Store) LogSinks(ctx context.Context, clusterID string) ([]LogSink, error) {
	if !isUUID(clusterID) {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, "SELECT "+sinkColumns+" FROM tine.log_sinks WHERE cluster_id = $1 ORDER BY created_at, id", clusterID)
	if err != nil {
		return nil, fmt.Errorf("read log sinks of cluster %s: %w", clusterID, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[LogSink])
	if err != nil {
		return nil, fmt.Errorf("read log sinks of cluster %s: %w", clusterID, err)
	}
	return list, nil
}

// ActiveLogSinks returns the sinks of all clusters of a host that are or were online and are not being destroyed.
func (s *Store) ActiveLogSinks(ctx context.Context, host string) ([]ActiveLogSink, error) {
	rows, err := s.pool.Query(ctx, `SELECT s.id, s.cluster_id, s.name, s.type, s.site, s.api_key, c.name, c.node_id, c.region
		FROM tine.log_sinks s JOIN tine.clusters c ON c.id = s.cluster_id
		WHERE c.host = $1 AND c.status NOT IN ('creating', 'forking', 'failed', 'destroying')`, host)
	if err != nil {
		return nil, fmt.Errorf("read log sinks of host %s: %w", host, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a ActiveLogSink, err error) {
		err = row.Scan(&a.ID, &a.ClusterID, &a.Name, &a.Type, &a.Site, &a.APIKey, &a.ClusterName, &a.NodeID, &a.Region)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("read log sinks of host %s: %w", host, err)
	}
	return list, nil
}

// KeyPurpose is what the sink's key is sealed for.
func (l LogSink) KeyPurpose() string { return "log sink " + l.ID }
