package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tine/internal/store"
)

// How long a cluster that expires lives.
const (
	leastLife = time.Minute
	mostLife  = 10 * 365 * 24 * time.Hour
)

// checkLife refuses what cannot be how long a cluster lives from now on.
func checkLife(field string, d time.Duration) error {
	if d < leastLife || d > mostLife {
		return invalid(field, "must be between 1 minute and 10 years from now; got %s", inDays(d))
	}
	return nil
}

// checkEnd refuses what cannot be when a cluster is destroyed.
func checkEnd(at, now time.Time) error {
	if d := at.Sub(now).Round(time.Second); d < leastLife || d > mostLife {
		return invalid("expires_at", "must be between 1 minute and 10 years from now; got %s", at.UTC().Format(time.RFC3339))
	}
	return nil
}

// checkExpiry returns when the cluster of a request is destroyed by itself; nil: never.
func checkExpiry(r CreateRequest) (*time.Time, error) {
	switch {
	case r.ExpiresIn != nil:
		at := r.ReceivedAt.Add(*r.ExpiresIn)
		return &at, checkLife("expires_in_seconds", *r.ExpiresIn)
	case r.ExpiresAt != nil:
		return r.ExpiresAt, checkEnd(*r.ExpiresAt, r.ReceivedAt)
	default:
		return nil, nil
	}
}

// inDays writes a duration as people say it: long ones in days.
func inDays(d time.Duration) string {
	const day = 24 * time.Hour
	if d.Abs() < 2*day {
		return d.String()
	}
	return fmt.Sprintf("%d days", d/day)
}

// SetExpiry changes when a cluster is destroyed by itself; nil: never.
func (f *Fleet) SetExpiry(ctx context.Context, id string, at *time.Time) error {
	if at != nil {
		if err := checkEnd(*at, f.cfg.Clock()); err != nil {
			return err
		}
	}
	return notFound(f.cfg.Store.SetExpiry(ctx, id, at), id)
}

// SetLife is SetExpiry with how long the cluster lives from a moment on; it returns when it is destroyed.
func (f *Fleet) SetLife(ctx context.Context, id string, from time.Time, life time.Duration) (*time.Time, error) {
	if err := checkLife("expires_in_seconds", life); err != nil {
		return nil, err
	}
	at := from.Add(life)
	return &at, notFound(f.cfg.Store.SetExpiry(ctx, id, &at), id)
}

const (
	// announced is how long before its end the events of a cluster say that it comes.
	announced = 24 * time.Hour
	// SettledAfter is how long a clock is watched before anything is destroyed because of what it shows.
	SettledAfter = 10 * time.Minute
	// steady is how far the wall clock may go ahead of the time that has passed, between two looks, without having been set.
	steady = 30 * time.Second
)

// Expirer destroys clusters whose time is over. A clock that is wrong must not destroy anything: a cluster goes only if its end is announced in its
// events, and when this process has seen the wall clock go on steadily for a while, at its start and after each jump ahead. Its method must
// not be called by two at a time.
type Expirer struct {
	fleet   *Fleet
	settled time.Duration
	passed  func() time.Duration // since some moment, whatever the wall clock does

	begun      bool
	since      time.Duration // when the steady time began
	lastWall   time.Time
	lastPassed time.Duration
}

// NewExpirer returns an expirer that has seen nothing of the clock yet. settled is how long it looks before it destroys anything; 0 means SettledAfter. passed is
// the time that has passed since some moment; nil means the system's.
func (f *Fleet) NewExpirer(settled time.Duration, passed func() time.Duration) *Expirer {
	if settled == 0 {
		settled = SettledAfter
	}
	if passed == nil {
		begin := time.Now()
		passed = func() time.Duration { return time.Since(begin) } // Go takes it from the monotonic clock
	}
	return &Expirer{fleet: f, settled: settled, passed: passed}
}

// Expire announces ends that are a day away and begins to destroy the clusters whose time is over. It is for a caller that comes again and again, at least
// every few minutes.
func (e *Expirer) Expire(ctx context.Context) error {
	now := e.fleet.cfg.Clock()
	if !e.isSettled(now) {
		return e.fleet.cfg.Store.AnnounceExpiries(ctx, now.Add(announced))
	}
	over, err := e.fleet.cfg.Store.ExpiredClusters(ctx, now)
	if err != nil {
		return err
	}
	for _, c := range over {
		if destroyErr := e.fleet.cfg.Store.Expire(ctx, c.ID, now); destroyErr != nil && !errors.Is(destroyErr, store.ErrNotFound) {
			err = errors.Join(err, fmt.Errorf("destroy expired cluster %s: %w", c.Name, destroyErr))
		}
	}
	// Afterwards, so that between the announcement and the end there is a look at least.
	return errors.Join(err, e.fleet.cfg.Store.AnnounceExpiries(ctx, now.Add(announced)))
}

// isSettled says whether the wall clock has been steady for long enough.
func (e *Expirer) isSettled(now time.Time) bool {
	now = now.Round(0) // or the difference of two times would be that of the monotonic clock
	passed := e.passed()
	jumped := e.begun && now.Sub(e.lastWall)-(passed-e.lastPassed) > steady
	if !e.begun || jumped {
		e.since = passed
	}
	e.begun, e.lastWall, e.lastPassed = true, now, passed
	return passed-e.since >= e.settled
}
