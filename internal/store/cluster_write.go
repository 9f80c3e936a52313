package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// creationLock is the advisory lock that serialises creations, so that two of them cannot choose the same port.
const creationLock = 0x74696e65_0001

// CreateCluster writes the cluster, its first event and the job that makes it (a fork if SourceID is set) in one
// transaction, and returns the cluster as written: status, port and what was left empty (ID, node ID, times, a
// fork's SourceName, settings and trusted sources) filled in. ErrNameTaken, ErrNoPort or ErrSourceNotOnline say that nothing was written.
func (s *Store) CreateCluster(ctx context.Context, c Cluster, ports PortRange) (Cluster, error) {
	c = withDefaults(c)
	err := s.inTx(ctx, func(tx pgx.Tx) error { return s.createCluster(ctx, tx, &c, ports) })
	if err != nil {
		return Cluster{}, fmt.Errorf("create cluster %s: %w", c.Name, err)
	}
	return c, nil
}

func (s *Store) createCluster(ctx context.Context, tx pgx.Tx, c *Cluster, ports PortRange) error {
	if err := copyFromSource(ctx, tx, c); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(creationLock)); err != nil {
		return err
	}
	if err := choosePort(ctx, tx, c, ports); err != nil {
		return err
	}
	if err := insertCluster(ctx, tx, *c); err != nil {
		return err
	}
	if err := insertEvent(ctx, tx, creationEvent(*c)); err != nil {
		return err
	}
	if err := startMeter(ctx, tx, *c); err != nil {
		return err
	}
	if err := rememberTags(ctx, tx, c.Tags); err != nil {
		return err
	}
	return s.queueCreation(ctx, tx, *c)
}

// SetOnline ends a creation or a fork. It returns false, and changes nothing, if the cluster is in any other state or gone:
// then somebody asked for its destruction meanwhile, and the caller must leave it to the destroy job.
func (s *Store) SetOnline(ctx context.Context, id string) (changed bool, err error) {
	return s.finishCreation(ctx, id, StatusOnline, "", Event{Type: EventClusterOnline, Message: "The cluster is online."})
}

// SetFailed gives a creation or a fork up; sentence says why, for the cluster's owner. It returns false, and changes nothing,
// if the cluster is in any other state or gone.
func (s *Store) SetFailed(ctx context.Context, id, sentence string) (changed bool, err error) {
	return s.finishCreation(ctx, id, StatusFailed, sentence, Event{Type: EventClusterFailed, Message: sentence})
}

func (s *Store) finishCreation(ctx context.Context, id, status, failure string, event Event) (changed bool, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		row := tx.QueryRow(ctx, `UPDATE tine.clusters SET status = $2, failure = $3, fresh_verifiers = NULL
			WHERE id = $1 AND status IN ('creating', 'forking') RETURNING name`, id, status, failure)
		event.ClusterID = id
		if err := row.Scan(&event.ClusterName); isNoRows(err) {
			return nil
		} else if err != nil {
			return err
		}
		changed = true
		if err := endTransfer(ctx, tx, id); err != nil {
			return err
		}
		if err := insertEvent(ctx, tx, event); err != nil {
			return err
		}
		if status != StatusFailed {
			return s.joinExchange(ctx, tx, id)
		}
		if err := forgive(ctx, tx, id); err != nil {
			return err
		}
		return s.cancelExchangeOf(ctx, tx, id, failure)
	})
	if err != nil {
		return false, fmt.Errorf("set cluster %s %s: %w", id, status, err)
	}
	return changed, nil
}

// MarkDestroying asks for a cluster's destruction, whatever its state, and queues the job. It may be repeated: it then queues the
// job again if there is none. ErrNotFound if there is no such cluster, or no more; ErrInExchange while it exchanges its node.
func (s *Store) MarkDestroying(ctx context.Context, id string) error {
	if !isUUID(id) {
		return fmt.Errorf("destroy cluster %q: %w", id, ErrNotFound)
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error { return s.markDestroying(ctx, tx, id, "The cluster is being destroyed.") })
	if err != nil {
		return fmt.Errorf("destroy cluster %s: %w", id, err)
	}
	return nil
}

func (s *Store) markDestroying(ctx context.Context, tx pgx.Tx, id, message string) error {
	var before, host string
	event := Event{ClusterID: id, Type: EventClusterDelete, Message: message}
	row := tx.QueryRow(ctx, "SELECT status, name, host FROM tine.clusters WHERE id = $1 FOR UPDATE", id)
	if err := row.Scan(&before, &event.ClusterName, &host); isNoRows(err) {
		return ErrNotFound
	} else if err != nil {
		return err
	}
	if in, err := inExchange(ctx, tx, id); err != nil {
		return err
	} else if in {
		return ErrInExchange
	}
	if before != StatusDestroying {
		if _, err := tx.Exec(ctx, "UPDATE tine.clusters SET status = 'destroying' WHERE id = $1", id); err != nil {
			return err
		}
		if err := insertEvent(ctx, tx, event); err != nil {
			return err
		}
		if err := stopMeter(ctx, tx, id); err != nil {
			return err
		}
	}
	return s.queue(ctx, tx, host, DestroyJob{ClusterID: id})
}

// DeleteCluster removes a cluster that is being destroyed, its restore points included, and frees its name and port. It is the
// last step of a destruction: nothing of the cluster may be left on the host when it is called. It changes nothing, and returns nil, if the
// cluster is gone already or is not being destroyed.
func (s *Store) DeleteCluster(ctx context.Context, id string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		event := Event{ClusterID: id, Type: EventClusterDestroyed, Message: "The cluster is destroyed and nothing of it is left."}
		row := tx.QueryRow(ctx, "DELETE FROM tine.clusters WHERE id = $1 AND status = 'destroying' RETURNING name", id)
		if err := row.Scan(&event.ClusterName); isNoRows(err) {
			return nil
		} else if err != nil {
			return err
		}
		return insertEvent(ctx, tx, event)
	})
	if err != nil {
		return fmt.Errorf("delete cluster %s: %w", id, err)
	}
	return nil
}

// RecordRestart counts a restart of the cluster's node and writes message as its event; it returns the new count.
func (s *Store) RecordRestart(ctx context.Context, id, message string) (restarts int, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		event := Event{ClusterID: id, Type: EventNodeRestart, Message: message}
		row := tx.QueryRow(ctx, `UPDATE tine.clusters SET node_restarts = node_restarts + 1
			WHERE id = $1 RETURNING node_restarts, name`, id)
		if err := row.Scan(&restarts, &event.ClusterName); isNoRows(err) {
			return ErrNotFound
		} else if err != nil {
			return err
		}
		return insertEvent(ctx, tx, event)
	})
	if err != nil {
		return 0, fmt.Errorf("record restart of cluster %s: %w", id, err)
	}
	return restarts, nil
}

func withDefaults(c Cluster) Cluster {
	if c.ID == "" {
		c.ID = uuid.NewString()
	}
	if c.Node.ID == "" {
		c.Node.ID = uuid.NewString()
	}
	if c.HistoryID == "" {
		c.HistoryID = uuid.NewString()
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = time.Now()
	}
	if c.RequestedAt.IsZero() {
		c.RequestedAt = c.CreatedAt
	}
	c.CreatedAt, c.RequestedAt = micros(c.CreatedAt), micros(c.RequestedAt)
	if c.ForkAt != nil {
		at := micros(*c.ForkAt)
		c.ForkAt = &at
	}
	if c.ExpiresAt != nil {
		at := micros(*c.ExpiresAt)
		c.ExpiresAt = &at
	}
	if c.Tags == nil {
		c.Tags = []string{}
	}
	c.NodeSize = c.Size // what the node is started with when it is made
	if c.Autoscale == (Autoscale{}) {
		c.Autoscale = DefaultAutoscale()
	}
	c.Maintenance = MaintenanceWindow{Day: "sunday", Hour: "03:00:00"}
	c.Status = StatusCreating
	if c.IsFork() {
		c.Status = StatusForking
	}
	return c
}

// copyFromSource fills in what a fork has from its source, and holds the source in its state until the transaction ends.
func copyFromSource(ctx context.Context, tx pgx.Tx, c *Cluster) error {
	var status, name string
	var paused bool
	settings := []byte("{}")
	var sources []TrustedSource
	if c.IsFork() {
		row := tx.QueryRow(ctx, "SELECT status, name, settings, trusted_sources, ttl_paused FROM tine.clusters WHERE id = $1 FOR SHARE", c.SourceID)
		if err := row.Scan(&status, &name, &settings, &sources, &paused); isNoRows(err) {
			return ErrSourceNotOnline
		} else if err != nil {
			return err
		}
		if !(Cluster{Status: status}).IsForkable() {
			return ErrSourceNotOnline
		}
	}
	c.SourceName, c.TTLPaused = name, paused || c.ForkAt != nil
	if c.SettingsJSON == nil {
		c.SettingsJSON = settings
	}
	if c.TrustedSources == nil {
		c.TrustedSources = inherited(sources, c.CreatedAt)
	}
	c.TrustedSources = encodeSources(c.TrustedSources)
	return nil
}

// choosePort picks the lowest port that no cluster of the host has. The caller holds the creation lock.
func choosePort(ctx context.Context, tx pgx.Tx, c *Cluster, ports PortRange) error {
	rows, err := tx.Query(ctx, "SELECT port FROM tine.clusters WHERE host = $1", c.Host)
	if err != nil {
		return err
	}
	used, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return err
	}
	taken := make(map[int]bool, len(used))
	for _, port := range used {
		taken[port] = true
	}
	for port := ports.First; port <= ports.Last; port++ {
		if !taken[port] && (ports.Usable == nil || ports.Usable(port)) {
			c.Port = port
			return nil
		}
	}
	return ErrNoPort
}

func insertCluster(ctx context.Context, tx pgx.Tx, c Cluster) error {
	var source *string
	if c.IsFork() {
		source = &c.SourceID
	}
	_, err := tx.Exec(ctx, `INSERT INTO tine.clusters (id, name, engine, version, region, size, num_nodes, storage_mib, status,
			failure, tags, created_at, requested_at, host, port, source_id, source_name, fork_at, doadmin_verifier, node_id,
			settings, trusted_sources, project_id, private_network_uuid, service_names,
			node_size, autoscale_enabled, autoscale_threshold, autoscale_increment, history_id, fork_lsn, fork_after, expires_at, ttl_paused, fresh_verifiers,
			suspend_after_seconds, pool)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36)`,
		c.ID, c.Name, c.Engine, c.Version, c.Region, c.Size, c.NumNodes, c.StorageMiB, c.Status,
		c.Tags, c.CreatedAt, c.RequestedAt, c.Host, c.Port, source, c.SourceName, c.ForkAt, c.DoadminVerifier, c.Node.ID,
		json.RawMessage(c.SettingsJSON), c.TrustedSources, c.ProjectID, c.PrivateNetworkUUID, append([]string{}, c.ServiceNames...),
		c.NodeSize, c.Autoscale.Enabled, c.Autoscale.ThresholdPercent, c.Autoscale.IncrementGiB, c.HistoryID, int64(c.ForkLSN), c.ForkAfter, c.ExpiresAt, c.TTLPaused, c.FreshVerifiers,
		int64(c.SuspendAfter/time.Second), c.Pool)
	if violated(err, "clusters_name_key") {
		return ErrNameTaken
	}
	return err
}
