package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// points measures what restore points cost: the writers of a source, and forks of a source that has many.
func (b *bench) points(ctx context.Context) error {
	if err := b.pointsAndWriters(ctx); err != nil {
		return err
	}
	return b.manyPoints(ctx)
}

// pointsAndWriters compares the throughput of writers at full speed with restore points and without.
func (b *bench) pointsAndWriters(ctx context.Context) error {
	src, err := b.busySource(ctx)
	if err != nil {
		return err
	}
	speed := map[bool][]float64{}
	for turn := range 2 * pointTurns {
		// With, without, without, with: whatever grows meanwhile hits both.
		points := (turn+1)/2%2 == 0
		settings := ""
		if !points {
			settings = fmt.Sprintf("history:\n  replay_mib: %d\n", noPoints)
		}
		if err := b.reconfigure(ctx, settings); err != nil {
			return err
		}
		w, err := b.record(ctx, src, func() error { return wait(ctx, pointTurn) })
		if err != nil {
			return err
		}
		speed[points] = append(speed[points], float64(w.documents)/w.length().Seconds())
	}
	if err := b.reconfigure(ctx, ""); err != nil {
		return err
	}
	with, without := mean(speed[true]), mean(speed[false])
	return table{
		title: "Writers with restore points and without", header: []string{"writers", "documents/s", "aim"},
		rows: [][]string{
			{"restore points by the replay budget", digits(with), ""},
			{"none", digits(without), ""},
			{"cost", fmt.Sprintf("%.1f %%", 100*(1-with/without)), "under 5 %"},
		},
		notes: []string{fmt.Sprintf("%d turns of %s of each kind, in turns (with, without, without, with, ...); means. Each: %s with and %s without.",
			pointTurns, pointTurn, rounded(speed[true]), rounded(speed[false]))},
	}.write(b.out)
}

func mean(list []float64) (m float64) {
	for _, v := range list {
		m += v / float64(len(list))
	}
	return m
}

func rounded(list []float64) (texts []string) {
	for _, v := range list {
		texts = append(texts, digits(v))
	}
	return texts
}

// reconfigure starts tine up again with other settings. What is given twice in the configuration file is refused, so the harness' own are replaced.
func (b *bench) reconfigure(ctx context.Context, settings string) error {
	if err := b.tine.Stop(ctx); err != nil {
		return err
	}
	if err := b.tine.Reconfigure(settings); err != nil {
		return err
	}
	return b.tine.Start(ctx)
}

// manyPoints compares forks of a source with hardly any restore points and of one with many, taken in turns.
func (b *bench) manyPoints(ctx context.Context) error {
	few, err := b.quietSource(ctx, "few", int64(b.opts.SmallMB)*megabyte)
	if err != nil {
		return err
	}
	many, err := b.quietSource(ctx, "many", int64(b.opts.SmallMB)*megabyte)
	if err != nil {
		return err
	}
	// A restore point at each look at a source that was written to; and a budget of so little that none is thinned away.
	if err := b.reconfigure(ctx, "history:\n  replay_mib: 1\n  interval: 1ms\n"); err != nil {
		return err
	}
	if err := b.collectPoints(ctx, many, b.opts.Points); err != nil {
		return err
	}
	for _, src := range []*source{few, many} {
		if err := b.settle(ctx, src); err != nil {
			return err
		}
	}
	if err := b.forksOfBoth(ctx, few, many); err != nil {
		return err
	}
	return b.reconfigure(ctx, "")
}

func (b *bench) forksOfBoth(ctx context.Context, few, many *source) error {
	kinds := []struct {
		what string
		src  *source
		at   bool
	}{{"latest", few, false}, {"latest", many, false}, {"T", few, true}, {"T", many, true}}
	samples := make([][]sample, len(kinds))
	// Behind the last restore point of both, so that as much is replayed.
	at := time.Now().Truncate(time.Microsecond)
	for range b.opts.Runs {
		for i, k := range kinds {
			var moment time.Time
			if k.at {
				moment = at
			}
			s, err := b.measureFork(ctx, k.src, moment)
			if err != nil {
				return err
			}
			samples[i] = append(samples[i], s)
		}
	}
	t := table{
		title: "Forks with few restore points and with many", header: timeHeader(),
		notes: []string{"Sources of the same data, idle; forks taken in turns, those at T of a moment behind the last restore point."},
	}
	for i := 0; i < len(kinds); i += 2 {
		var lists [2][]time.Duration
		for j := range lists {
			k := kinds[i+j]
			count, err := b.countPoints(k.src)
			if err != nil {
				return err
			}
			lists[j] = found(samples[i+j])
			t.rows = append(t.rows, timeRow(fmt.Sprintf("fork at %s, %d restore points", k.what, count), lists[j], ""))
		}
		t.rows = append(t.rows, []string{
			"many : few", ratio(quantile(lists[1], median), quantile(lists[0], median)), ratio(quantile(lists[1], high), quantile(lists[0], high)),
			"", "", "", "p50 within 1.2 x",
		})
	}
	if err := t.write(b.out); err != nil {
		return err
	}
	for i, which := range []string{"few", "many"} {
		const atT = 2
		if err := breakdown("Fork at T with "+which+" restore points: where the time goes", samples[atT+i]).write(b.out); err != nil {
			return err
		}
	}
	return nil
}

// collectPoints writes to a source until it has so many restore points: a bit more between two of them than would let them be thinned.
func (b *bench) collectPoints(ctx context.Context, src *source, want int) error {
	const between, interval = megabyte / payload, 20 * time.Millisecond
	random := newRandom(0)
	begin := time.Now()
	for {
		have, err := b.countPoints(src)
		if err != nil {
			return err
		}
		if have >= want {
			b.progress("%s: %d restore points after %s", src.cluster.Name, have, human(time.Since(begin)))
			return nil
		}
		if err := src.insert(ctx, random, 0, between); err != nil {
			return err
		}
		for before := have; have == before; {
			if err := wait(ctx, interval); err != nil {
				return err
			}
			if have, err = b.countPoints(src); err != nil {
				return err
			}
		}
	}
}

// countPoints is how many restore points a source has.
func (b *bench) countPoints(src *source) (int, error) {
	points, err := b.names(filepath.Join("history", src.history, "points"))
	if err != nil {
		return 0, err
	}
	return len(points), nil
}
