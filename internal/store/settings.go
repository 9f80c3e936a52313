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

// AddressSource is the type of trusted sources that are an address, or a block of them. Those of DigitalOcean's other types are
// kept, and match nobody.
const AddressSource = "ip_addr"

// TrustedSource is who may connect to a cluster.
type TrustedSource struct {
	ID          string    `json:"id"`             // UUID
	Type        string    `json:"type,omitempty"` // empty: AddressSource
	Value       string    `json:"value"`
	Description string    `json:"description,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
}

// IsAddress says whether the source is one that can match.
func (s TrustedSource) IsAddress() bool { return s.Type == "" || s.Type == AddressSource }

// Prefix is the block that the source is, if it is an address; an address is a block of one.
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
	DefaultReadConcern         *string `json:"default_read_concern,omitempty"`  // local, available or majority
	DefaultWriteConcern        *string `json:"default_write_concern,omitempty"` // majority or a number
	SlowOperationMS            *int64  `json:"slow_op_threshold_ms,omitempty"`
	TransactionLifetimeSeconds *int64  `json:"transaction_lifetime_limit_seconds,omitempty"`
	Verbosity                  *int64  `json:"verbosity,omitempty"` // 0 to 5
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
	return s.changeCluster(ctx, id, func(tx pgx.Tx, c Cluster) error {
		return s.changeSettings(ctx, tx, c, sourcesMessage(len(sources)), "trusted_sources = $2", encodeSources(sources))
	})
}

// SetTTLPaused says whether TTL indexes delete nothing in a cluster, and queues the job that puts it in force. ErrNotFound as with SetTrustedSources.
func (s *Store) SetTTLPaused(ctx context.Context, id string, paused bool) error {
	return s.changeCluster(ctx, id, func(tx pgx.Tx, c Cluster) error {
		if !c.IsForkable() {
			return ErrNotOnline
		}
		message := "TTL indexes delete what has expired."
		if paused {
			message = "TTL indexes delete nothing any more."
		}
		return s.changeSettings(ctx, tx, c, message, "ttl_paused = $2", paused)
	})
}

func sourcesMessage(count int) string {
	switch count {
	case 0:
		return "The trusted sources were removed: every address may connect."
	case 1:
		return "The trusted sources were changed: only 1 may connect."
	default:
		return fmt.Sprintf("The trusted sources were changed: only %d may connect.", count)
	}
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
