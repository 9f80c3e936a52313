package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// TrustedSource is an address, or a block of them, that may connect to a cluster.
type TrustedSource struct {
	ID          string    `json:"id"` // UUID
	Value       string    `json:"value"`
	Description string    `json:"description,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
}

// Prefix is the block that the source is; an address is a block of one.
func (s TrustedSource) Prefix() (netip.Prefix, error) {
	if !strings.Contains(s.Value, "/") {
		addr, err := netip.ParseAddr(s.Value)
		if err == nil && addr.Zone() != "" {
			err = errors.New("a zone means something on one machine only")
		}
		return netip.PrefixFrom(addr, addr.BitLen()), err
	}
	return netip.ParsePrefix(s.Value)
}

// Settings are what may be set of how a cluster is served, under DigitalOcean's names. Nil means the default.
type Settings struct {
	SlowOperationMS            *int64 `json:"slow_op_threshold_ms"`
	TransactionLifetimeSeconds *int64 `json:"transaction_lifetime_limit_seconds"`
}

// Settings reads the cluster's settings.
func (c Cluster) Settings() (s Settings, err error) {
	if len(c.SettingsJSON) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(c.SettingsJSON, &s); err != nil {
		return s, fmt.Errorf("read settings of cluster %s: %w", c.ID, err)
	}
	return s, nil
}

// SetTrustedSources replaces a cluster's trusted sources and queues the job that puts them in force; none lets everybody in. ErrNotFound if
// there is no such cluster, or it is being destroyed.
func (s *Store) SetTrustedSources(ctx context.Context, id string, sources []TrustedSource) error {
	if !isUUID(id) {
		return fmt.Errorf("set trusted sources of cluster %q: %w", id, ErrNotFound)
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var host string
		job, event := SettingsJob{ClusterID: id}, sourcesEvent(id, len(sources))
		row := tx.QueryRow(ctx, `UPDATE tine.clusters SET trusted_sources = $2, settings_revision = settings_revision + 1
			WHERE id = $1 AND status <> 'destroying' RETURNING name, host, settings_revision`, id, encodeSources(sources))
		if err := row.Scan(&event.ClusterName, &host, &job.Revision); isNoRows(err) {
			return ErrNotFound
		} else if err != nil {
			return err
		}
		if err := insertEvent(ctx, tx, event); err != nil {
			return err
		}
		return s.queue(ctx, tx, host, job)
	})
	if err != nil {
		return fmt.Errorf("set trusted sources of cluster %s: %w", id, err)
	}
	return nil
}

func sourcesEvent(id string, count int) Event {
	e := Event{ClusterID: id, Type: EventClusterUpdate}
	switch count {
	case 0:
		e.Message = "The trusted sources were removed: every address may connect."
	case 1:
		e.Message = "The trusted sources were changed: only 1 may connect."
	default:
		e.Message = fmt.Sprintf("The trusted sources were changed: only %d may connect.", count)
	}
	return e
}

// encodeSources is a list as the table has it, which is never null.
func encodeSources(sources []TrustedSource) []TrustedSource {
	list := make([]TrustedSource, len(sources))
	for i, source := range sources {
		source.CreatedAt = micros(source.CreatedAt)
		list[i] = source
	}
	return list
}

// inherited are a source's trusted sources as its fork has them: of its own.
func inherited(sources []TrustedSource, at time.Time) []TrustedSource {
	list := make([]TrustedSource, len(sources))
	for i, source := range sources {
		source.ID, source.CreatedAt = uuid.NewString(), at
		list[i] = source
	}
	return list
}
