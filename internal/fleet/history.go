package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tine/internal/store"
)

// Window is the range of moments at which a cluster can be forked, both included.
type Window struct {
	From, To time.Time
}

// Empty says that there is no such moment yet.
func (w Window) Empty() bool { return w.From.IsZero() }

// History is what a cluster's forks are made from.
type History struct {
	Window        Window
	RestorePoints []store.RestorePoint // oldest first
}

// Backup is a restore point as clients of DigitalOcean know it.
type Backup struct {
	// CreatedAt is a whole second, because clients cut fractions off before they send the time back, and no earlier than the restore point,
	// because the time they send must lie in the window.
	CreatedAt time.Time
	SizeBytes int64
}

// History returns a cluster's window and restore points. Both are empty while the cluster has no restore point.
func (f *Fleet) History(ctx context.Context, id string) (History, error) {
	if _, err := f.Get(ctx, id); err != nil {
		return History{}, err
	}
	points, err := f.cfg.Store.RestorePoints(ctx, id)
	if err != nil {
		return History{}, err
	}
	return History{Window: f.window(points, f.cfg.Clock()), RestorePoints: points}, nil
}

// Window returns the moments at which a cluster can be forked. It is empty while the cluster has no restore point.
func (f *Fleet) Window(ctx context.Context, id string) (Window, error) {
	oldest, err := f.cfg.Store.OldestRestorePoint(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Window{}, nil
	}
	if err != nil {
		return Window{}, err
	}
	return f.window([]store.RestorePoint{oldest}, f.cfg.Clock()), nil
}

// Forks returns the clusters that were made from that one and are there, by name.
func (f *Fleet) Forks(ctx context.Context, id string) ([]store.Cluster, error) {
	return f.cfg.Store.Forks(ctx, id)
}

// StorageInUse returns how many bytes the data of these clusters took when they were measured last; those that never were are left out.
func (f *Fleet) StorageInUse(ctx context.Context, ids []string) (map[string]int64, error) {
	return f.cfg.Store.StorageInUse(ctx, ids)
}

// Backups returns a cluster's restore points, oldest first. It refuses (NotReady) while there are none.
func (f *Fleet) Backups(ctx context.Context, id string) ([]Backup, error) {
	h, err := f.History(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(h.RestorePoints) == 0 {
		return nil, &Error{Kind: NotReady, Message: fmt.Sprintf("the cluster %s has no backups yet; the first is taken when it comes online", quote(id))}
	}
	var backups []Backup
	for _, p := range h.RestorePoints {
		if at := ceilSecond(p.CompletedAt); !at.Before(h.Window.From) {
			backups = append(backups, Backup{CreatedAt: at, SizeBytes: p.SizeBytes})
		}
	}
	return backups, nil
}

// window begins with the oldest restore point, but never before what is kept: the oldest may be older, because the
// first moments of the window are made from it.
func (f *Fleet) window(points []store.RestorePoint, now time.Time) Window {
	if len(points) == 0 {
		return Window{}
	}
	from := points[0].CompletedAt
	if oldest := now.Add(-f.cfg.HistoryWindow); from.Before(oldest) {
		from = oldest
	}
	return Window{From: from.UTC(), To: now.UTC()}
}

func ceilSecond(t time.Time) time.Time {
	whole := t.Truncate(time.Second)
	if whole.Before(t) {
		whole = whole.Add(time.Second)
	}
	return whole
}
