package history_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"tine/internal/history"
	"tine/internal/store"
)

// flaky records restore points as long as add lets it.
type flaky struct {
	*store.Store
	add func(record func() error) error
}

func (f *flaky) AddRestorePoint(ctx context.Context, p store.RestorePoint) (added store.RestorePoint, err error) {
	err = f.add(func() error {
		added, err = f.Store.AddRestorePoint(ctx, p)
		return err
	})
	return added, err
}

// wantOnlyRecorded fails unless the snapshots of a cluster's history are those that are recorded, and so many.
func wantOnlyRecorded(t *testing.T, c *cluster, want int) {
	t.Helper()
	points, err := machine.records.RestorePoints(t.Context(), c.id)
	if err != nil {
		t.Fatal(err)
	}
	recorded := make([]string, 0, len(points))
	for _, p := range points {
		recorded = append(recorded, filepath.Base(p.Volume))
	}
	there, err := machine.pool.List("history/" + c.src.HistoryID + "/points")
	if err != nil {
		t.Fatal(err)
	}
	if slices.Sort(recorded); !slices.Equal(there, recorded) || len(there) != want {
		t.Errorf("there are the snapshots %v, recorded are %v, want %d", there, recorded, want)
	}
}

// A restore point that cannot be recorded is tried again and again, each time with another snapshot: they do not pile up.
func TestRestorePointsThatCannotBeRecordedLeaveNothing(t *testing.T) {
	t.Parallel()
	refused, lost := errors.New("no space"), errors.New("the connection is gone")
	refuse := func(func() error) error { return refused }
	for name, test := range map[string]struct {
		fail   error
		add    func(record func() error) error
		settle func(*history.History, *cluster) error
		want   int
	}{
		"by the next": {refused, refuse, func(h *history.History, c *cluster) error { _, err := h.Take(t.Context(), c.src); return err }, 2},
		"by pruning":  {refused, refuse, func(h *history.History, c *cluster) error { _, err := h.Prune(t.Context(), c.src); return err }, 1},
		"recorded although it seemed not": {lost, func(record func() error) error { return errors.Join(record(), lost) }, func(h *history.History, c *cluster) error {
			_, err := h.Take(t.Context(), c.src)
			return err
		}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			usual := func(record func() error) error { return record() }
			records := &flaky{Store: machine.records, add: usual}
			h := history.New(history.Config{Pool: machine.pool, Records: records, Log: slog.New(slog.DiscardHandler)})
			c.take(h)
			records.add = test.add
			for range 3 {
				if _, err := h.Take(t.Context(), c.src); !errors.Is(err, test.fail) {
					t.Errorf("the error is %v, want %v", err, test.fail)
				}
			}
			records.add = usual
			if err := test.settle(h, c); err != nil {
				t.Fatal(err)
			}
			wantOnlyRecorded(t, c, test.want)
		})
	}
}

// Whoever is interrupted while the restore point is measured leaves nothing, either.
func TestRestorePointThatIsInterruptedLeavesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	records := &flaky{Store: machine.records, add: func(record func() error) error {
		interrupt()
		return record()
	}}
	h := history.New(history.Config{Pool: machine.pool, Records: records, Log: slog.New(slog.DiscardHandler)})
	if _, err := h.Take(ctx, c.src); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if _, err := h.Prune(t.Context(), c.src); err != nil {
		t.Fatal(err)
	}
	wantOnlyRecorded(t, c, 0)
}
