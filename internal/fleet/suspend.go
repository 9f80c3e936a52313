package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"tine/internal/store"
	"tine/internal/users"
)

// Limits of Suspend's after: shorter ones stop and start nodes for nothing.
const (
	shortestSuspendAfter = time.Minute
	longestSuspendAfter  = 30 * 24 * time.Hour
)

// SuspendRequest changes when a cluster is suspended: its node is stopped, and started again by the next command or log-in.
type SuspendRequest struct {
	After *time.Duration // without work, after which it is, in whole minutes; 0: never; nil: as before
	Now   bool           // as soon as nobody uses it, whatever After says
}

// Suspend changes when a cluster is suspended.
func (f *Fleet) Suspend(ctx context.Context, id string, r SuspendRequest) error {
	c, err := f.Get(ctx, id)
	if err != nil {
		return err
	}
	if r.After == nil && !r.Now {
		return invalid("after_minutes", "must be given, or now must be true")
	}
	if r.After != nil {
		if err := checkSuspendAfter("after_minutes", *r.After); err != nil {
			return err
		}
	}
	if r.Now && c.Status != store.StatusOnline {
		return notOnline(c)
	}
	if r.After != nil {
		if err := f.cfg.Store.SetSuspendAfter(ctx, id, *r.After); err != nil {
			return notFound(err, id)
		}
	}
	if !r.Now {
		return nil
	}
	err = f.cfg.Store.QueueSuspension(ctx, id)
	if errors.Is(err, store.ErrNotOnline) {
		return notOnline(c)
	}
	return notFound(err, id)
}

func checkSuspendAfter(field string, after time.Duration) error {
	if after != 0 && (after < shortestSuspendAfter || after > longestSuspendAfter) {
		return invalid(field, "must be between %d and %d, or 0 for never; got %d",
			shortestSuspendAfter/time.Minute, longestSuspendAfter/time.Minute, after/time.Minute)
	}
	return nil
}

// chooseSuspendAfter fills in after how long a new cluster is suspended: what the request says, what its source has, what the operator has chosen for all,
// or what its plan says.
func (f *Fleet) chooseSuspendAfter(r CreateRequest, c *store.Cluster) error {
	switch plan, _ := f.cfg.Catalog.Plan(c.Size); {
	case r.SuspendAfter != nil:
		c.SuspendAfter = *r.SuspendAfter
		return checkSuspendAfter("suspend_after_minutes", c.SuspendAfter)
	case c.IsFork(): // it has its source's
	case f.cfg.SuspendAfter != nil:
		c.SuspendAfter = *f.cfg.SuspendAfter
	default:
		c.SuspendAfter = time.Duration(plan.SuspendAfterMinutes) * time.Minute
	}
	return nil
}

// suspendedContents are the contents of a cluster that is suspended: what they were when its node was stopped, which nobody can have changed.
func suspendedContents(c store.Cluster) (known Contents, ok bool) {
	if c.Suspension == nil {
		return known, false
	}
	var kept store.Contents
	var all []users.User
	if json.Unmarshal(c.Suspension.Contents, &kept) != nil || json.Unmarshal(kept.Users, &all) != nil {
		return known, false
	}
	return Contents{Users: describeAll(all), Databases: kept.Databases}, true
}

// read is what a cluster contains, for who must know it.
func (f *Fleet) read(ctx context.Context, id string) (Contents, error) {
	c, err := f.Get(ctx, id)
	if err != nil {
		return Contents{}, err
	}
	if !c.IsServed() {
		return Contents{}, notServed(c)
	}
	ctx, cancel := context.WithTimeout(ctx, dataPatience)
	defer cancel()
	known, err := f.readContents(ctx, c)
	return known, reached(c, err)
}
