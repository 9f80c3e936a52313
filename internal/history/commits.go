package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tine/internal/engine"
	"tine/internal/store"
	"tine/internal/wal"
)

// Commit is a transaction in a cluster's history, which can be forked right before and right after it.
type Commit = wal.Commit

// MarkPrefix is the prefix of the logical messages by which a transaction says what it does to the schema.
const MarkPrefix = "tine.mark"

// mostMarks bounds the marks of one transaction, and of all open ones, that are kept: more is no help to anybody.
const mostMarks = 100

// reading turns the records of a log into commits.
type reading struct {
	reader *wal.Reader
	open   map[uint32][]string // marks of transactions that have not ended
	kept   int
	grown  extents // by all records that were read
	blocks []wal.Block
}

func newReading(open wal.Open, timeline uint32, from wal.LSN, marks map[uint32][]string) *reading {
	r := &reading{reader: wal.NewReader(open, timeline, from), open: map[uint32][]string{}, grown: extents{}}
	for xid, list := range marks {
		r.open[xid] = list
		r.kept += len(list)
	}
	return r
}

// next returns the next commit; an error that is a *wal.EndError says where the log ends.
func (r *reading) next(before wal.LSN) (c Commit, err error) {
	for {
		if r.reader.Position() >= before {
			return Commit{}, &wal.EndError{At: before, Reason: "no more is asked for"}
		}
		rec, err := r.reader.Next()
		if err != nil {
			return Commit{}, err
		}
		if r.blocks, err = rec.Blocks(r.blocks[:0]); err != nil {
			return Commit{}, err
		}
		r.grown.cover(r.blocks)
		first, shortens, err := rec.Truncation()
		if err != nil {
			return Commit{}, err
		}
		if shortens {
			r.grown.cut(first)
		}
		if err := r.mark(&rec); err != nil {
			return Commit{}, err
		}
		outcome, ended, err := rec.Outcome()
		if err != nil {
			return Commit{}, err
		}
		if !ended {
			continue
		}
		marks := r.take(append([]uint32{rec.XID}, outcome.Children...))
		if outcome.Committed {
			return Commit{Start: rec.Start, End: rec.End, XID: rec.XID, At: outcome.At, Marks: marks}, nil
		}
	}
}

// mark keeps what a record says of its transaction, and forgets what no record will end.
func (r *reading) mark(rec *wal.Record) error {
	if rec.EndsAll() {
		clear(r.open)
		r.kept = 0
	}
	m, ok, err := rec.Message()
	if err != nil || !ok || !m.Transactional || m.Prefix != MarkPrefix || r.kept >= mostMarks {
		return err
	}
	r.open[rec.XID] = append(r.open[rec.XID], string(m.Content))
	r.kept++
	return nil
}

func (r *reading) take(xids []uint32) (marks []string) {
	if r.kept == 0 {
		return nil
	}
	for _, xid := range xids {
		marks = append(marks, r.open[xid]...)
		r.kept -= len(r.open[xid])
		delete(r.open, xid)
	}
	return marks
}

// walk reads a log from one commit to the next.
type walk struct {
	timeline uint32
	from     wal.LSN
	// visit is called for the commits whose records begin at or after from, in the order of the log, until it returns false.
	visit func(Commit) bool
	// grown, unless it is nil, gets how far the records that lead to the last visited commit reach in their files: those from the begin of from's segment on.
	grown extents
}

// eachCommit takes the walk. It returns where the log ends if it came so far. Of archived segments the index is read, of others the log itself, and
// the last one, too, if it has to be known how far its records reach.
func (h *History) eachCommit(ctx context.Context, src Source, w walk) (end logEnd, err error) {
	s := wal.SegmentOf(w.timeline, w.from)
	var last *segmentCommits
	for ; ; s.Number++ {
		if err := ctx.Err(); err != nil {
			return logEnd{}, err
		}
		index, err := h.index(src, s, last)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return logEnd{}, err
		}
		for _, c := range index.commits {
			if c.Start < w.from || w.visit(c) {
				continue
			}
			if w.grown == nil {
				return logEnd{}, nil
			}
			upTo := c.Start
			w.visit = func(c Commit) bool { return c.Start < upTo }
			return h.eachLiveCommit(src, s, last, w)
		}
		w.grown.add(index.grown)
		last = index
	}
	return h.eachLiveCommit(src, s, last, w)
}

// eachLiveCommit is eachCommit for what has no index: from segment s on.
func (h *History) eachLiveCommit(src Source, s wal.Segment, last *segmentCommits, w walk) (end logEnd, err error) {
	begin, marks := s.Begin(), map[uint32][]string(nil)
	if last != nil {
		begin, marks = last.next, last.marks
	}
	r := newReading(h.openAnywhere(src), s.Timeline, begin, marks)
	defer func() {
		w.grown.add(r.grown)
		err = errors.Join(err, r.reader.Close())
	}()
	for {
		c, err := r.next(^wal.LSN(0))
		if errors.Is(err, wal.ErrEnd) {
			return logEnd{at: r.reader.Position(), reason: err}, nil
		}
		if err != nil {
			return logEnd{}, fmt.Errorf("read WAL of cluster %s: %w", src.ClusterID, err)
		}
		if c.Start >= w.from && !w.visit(c) {
			return logEnd{}, nil
		}
	}
}

// logEnd is where a log ends, and why no more of it is read.
type logEnd struct {
	at     wal.LSN
	reason error
}

// openAnywhere opens a segment where it can be: see places.
func (h *History) openAnywhere(src Source) wal.Open {
	return func(s wal.Segment) (*os.File, error) {
		for _, place := range h.places(src) {
			f, err := os.Open(filepath.Join(place, s.Name()))
			if !errors.Is(err, os.ErrNotExist) {
				return f, err
			}
		}
		return nil, os.ErrNotExist
	}
}

// places is where a segment can be: in the archive, in the volume on its way there, or still in use. A segment
// leaves each place only after it is in the one before, so who looks in this order finds what moves meanwhile.
func (h *History) places(src Source) []string {
	volume := h.volumePath(src)
	return []string{h.walDir(src.HistoryID), engine.ArchiveDir(volume), engine.WALDir(volume), engine.ArchiveDir(volume), h.walDir(src.HistoryID)}
}

// firstAfter returns the first commit, in the order of the log from a restore point's begin on, that is stamped after at; ok is false if there is
// none, and then end is where the log ends. grown is as for a walk.
func (h *History) firstAfter(ctx context.Context, src Source, base store.RestorePoint, at time.Time, grown extents) (c Commit, ok bool, end logEnd, err error) {
	end, err = h.eachCommit(ctx, src, walk{
		timeline: uint32(base.Timeline), from: wal.LSN(base.MarkerLSN), grown: grown,
		visit: func(next Commit) bool {
			if ok = h.isLater(next, at); ok {
				c = next
			}
			return !ok
		},
	})
	return c, ok, end, err
}

// isLater says whether a commit belongs behind a moment that is not in the future: it is stamped later. One that is stamped in the future was made while the clock was ahead. When that
// was nobody knows, but the commits around it tell, and it does not end what can be reached of the log.
func (h *History) isLater(c Commit, at time.Time) bool {
	const slack = time.Second // between two looks at one clock
	return c.At.After(at) && !c.At.After(h.cfg.Now().Add(slack))
}
