package fleet

import (
	"context"
	"slices"
	"strconv"

	"tine/internal/store"
)

// Configuration is DigitalOcean's configuration of a MongoDB cluster, all of it.
type Configuration struct {
	DefaultReadConcern         string
	DefaultWriteConcern        string
	TransactionLifetimeSeconds int64
	SlowOperationMS            int64
	Verbosity                  int64
}

// Configuration returns what is in force in a cluster.
func (f *Fleet) Configuration(ctx context.Context, id string) (Configuration, error) {
	c, err := f.Get(ctx, id)
	if err != nil {
		return Configuration{}, err
	}
	set, err := c.Settings()
	if err != nil {
		return Configuration{}, err
	}
	const lifetime, slow = 60, 100
	return Configuration{
		DefaultReadConcern:         or(set.DefaultReadConcern, "local"),
		DefaultWriteConcern:        or(set.DefaultWriteConcern, "majority"),
		TransactionLifetimeSeconds: or(set.TransactionLifetimeSeconds, lifetime),
		SlowOperationMS:            or(set.SlowOperationMS, slow),
		Verbosity:                  or(set.Verbosity, 0),
	}, nil
}

func or[T any](value *T, standard T) T {
	if value == nil {
		return standard
	}
	return *value
}

// Configure changes those settings of a cluster that are not nil.
func (f *Fleet) Configure(ctx context.Context, id string, change store.Settings) error {
	c, err := f.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := checkSettings(c, change); err != nil {
		return err
	}
	return notFound(f.cfg.Store.SetSettings(ctx, id, func(before store.Settings) store.Settings {
		merge(&before.DefaultReadConcern, change.DefaultReadConcern)
		merge(&before.DefaultWriteConcern, change.DefaultWriteConcern)
		merge(&before.TransactionLifetimeSeconds, change.TransactionLifetimeSeconds)
		merge(&before.SlowOperationMS, change.SlowOperationMS)
		merge(&before.Verbosity, change.Verbosity)
		return before
	}), id)
}

func merge[T any](value **T, change *T) {
	if change != nil {
		*value = change
	}
}

func checkSettings(c store.Cluster, s store.Settings) error {
	concerns := []string{"local", "available", "majority"}
	if s.DefaultReadConcern != nil && !slices.Contains(concerns, *s.DefaultReadConcern) {
		return oneOf("config.default_read_concern", *s.DefaultReadConcern, concerns)
	}
	if s.DefaultWriteConcern != nil {
		if err := checkWriteConcern(c, *s.DefaultWriteConcern); err != nil {
			return err
		}
	}
	const longest = 24 * 60 * 60 * 1000
	for _, number := range []struct {
		field       string
		value       *int64
		least, most int64
	}{
		{"config.transaction_lifetime_limit_seconds", s.TransactionLifetimeSeconds, 1, longest / 1000},
		{"config.slow_op_threshold_ms", s.SlowOperationMS, 0, longest},
		{"config.verbosity", s.Verbosity, 0, 5},
	} {
		if number.value != nil && (*number.value < number.least || *number.value > number.most) {
			return invalid(number.field, "must be between %d and %d; got %d", number.least, number.most, *number.value)
		}
	}
	return nil
}

// checkWriteConcern refuses a default that no write could satisfy.
func checkWriteConcern(c store.Cluster, w string) error {
	if w == "majority" {
		return nil
	}
	n, err := strconv.Atoi(w)
	if err != nil || n < 1 || n > c.NumNodes {
		return invalid("config.default_write_concern", "must be majority or a number of nodes, from 1 to the %d that the cluster has; got %s", c.NumNodes, quote(w))
	}
	return nil
}
