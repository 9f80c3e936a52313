package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// busySource is a source with a history that was written at full speed, and the time in which that was.
func (b *bench) busySource(ctx context.Context) (*source, error) {
	if b.busy != nil {
		return b.busy, nil
	}
	s, err := b.newSource(ctx, "busy", int64(b.opts.SmallMB)*megabyte)
	b.busy = s
	return s, err
}

// period is a time in which a history was written.
type period struct{ from, to time.Time }

func (p period) length() time.Duration { return p.to.Sub(p.from) }

func (p period) middle() time.Time { return p.from.Add(p.length() / 2).Truncate(time.Microsecond) }

// random is a moment in one of the periods; each moment is as likely as every other.
func random(periods ...period) time.Time {
	var all time.Duration
	for _, p := range periods {
		all += p.length()
	}
	after := time.Duration(rand.Int64N(int64(all))) //nolint:gosec // no secret
	for _, p := range periods {
		if after < p.length() {
			return p.from.Add(after).Truncate(time.Microsecond)
		}
		after -= p.length()
	}
	return time.Time{} // not reached
}

// at forks at random moments, first while nobody writes and then under the writers.
func (b *bench) at(ctx context.Context) error {
	src, err := b.busySource(ctx)
	if err != nil {
		return err
	}
	first, err := b.writeHistory(ctx, src, b.opts.History)
	if err != nil {
		return err
	}
	calm := make([]sample, b.opts.Runs)
	for i := range calm {
		if calm[i], err = b.measureFork(ctx, src, random(first.period)); err != nil {
			return err
		}
	}
	under, stormy, err := b.forksUnderWriters(ctx, src, first.period)
	if err != nil {
		return err
	}
	points, err := os.ReadDir(filepath.Join(b.tine.PoolDir(), "history", src.history, "points"))
	if err != nil {
		return fmt.Errorf("count restore points: %w", err)
	}
	aim := "p50 1.5 s, p95 3 s"
	t := table{
		title: "Fork at T, T random in a history written at full speed", header: timeHeader(),
		rows: [][]string{
			timeRow("writers stopped", found(calm), aim),
			timeRow(fmt.Sprintf("%d writers going on at full speed", writers), found(stormy), aim),
		},
		notes: []string{
			fmt.Sprintf("History: %s, then %s; %d restore points in the end.", first, under, len(points)),
		},
	}
	if err := t.write(b.out); err != nil {
		return err
	}
	if err := breakdown("Fork at T, writers stopped: where the time goes", calm).write(b.out); err != nil {
		return err
	}
	return breakdown("Fork at T under writers: where the time goes", stormy).write(b.out)
}

// written is a period and what was written in it.
type written struct {
	period
	documents, wal int64
}

// String implements fmt.Stringer.
func (w written) String() string {
	seconds := w.length().Seconds()
	return fmt.Sprintf("%s of %d writers inserting %d documents of %s at a time, %s documents/s and %s of WAL (%s/s)",
		human(w.length()), writers, stride, humanBytes(payload), digits(float64(w.documents)/seconds), humanBytes(w.wal),
		humanBytes(int64(float64(w.wal)/seconds)))
}

// record runs the writers while something else is done.
func (b *bench) record(ctx context.Context, src *source, meanwhile func() error) (w written, err error) {
	before, err := b.walPosition(ctx, src)
	if err != nil {
		return w, err
	}
	writing := src.write(ctx)
	defer func() { _ = writing.stop() }()
	w.from = writing.begin
	if err := meanwhile(); err != nil {
		return w, err
	}
	if err := writing.stop(); err != nil {
		return w, err
	}
	w.to, w.documents = time.Now(), writing.documents.Load()
	after, err := b.walPosition(ctx, src)
	w.wal = after - before
	return w, err
}

func (b *bench) writeHistory(ctx context.Context, src *source, length time.Duration) (written, error) {
	b.progress("writing a history for %s", length)
	w, err := b.record(ctx, src, func() error { return wait(ctx, length) })
	if err == nil {
		b.progress("%s", w)
	}
	return w, err
}

func (b *bench) forksUnderWriters(ctx context.Context, src *source, first period) (w written, samples []sample, err error) {
	samples = make([]sample, b.opts.Runs)
	w, err = b.record(ctx, src, func() error {
		// The first fork shall find writers that are at full speed.
		const warmUp = 2 * time.Second
		begin := time.Now()
		if err := wait(ctx, warmUp); err != nil {
			return err
		}
		for i := range samples {
			var err error
			if samples[i], err = b.measureFork(ctx, src, random(first, period{begin, time.Now()})); err != nil {
				return err
			}
		}
		return nil
	})
	return w, samples, err
}

func (b *bench) walPosition(ctx context.Context, s *source) (int64, error) {
	text, err := b.ask(ctx, s, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read WAL position: %w", err)
	}
	return n, nil
}
