package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// clusterColumns is what scanCluster reads, in its order.
const clusterColumns = `id, name, engine, version, region, size, num_nodes, storage_mib, status, failure, tags,
	created_at, requested_at, host, port, coalesce(source_id::text, ''), source_name, fork_at, doadmin_verifier,
	node_id, node_restarts, history_id, settings, trusted_sources, project_id, private_network_uuid, service_names,
	node_size, maintenance_day, maintenance_hour, autoscale_enabled, autoscale_threshold, autoscale_increment, phase, fork_lsn, fork_after,
	update_pending,
	expires_at, ttl_paused, fresh_verifiers,
	suspend_after_seconds, suspended_at, suspended_contents, pool`

// Cluster returns the cluster with that id, whatever its status. ErrNotFound if there is none, or if id is no UUID.
func (s *Store) Cluster(ctx context.Context, id string) (Cluster, error) {
	if !isUUID(id) {
		return Cluster{}, fmt.Errorf("read cluster %q: %w", id, ErrNotFound)
	}
	return s.oneCluster(ctx, "id = $1", id)
}

// ClusterByName returns the cluster of that name, whatever its status; ErrNotFound if there is none.
func (s *Store) ClusterByName(ctx context.Context, name string) (Cluster, error) {
	if !isText(name) {
		return Cluster{}, fmt.Errorf("read cluster %q: %w", name, ErrNotFound)
	}
	return s.oneCluster(ctx, "name = $1", name)
}

// ClustersOnHost returns every cluster of that host, whatever its status, oldest first.
func (s *Store) ClustersOnHost(ctx context.Context, host string) ([]Cluster, error) {
	return s.clusters(ctx, "host = $1 ORDER BY created_at, id", host)
}

// PendingForks returns the clusters that are being forked from that source right now and so still need its history.
func (s *Store) PendingForks(ctx context.Context, sourceID string) ([]Cluster, error) {
	return s.clusters(ctx, "source_id = $1 AND status = $2 ORDER BY created_at, id", sourceID, StatusForking)
}

// Clusters returns one page of the clusters, oldest first, and how many there are on all pages together.
func (s *Store) Clusters(ctx context.Context, page Page) (list []Cluster, total int, err error) {
	if !isText(page.Tag) {
		return nil, 0, nil
	}
	const filter = `($1 = '' OR tags @> ARRAY[$1]) AND ($2 OR status <> 'destroying')`
	before := (page.Number - 1) * page.Size
	// Numbers, not parameters: a plan for any limit sorts all clusters, one for a small limit goes along the index.
	list, err = s.clusters(ctx, fmt.Sprintf("%s ORDER BY created_at, id LIMIT %d OFFSET %d", filter, page.Size, before), page.Tag, page.WithDestroying)
	if err != nil {
		return nil, 0, err
	}
	if full := len(list) == page.Size; !full && (len(list) > 0 || before == 0) {
		return list, before + len(list), nil // the last page says how many there are
	}
	row := s.pool.QueryRow(ctx, "SELECT count(*) FROM tine.clusters WHERE "+filter, page.Tag, page.WithDestroying)
	if err := row.Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count clusters: %w", err)
	}
	return list, total, nil
}

func (s *Store) oneCluster(ctx context.Context, where, arg string) (Cluster, error) {
	list, err := s.clusters(ctx, where, arg)
	if err != nil {
		return Cluster{}, err
	}
	if len(list) == 0 {
		return Cluster{}, fmt.Errorf("read cluster %q: %w", arg, ErrNotFound)
	}
	return list[0], nil
}

func (s *Store) clusters(ctx context.Context, where string, args ...any) ([]Cluster, error) {
	rows, err := s.pool.Query(ctx, "SELECT "+clusterColumns+" FROM tine.clusters WHERE "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read clusters: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanCluster)
	if err != nil {
		return nil, fmt.Errorf("read clusters: %w", err)
	}
	return list, nil
}

func scanCluster(row pgx.CollectableRow) (Cluster, error) {
	var c Cluster
	var lsn, suspendAfter int64 // PostgreSQL has no unsigned integers
	var suspendedAt *time.Time
	var contents []byte
	err := row.Scan(&c.ID, &c.Name, &c.Engine, &c.Version, &c.Region, &c.Size, &c.NumNodes, &c.StorageMiB, &c.Status, &c.Failure, &c.Tags,
		&c.CreatedAt, &c.RequestedAt, &c.Host, &c.Port, &c.SourceID, &c.SourceName, &c.ForkAt, &c.DoadminVerifier,
		&c.Node.ID, &c.Node.Restarts, &c.HistoryID, &c.SettingsJSON, &c.TrustedSources, &c.ProjectID, &c.PrivateNetworkUUID, &c.ServiceNames,
		&c.NodeSize, &c.Maintenance.Day, &c.Maintenance.Hour, &c.Autoscale.Enabled, &c.Autoscale.ThresholdPercent, &c.Autoscale.IncrementGiB, &c.Phase,
		&lsn, &c.ForkAfter, &c.UpdatePending,
		&c.ExpiresAt, &c.TTLPaused, &c.FreshVerifiers,
		&suspendAfter, &suspendedAt, &contents, &c.Pool)
	c.ForkLSN = uint64(lsn)
	c.SuspendAfter = time.Duration(suspendAfter) * time.Second
	if suspendedAt != nil {
		c.Suspension = &Suspension{At: suspendedAt.UTC(), Contents: contents}
	}
	c.CreatedAt, c.RequestedAt = c.CreatedAt.UTC(), c.RequestedAt.UTC()
	for _, at := range []*time.Time{c.ForkAt, c.ExpiresAt} {
		if at != nil {
			*at = at.UTC()
		}
	}
	return c, err
}

// isUUID keeps what is no UUID away from PostgreSQL, which would answer with a syntax error instead of no rows. Only the
// canonical form counts: one cluster has one id.
func isUUID(id string) bool {
	const canonicalLength = 36
	return len(id) == canonicalLength && uuid.Validate(id) == nil
}

// isText says whether PostgreSQL can hold s as text; what it cannot hold, nothing in it has.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// micros is t as PostgreSQL keeps it, so that what is written and what is read back are equal.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func isNoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
