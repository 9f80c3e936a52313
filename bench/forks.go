package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"tine/e2e/harness"
)

func (b *bench) create(ctx context.Context) error {
	samples := make([]sample, b.opts.Runs)
	for i := range samples {
		var err error
		if samples[i], err = b.measureOnce(ctx, harness.CreateRequest(b.newName("create"))); err != nil {
			return err
		}
	}
	t := table{title: "Create", header: timeHeader(), rows: [][]string{timeRow("create an empty cluster", found(samples), "300 ms")}}
	if err := t.write(b.out); err != nil {
		return err
	}
	return breakdown("Create: where the time goes", samples).write(b.out)
}

// quiet keeps autovacuum from a source, so that it writes nothing when nobody writes to it. It would be done with a source that has been idle
// for long, and has to rewrite one that was just filled.
func (b *bench) quiet(ctx context.Context, s *source) error {
	for _, statement := range []string{
		"ALTER SYSTEM SET autovacuum = off",
		"SELECT pg_reload_conf()",
		"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'",
	} {
		if _, err := b.ask(ctx, s, statement); err != nil {
			return err
		}
	}
	return nil
}

// settle brings a source to where one is that nobody has written to for a while.
func (b *bench) settle(ctx context.Context, s *source) error {
	if err := b.quiet(ctx, s); err != nil {
		return err
	}
	if _, err := b.ask(ctx, s, "CHECKPOINT"); err != nil {
		return err
	}
	used, err := b.poolUsed()
	if err == nil {
		b.progress("%s: settled; the pool uses %s", s.cluster.Name, humanBytes(used))
	}
	return err
}

// smallSource is the source of most forks, idle. The time of a fork right after it was filled is kept for the table.
func (b *bench) smallSource(ctx context.Context) (*source, error) {
	if b.small != nil {
		return b.small, nil
	}
	var err error
	b.small, err = b.quietSource(ctx, "small", int64(b.opts.SmallMB)*megabyte)
	return b.small, err
}

func (b *bench) latest(ctx context.Context) error {
	src, err := b.smallSource(ctx)
	if err != nil {
		return err
	}
	fresh, err := b.measureFork(ctx, src, time.Time{})
	if err != nil {
		return err
	}
	if err := b.settle(ctx, src); err != nil {
		return err
	}
	samples, err := b.forks(ctx, src, b.opts.Runs)
	if err != nil {
		return err
	}
	t := table{
		title: "Fork at latest", header: timeHeader(),
		rows: [][]string{
			timeRow(fmt.Sprintf("idle source of %s", humanBytes(src.size)), found(samples), "250 ms"),
			timeRow("the same source right after it was filled", found([]sample{fresh}), ""),
		},
		notes: []string{"Idle means that autovacuum is over (here: off) and the checkpoint done, as they are some time after the last write."},
	}
	if err := t.write(b.out); err != nil {
		return err
	}
	return breakdown("Fork at latest: where the time goes", samples).write(b.out)
}

func (b *bench) forks(ctx context.Context, src *source, count int) ([]sample, error) {
	samples := make([]sample, count)
	for i := range samples {
		var err error
		if samples[i], err = b.measureFork(ctx, src, time.Time{}); err != nil {
			return nil, err
		}
	}
	return samples, nil
}

// size compares forks of a small and of a large source, taken in turns.
func (b *bench) size(ctx context.Context) error {
	small, err := b.smallSource(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := b.fillLarge(ctx); err != nil {
		return err
	}
	filled := time.Since(begin)
	for _, src := range []*source{small, b.large} {
		if err := b.settle(ctx, src); err != nil {
			return err
		}
	}
	before, err := b.walPosition(ctx, b.large)
	if err != nil {
		return err
	}
	ofSmall, ofLarge := make([]sample, b.opts.Runs), make([]sample, b.opts.Runs)
	for i := range b.opts.Runs {
		if ofSmall[i], err = b.measureFork(ctx, small, time.Time{}); err != nil {
			return err
		}
		if ofLarge[i], err = b.measureFork(ctx, b.large, time.Time{}); err != nil {
			return err
		}
	}
	after, err := b.walPosition(ctx, b.large)
	if err != nil {
		return err
	}
	if err := b.sizeTable(ctx, ofSmall, ofLarge, filled, after-before); err != nil {
		return err
	}
	if err := breakdown("Fork of the large source: where the time goes", ofLarge).write(b.out); err != nil {
		return err
	}
	return b.largePeer(ctx, found(ofLarge))
}

// fillLarge makes the large source, without restore points meanwhile: what they would keep of half-filled pages is more than the source itself.
func (b *bench) fillLarge(ctx context.Context) (err error) {
	if err := b.reconfigure(ctx, fmt.Sprintf("history:\n  replay_mib: %d\n", noPoints)); err != nil {
		return err
	}
	if b.large, err = b.quietSource(ctx, "large", int64(b.opts.LargeMB)*megabyte); err != nil {
		return err
	}
	if err := b.reconfigure(ctx, ""); err != nil {
		return err
	}
	// What is compared with copies of it needs the room.
	b.large, err = b.alone(ctx, b.large)
	return err
}

func (b *bench) sizeTable(ctx context.Context, ofSmall, ofLarge []sample, filled time.Duration, wal int64) error {
	onDisk, err := b.ask(ctx, b.large, "SELECT pg_database_size('postgres')")
	if err != nil {
		return err
	}
	bytes, err := strconv.ParseInt(onDisk, 10, 64)
	if err != nil {
		return fmt.Errorf("read size: %w", err)
	}
	return table{
		title: "Fork at latest, small and large", header: timeHeader(),
		rows: [][]string{
			timeRow("idle source of "+humanBytes(b.small.size), found(ofSmall), ""),
			timeRow("idle source of "+humanBytes(b.large.size), found(ofLarge), ""),
			{
				"large : small", ratio(quantile(found(ofLarge), median), quantile(found(ofSmall), median)),
				ratio(quantile(found(ofLarge), high), quantile(found(ofSmall), high)), "", "", "", "p50 within 1.2 x",
			},
		},
		notes: []string{fmt.Sprintf("Taken in turns. The large source has %s of tables, took %s to fill through the gateway, and "+
			"wrote %s of WAL by itself meanwhile, which is how idle it was.", humanBytes(bytes), human(filled), humanBytes(wal))},
	}.write(b.out)
}
