package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Types of the events of a cluster's rest.
const (
	EventSuspended    = "cluster_suspended"
	EventNotSuspended = "cluster_not_suspended" // although that was asked for
	EventWoken        = "cluster_woken"
)

// Suspension is the state of a cluster whose node was stopped because nobody needed it. Its status stays online.
type Suspension struct {
	At time.Time // since when
	// Contents is what was in the cluster then, Contents in JSON: nothing changes while the node is stopped.
	Contents json.RawMessage
}

// SuspendJob asks a host to suspend a cluster that nobody uses now.
type SuspendJob struct {
	ClusterID string `json:"cluster_id"`
	// Requested tells requests apart, in microseconds: one that comes while the job of another ends needs a job of its own.
	Requested int64 `json:"requested"`
}

// Kind is the job's name in River.
func (SuspendJob) Kind() string { return "cluster_suspend" }

// SetSuspendAfter changes after how long without work a cluster is suspended, 0 for never, and queues the job that puts it in force.
// ErrNotFound as with SetSettings.
func (s *Store) SetSuspendAfter(ctx context.Context, id string, after time.Duration) error {
	return s.changeCluster(ctx, id, func(tx pgx.Tx, c Cluster) error {
		message := "The cluster is no longer suspended by itself."
		if after > 0 {
			message = fmt.Sprintf("The cluster is suspended after %s without work.", inWords(after))
		}
		return s.changeSettings(ctx, tx, c, message, "suspend_after_seconds = $2", int64(after/time.Second))
	})
}

// inWords is a duration that people have chosen.
func inWords(d time.Duration) string {
	if d%time.Minute != 0 {
		return fmt.Sprintf("%d seconds", d/time.Second)
	}
	if d == time.Minute {
		return "1 minute"
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}

// QueueSuspension asks for the suspension of an online cluster as soon as nobody uses it. Errors as with Reconfigure. A cluster that is suspended stays so:
// the job knows whether it still is.
func (s *Store) QueueSuspension(ctx context.Context, id string) error {
	return s.changeOnline(ctx, id, func(tx pgx.Tx, c Cluster) error {
		return s.queue(ctx, tx, c.Host, SuspendJob{ClusterID: id, Requested: time.Now().UnixMicro()})
	})
}

// SetSuspended records that the node of an online cluster is about to be stopped because nobody needs it. It returns false, and changes nothing, if the
// cluster is in any other state. From then on the node may run or not: whoever finds it running records that with SetAwake.
func (s *Store) SetSuspended(ctx context.Context, id string, contents json.RawMessage) (changed bool, err error) {
	event := Event{
		ClusterID: id, Type: EventSuspended,
		Message: "The cluster is suspended because nobody uses it: its node is stopped. The next command, or a log-in, wakes it.",
	}
	return s.setRest(ctx, event, `UPDATE tine.clusters SET suspended_at = now(), suspended_contents = $2
		WHERE id = $1 AND status = 'online' AND suspended_at IS NULL RETURNING name`, id, contents)
}

// SetAwake records that a cluster's node runs again, or is just being started; message, if there is one, says so to its owner. It changes nothing if the cluster was not suspended, or is gone.
func (s *Store) SetAwake(ctx context.Context, id, message string) error {
	event := Event{ClusterID: id, Type: EventWoken, Message: message}
	_, err := s.setRest(ctx, event, `UPDATE tine.clusters SET suspended_at = NULL, suspended_contents = NULL
		WHERE id = $1 AND suspended_at IS NOT NULL RETURNING name`, id)
	return err
}

// setRest runs an update that returns the name of the cluster if it changes anything, and then records the event.
func (s *Store) setRest(ctx context.Context, event Event, update string, args ...any) (changed bool, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, update, args...).Scan(&event.ClusterName); isNoRows(err) {
			return nil
		} else if err != nil {
			return err
		}
		changed = true
		if event.Message == "" {
			return nil
		}
		return insertEvent(ctx, tx, event)
	})
	if err != nil {
		return false, fmt.Errorf("record rest of cluster %s: %w", event.ClusterID, err)
	}
	return changed, nil
}

// Contents are what is in a cluster, as far as the control plane shows it.
type Contents struct {
	Users     json.RawMessage `json:"users"` // in the words of the package users
	Databases []string        `json:"databases"`
}
