package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tine/internal/store"
)

// The fields that say what is forked, in the API's words.
const (
	fieldSource = "backup_restore.database_name"
	fieldAt     = "backup_restore.backup_created_at"
)

// checkSource completes c from the source it is forked from, and returns that.
func (f *Fleet) checkSource(ctx context.Context, r CreateRequest, c *store.Cluster) (store.Cluster, error) {
	source, err := f.source(ctx, r.Source)
	if err != nil {
		return source, err
	}
	if !source.IsForkable() {
		return source, &Error{
			Kind: NotReady, Field: fieldSource,
			Message: fmt.Sprintf("%s must name an online cluster; %s %s", fieldSource, quote(r.Source.label()), inWords(source.Status)),
		}
	}
	if c.Version != "" && c.Version != source.Version {
		return source, invalid("version", "must be %s, the version of the source %s; got %s", source.Version, quote(source.Name), quote(r.Version))
	}
	points, err := f.cfg.Store.RestorePoints(ctx, source.ID)
	if err != nil {
		return source, err
	}
	if r.Source.At != nil {
		at, err := f.checkTime(fieldAt, source, points, *r.Source.At, r.ReceivedAt)
		if err != nil {
			return source, err
		}
		c.ForkAt = &at
	}
	if err := f.checkTransaction(ctx, source, points, r, c); err != nil {
		return source, err
	}
	c.SourceID = source.ID
	c.Charge.SharedBytes = sharedBytes(points, c.ForkAt)
	c.Pool = source.Pool // unless it is to be in another region
	inherit(c, source)
	return source, f.checkRoom(c, source, points, r.StorageMiB != 0)
}

func (f *Fleet) source(ctx context.Context, s *Source) (store.Cluster, error) {
	var c store.Cluster
	var err error
	switch {
	case s.ID != "":
		c, err = f.cfg.Store.Cluster(ctx, s.ID)
	case s.Name != "":
		c, err = f.cfg.Store.ClusterByName(ctx, s.Name)
	default:
		return store.Cluster{}, invalid(fieldSource, "must be the name of the cluster to fork")
	}
	if errors.Is(err, store.ErrNotFound) {
		return store.Cluster{}, &Error{
			Kind: NotFound, Field: fieldSource,
			Message: fmt.Sprintf("%s must name an existing cluster; there is no %s", fieldSource, quote(s.label())),
		}
	}
	return c, err
}

// checkTime returns the moment that is meant by at. Many clients know whole seconds only: the second that is just running
// is no future to them, and means the present.
func (f *Fleet) checkTime(field string, source store.Cluster, points []store.RestorePoint, at, now time.Time) (time.Time, error) {
	at = at.UTC()
	if wholeSecond := at.Nanosecond() == 0; wholeSecond && at.After(now) && at.Sub(now) < time.Second {
		at = now.UTC()
	}
	w := f.window(points, now)
	if w.Empty() {
		return at, &Error{
			Kind: NotReady, Field: field,
			Message: fmt.Sprintf("%s cannot be chosen yet: the cluster %s has no restore point so far", field, quote(source.Name)),
		}
	}
	if at.Before(w.From) || at.After(w.To) {
		return at, invalid(field, "must be between %s and %s, the history of %s; got %s",
			w.From.Format(time.RFC3339Nano), w.To.Truncate(time.Microsecond).Format(time.RFC3339Nano), quote(source.Name), at.Format(time.RFC3339Nano))
	}
	return at, nil
}

// inherit fills in what the request left open.
func inherit(c *store.Cluster, source store.Cluster) {
	for _, field := range []struct {
		value  *string
		source string
	}{
		{&c.Engine, source.Engine},
		{&c.Version, source.Version},
		{&c.Region, source.Region},
		{&c.Size, source.Size},
		{&c.ProjectID, source.ProjectID},
		{&c.PrivateNetworkUUID, source.PrivateNetworkUUID},
	} {
		if *field.value == "" {
			*field.value = field.source
		}
	}
	c.SuspendAfter = source.SuspendAfter
	if c.NumNodes == 0 {
		c.NumNodes = source.NumNodes
	}
}

// sharedBytes is what a copy of the source would have had to copy: the data in the newest restore point that is not after at.
func sharedBytes(points []store.RestorePoint, at *time.Time) int64 {
	for _, p := range slices.Backward(points) {
		if at == nil || !p.CompletedAt.After(*at) {
			return p.SizeBytes
		}
	}
	return 0
}

// checkRoom chooses the fork's storage, unless the request did, and refuses one that cannot hold the source's data.
func (f *Fleet) checkRoom(c *store.Cluster, source store.Cluster, points []store.RestorePoint, chosen bool) error {
	plan, ok := f.cfg.Catalog.Plan(c.Size)
	if !ok {
		return nil // refused with the other attributes
	}
	var dataMiB int64
	if len(points) > 0 {
		const mib = 1 << 20
		dataMiB = (points[len(points)-1].SizeBytes + mib - 1) / mib
	}
	if !chosen {
		c.StorageMiB = f.onStep(plan, min(max(source.StorageMiB, dataMiB), plan.MaxStorageMiB))
	}
	switch {
	case dataMiB <= c.StorageMiB:
		return nil
	case dataMiB > plan.MaxStorageMiB:
		return invalid("size", "must be a plan that can hold the %d MiB of %s; %s has at most %d", dataMiB, quote(source.Name), plan.Slug, plan.MaxStorageMiB)
	default:
		return invalid("storage_size_mib", "must be at least %d to hold the data of %s; got %d", f.onStep(plan, dataMiB), quote(source.Name), c.StorageMiB)
	}
}

// inWords is the predicate of a sentence about a cluster of that status.
func inWords(status string) string {
	switch status {
	case store.StatusCreating:
		return "is still being created"
	case store.StatusForking:
		return "is still being forked"
	case store.StatusDestroying:
		return "is being destroyed"
	case store.StatusRestoring:
		return "is being restored"
	case store.StatusSwapping:
		return "is exchanging its data with another cluster"
	case store.StatusFailed:
		return "has failed"
	default:
		return "is " + status
	}
}
