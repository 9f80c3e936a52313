package fleet

import (
	"cmp"
	"context"
	"errors"
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
	// Duration is from the request until the fork is online. If something is sent it is at least that, and without the sending if nobody knows how long that takes.
	Duration time.Duration
	Send     *Sending // nil: no data is copied
}

// Sending is what is sent of a fork whose region keeps its clusters in another pool than its source.
type Sending struct {
	Region         string
	Bytes          int64 // about; 0: it is not known
	BytesPerSecond int64 // at most: the source's clients come first; 0: it is not known
}

// Duration is how long it takes at least.
func (s *Sending) Duration() time.Duration {
	if s.BytesPerSecond == 0 {
		return 0
	}
	return time.Duration(float64(s.Bytes) / float64(s.BytesPerSecond) * float64(time.Second))
}

// What forks took on the machine of docs/performance.md: all but the replay, and the replay.
const (
	forkDuration      = 300 * time.Millisecond
	replayBytesPerSec = 200 << 20
)

// headPatience is how long an estimate waits for the cluster's node, which it can do without.
const headPatience = 2 * time.Second

// ForkEstimate says what a fork of a cluster at a moment would cost, the zero time meaning the latest, in a region, "" meaning the cluster's. It refuses what such a fork
// would be refused for: a cluster that is not online, a moment outside of the window, a region that there is not.
//
// The bytes are those between where the fork's recovery begins, the newest restore point that is complete at the moment, and the moment. The log's position is known at each restore
// point, and now from the node; in between it is taken as if it had grown evenly. If the node does not answer, as much as may lie between two restore points is assumed for
// moments after the newest. For the latest it is exact: what the node has written since its last checkpoint.
//
// What is sent to another pool is the data, as they were measured last, and the log to be replayed.
func (f *Fleet) ForkEstimate(ctx context.Context, id string, at time.Time, region string) (Estimate, error) {
	c, err := f.Get(ctx, id)
	if err != nil {
		return Estimate{}, err
	}
	if !c.IsForkable() {
		return Estimate{}, notServed(c)
	}
	if region != "" {
		if err := f.checkRegion(region); err != nil {
			return Estimate{}, err
		}
	}
	points, err := f.cfg.Store.RestorePoints(ctx, c.ID)
	if err != nil {
		return Estimate{}, err
	}
	e := Estimate{At: f.cfg.Clock()}
	now, latest := e.At, at.IsZero()
	if latest {
		e.ReplayBytes = f.latestReplay(f.head(ctx, c, now))
	} else {
		if e.At, err = f.checkTime(fieldEstimateAt, c, points, at, now); err != nil {
			return Estimate{}, err
		}
		e.ReplayBytes = f.replay(points, e.At, f.head(ctx, c, now))
	}
	e.At, e.Duration = e.At.UTC(), untilOnline(e.ReplayBytes)
	if !f.MustSend(c, region) {
		return e, nil
	}
	bytes := sharedBytes(points, &e.At)
	if latest {
		used, err := f.StorageInUse(ctx, []string{c.ID})
		if err != nil {
			return Estimate{}, err
		}
		bytes = used[c.ID]
	}
	if bytes > 0 {
		bytes += e.ReplayBytes
	}
	e.Send = &Sending{Region: region, Bytes: bytes, BytesPerSecond: f.cfg.TransferRate}
	e.Duration += e.Send.Duration().Round(time.Millisecond)
	return e, nil
}

// fieldEstimateAt is the moment of an estimate, in the API's words.
const fieldEstimateAt = "at"

// untilOnline is how long a fork takes that has that much to replay.
func untilOnline(bytes int64) time.Duration {
	replay := time.Duration(float64(bytes) / replayBytesPerSec * float64(time.Second))
	return (forkDuration + replay).Round(time.Millisecond)
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
	h.known, h.asleep = err == nil, errors.Is(err, store.ErrSuspended)
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
