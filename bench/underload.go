package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// What Tine costs a source that works: forks at latest of it, and the latency and throughput of its clients with forks and restore points and without.
const (
	loadTurn   = 20 * time.Second // of the clients whose latency is measured
	loadTurns  = 2                // of each kind, in turns
	pointTurn  = 10 * time.Second // of writers whose throughput is
	pointTurns = 4
	forkEvery  = 10 * time.Second
	// noPoints is a replay budget that nobody comes to, in MiB.
	noPoints = 1 << 20
)

// load forks at the latest while writers go on at full speed.
func (b *bench) load(ctx context.Context) error {
	src, err := b.busySource(ctx)
	if err != nil {
		return err
	}
	samples := make([]sample, b.opts.Runs)
	w, err := b.record(ctx, src, func() error {
		if err := wait(ctx, 2*time.Second); err != nil {
			return err
		}
		for i := range samples {
			if samples[i], err = b.measureFork(ctx, src, time.Time{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t := table{
		title: "Fork at latest under writers", header: timeHeader(),
		rows:  [][]string{timeRow(fmt.Sprintf("%d writers going on at full speed", writers), found(samples), "p50 1.5 s, p95 3 s")},
		notes: []string{w.String() + "."},
	}
	if err := t.write(b.out); err != nil {
		return err
	}
	return breakdown("Fork at latest under writers: where the time goes", samples).write(b.out)
}

// forksAndClients measures a source's clients while it is forked now and then, and while it is not.
func (b *bench) forksAndClients(ctx context.Context) error {
	src, err := b.smallSource(ctx)
	if err != nil {
		return err
	}
	var without, with []time.Duration
	for turn := range 2 * loadTurns {
		list, err := b.clients(ctx, src, turn%2 == 1)
		if err != nil {
			return err
		}
		if turn%2 == 1 {
			with = append(with, list...)
		} else {
			without = append(without, list...)
		}
	}
	row := func(what string, list []time.Duration, aim string) []string {
		return []string{what, human(quantile(list, median)), human(quantile(list, veryHigh)), fmt.Sprint(len(list)), aim}
	}
	return table{
		title: "A source's clients while it is forked", header: []string{"clients", "p50", "p99", "operations", "aim"},
		rows: [][]string{
			row("without forks", without, ""),
			row(fmt.Sprintf("a fork at latest every %s", forkEvery), with, ""),
			{
				"ratio", ratio(quantile(with, median), quantile(without, median)), ratio(quantile(with, veryHigh), quantile(without, veryHigh)),
				digits(float64(len(with)) / float64(len(without))), "p99 1.5 x",
			},
		},
		notes: []string{fmt.Sprintf("%d clients, each inserts a document and reads one in turns; %d turns of %s of each kind, one after the other.",
			writers, loadTurns, loadTurn)},
	}.write(b.out)
}

// clients returns how long each operation took in one turn.
func (b *bench) clients(ctx context.Context, src *source, forked bool) ([]time.Duration, error) {
	ctx, stop := context.WithTimeout(ctx, loadTurn)
	defer stop()
	var forking error
	var running sync.WaitGroup
	if forked {
		running.Go(func() { forking = b.forkNowAndThen(ctx, src) })
	}
	all, err := src.work(ctx)
	running.Wait()
	times := make([]time.Duration, len(all))
	for i, o := range all {
		times[i] = o.took
	}
	return times, errors.Join(err, forking)
}

// done is one operation of a client.
type done struct {
	began time.Time
	took  time.Duration
}

// work has clients insert a document and read one in turns until ctx ends, which is no error.
func (s *source) work(ctx context.Context) (all []done, err error) {
	var mu sync.Mutex
	err = parallel(ctx, func(ctx context.Context, writer int) error {
		random := newRandom(writer)
		var mine []done
		defer func() { mu.Lock(); defer mu.Unlock(); all = append(all, mine...) }()
		for n := 0; ctx.Err() == nil; n++ {
			begin := time.Now()
			var err error
			if n%2 == 0 {
				err = s.insert(ctx, random, writer, 1)
			} else {
				err = documents(s.client).FindOne(ctx, bson.D{}).Err()
			}
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			mine = append(mine, done{begin, time.Since(begin)})
		}
		return nil
	})
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = nil
	}
	return all, err
}

// forkNowAndThen forks until ctx ends; what is being made then is finished.
func (b *bench) forkNowAndThen(ctx context.Context, src *source) error {
	tick := time.NewTicker(forkEvery)
	defer tick.Stop()
	for {
		if _, err := b.measureFork(context.WithoutCancel(ctx), src, time.Time{}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
