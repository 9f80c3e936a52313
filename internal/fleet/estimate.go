package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/internal/store"
)

// Estimate says what a fork will cost before anybody asks for it.
type Estimate struct {
	At time.Time // the moment that the fork would show
	// ReplayBytes is how much write-ahead log the fork has to replay. What is not known exactly is taken as if it had been written evenly.
	ReplayBytes int64
	// Duration is from the request until the fork is online.
	Duration time.Duration
}

// What forks took on the machine of docs/performance.md: all but the replay, and the replay.
const (
	forkDuration      = 300 * time.Millisecond
	replayBytesPerSec = 200 << 20
)

// headPatience is how long an estimate waits for the cluster's node, which it can do without.
const headPatience = 2 * time.Second

// ForkEstimate says what a fork of a cluster at a moment would cost, the zero time meaning the latest. It refuses what a fork at that moment would be refused for: a
// cluster that is not online, a moment outside of the window.
//
// The bytes are those between where the fork's recovery begins, the newest restore point that is complete at the moment, and the moment. The log's position is known at each restore
// point, and now from the node; in between it is taken as if it had grown evenly. If the node does not answer, as much as may lie between two restore points is assumed for
// moments after the newest. For the latest it is exact: what the node has written since its last checkpoint.
func (f *Fleet) ForkEstimate(ctx context.Context, id string, at time.Time) (Estimate, error) {
	c, err := f.Get(ctx, id)
	if err != nil {
		return Estimate{}, err
	}
	if !c.IsForkable() {
		return Estimate{}, notServed(c)
	}
	points, err := f.cfg.Store.RestorePoints(ctx, c.ID)
	if err != nil {
		return Estimate{}, err
	}
	now := f.cfg.Clock()
	if at.IsZero() {
		return estimate(now, f.latestReplay(f.head(ctx, c, now))), nil
	}
	if at, err = f.checkTime(fieldEstimateAt, c, points, at, now); err != nil {
		return Estimate{}, err
	}
	return estimate(at, f.replay(points, at, f.head(ctx, c, now))), nil
}

// fieldEstimateAt is the moment of an estimate, in the API's words.
const fieldEstimateAt = "at"

func estimate(at time.Time, bytes int64) Estimate {
	replay := time.Duration(float64(bytes) / replayBytesPerSec * float64(time.Second))
	return Estimate{At: at.UTC(), ReplayBytes: bytes, Duration: (forkDuration + replay).Round(time.Millisecond)}
}

// head is what a node says of its write-ahead log; nothing if it does not answer.
type head struct {
	known    bool
	asleep   bool // the cluster is suspended: a copy of it has nothing to recover, and nobody asks the node
	at       time.Time
	redo     uint64 // where recovery of a copy would begin
	end      uint64
	timeline int
}

func (f *Fleet) head(ctx context.Context, c store.Cluster, now time.Time) head {
	h := head{at: now}
	if c.Suspension != nil {
		h.asleep = true
		return h
	}
	ctx, cancel := context.WithTimeout(ctx, headPatience)
	defer cancel()
	const sql = `SELECT (redo_lsn - '0/0'::pg_lsn)::bigint, (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint, timeline_id
		FROM pg_control_checkpoint()`
	err := f.cfg.Data.Look(ctx, c, func(conn *pgx.Conn) error {
		var redo, end int64
		err := conn.QueryRow(ctx, sql).Scan(&redo, &end, &h.timeline)
		h.redo, h.end = uint64(redo), uint64(end)
		return err
	})
	h.known = err == nil
	return h
}

// latestReplay is how much log a fork at the latest replays.
func (f *Fleet) latestReplay(h head) int64 {
	switch {
	case h.asleep:
		return 0
	case !h.known:
		return f.cfg.ReplayBudget
	}
	return between(h.redo, h.end)
}

// anchor is a moment at which the position of a log is known.
type anchor struct {
	at  time.Time
	lsn uint64
}

// replay is how much log lies between the beginning of the recovery of a fork at a moment and the moment. There is a restore point before it: the
// window was checked.
func (f *Fleet) replay(points []store.RestorePoint, at time.Time, h head) int64 {
	base, anchors := anchorsFor(points, at, h)
	before := anchor{base.CompletedAt, base.EndLSN}
	for _, a := range anchors {
		if !a.at.After(at) {
			before = anchor{a.at, max(a.lsn, before.lsn)}
			continue
		}
		share := float64(at.Sub(before.at)) / float64(a.at.Sub(before.at))
		return between(base.RedoLSN, before.lsn+uint64(share*float64(between(before.lsn, a.lsn))))
	}
	if h.known && h.timeline == base.Timeline {
		return between(base.RedoLSN, before.lsn) // the moment is the present
	}
	return f.cfg.ReplayBudget
}

// anchorsFor is the restore point that a fork at a moment begins with, and where its line of the log was when, the oldest first.
func anchorsFor(points []store.RestorePoint, at time.Time, h head) (base store.RestorePoint, anchors []anchor) {
	for _, p := range points {
		if !p.CompletedAt.After(at) {
			base = p
		}
	}
	for _, p := range points {
		if p.Timeline == base.Timeline {
			anchors = append(anchors, anchor{p.StartedAt, p.MarkerLSN}, anchor{p.CompletedAt, p.EndLSN})
		}
	}
	if h.known && h.timeline == base.Timeline {
		anchors = append(anchors, anchor{h.at, h.end})
	}
	slices.SortStableFunc(anchors, func(a, b anchor) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.lsn, b.lsn)) })
	return base, anchors
}

// between is how much log is between two positions; nothing if they are the wrong way round.
func between(from, to uint64) int64 {
	if to < from {
		return 0
	}
	return int64(to - from)
}

// notServed refuses what needs a cluster's data.
func notServed(c store.Cluster) *Error {
	return &Error{Kind: NotReady, Message: fmt.Sprintf("the cluster %s must be online; it %s", quote(c.Name), inWords(c.Status))}
}
