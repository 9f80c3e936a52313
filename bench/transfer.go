package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"time"

	"github.com/digitalocean/godo"

	"tine/e2e/harness"
)

// What a source's clients notice while it is sent into another region's pool: for a fork there, and for its own migration.
const (
	nearRegion, farRegion = "nyc1", "fra1" // the first is harness.CreateRequest's

	transferTurns  = 3 // of each kind, in turns
	transferTurn   = 20 * time.Second
	transferWarmup = 2 * time.Second
	// transferLongest ends a turn of a transfer that takes longer; what is left is sent without clients.
	transferLongest = time.Minute
	progressEvery   = 100 * time.Millisecond
)

// addRegion gives Tine a second region, with a pool of its own.
func (b *bench) addRegion() error {
	pool := fmt.Sprintf("{image_gib: %d}", transferImageGiB(b.opts))
	if b.opts.OtherPool != "" {
		pool = fmt.Sprintf("{path: %q}", b.opts.OtherPool)
	}
	settings, err := b.tine.WithRegions(map[string]string{farRegion: pool})
	if err != nil {
		return err
	}
	return b.tine.Configure(settings)
}

// otherPool is where the pool of the second region is.
func (b *bench) otherPool() string {
	if b.opts.OtherPool != "" {
		return b.opts.OtherPool
	}
	return b.tine.PoolOf(farRegion)
}

// transfers measures a source's clients while it is sent to another pool, and while it is not.
func (b *bench) transfers(ctx context.Context) (err error) {
	if b.small, err = b.newSource(ctx, "sent", int64(b.opts.TransferMB)*megabyte); err != nil {
		return err
	}
	var without, fork, migration turns
	for n := range transferTurns {
		for _, kind := range []struct {
			name  string
			turns *turns
			begin func(context.Context, *source) (end func(context.Context) error, id string, err error)
		}{{"without a transfer", &without, nil}, {"fork", &fork, b.beginFork}, {"migration", &migration, b.beginMigration}} {
			b.progress("transfer: turn %d, %s", n+1, kind.name)
			if err := b.settlePools(ctx); err != nil {
				return err
			}
			turn, err := b.transferTurn(ctx, b.small, kind.begin)
			if err != nil {
				return fmt.Errorf("%s: %w", kind.name, err)
			}
			b.progress("transfer: %s: %d operations, p99 %s, %s sent in %s", kind.name, len(turn.times), human(quantile(turn.times, veryHigh)), humanBytes(turn.sent), human(turn.took))
			kind.turns.add(turn)
		}
	}
	if err := b.tine.Remove(ctx, b.small.cluster.ID); err != nil { // another's pool outlives this Tine
		return err
	}
	return transferTable(b.opts, without, fork, migration).write(b.out)
}

func transferTable(o Options, without, fork, migration turns) table {
	const aim = "p99 1.5 x"
	where := "Both pools are images on one disk."
	if o.OtherPool != "" {
		where = "The other pool is " + o.OtherPool + "."
	}
	compared := func(what string, t turns) []string {
		return []string{
			what, ratio(quantile(t.times, median), quantile(without.times, median)), ratio(quantile(t.times, veryHigh), quantile(without.times, veryHigh)),
			ratio(quantile(t.times, 1), quantile(without.times, 1)), digits(t.perSecond() / without.perSecond()), "", "", aim,
		}
	}
	return table{
		title:  "A source's clients while it is sent into another region",
		header: []string{"clients", "p50", "p99", "max", "operations/s", "sent", "MB/s", "aim"},
		rows: [][]string{
			without.row("without a transfer"), fork.row("its fork is sent"), migration.row("it is migrated"),
			compared("fork, ratio", fork), compared("migration, ratio", migration),
		},
		notes: []string{
			fmt.Sprintf("%d clients, each inserts a document and reads one in turns; %d turns of each kind, one after the other. A turn without a transfer takes %s, one with a transfer as long as that, %s at most: what is sent "+
				"later does not count. The source has %s of documents and what the clients add; a migration sends its history, too. %s",
				writers, transferTurns, transferTurn, transferLongest, humanBytes(int64(o.TransferMB)*megabyte), where),
			fmt.Sprintf("p99 of each turn: without %s; fork %s; migration %s.", list(without.each), list(fork.each), list(migration.each)),
		},
	}
}

func list(times []time.Duration) (text string) {
	for _, d := range times {
		if text != "" {
			text += ", "
		}
		text += human(d)
	}
	return text
}

// turn is what clients did in a time, and what was sent meanwhile.
type turn struct {
	times []time.Duration
	sent  int64
	took  time.Duration
}

// turns are all of a kind.
type turns struct {
	turn

	each []time.Duration // their p99
}

func (t *turns) add(other turn) {
	t.times = append(t.times, other.times...)
	t.sent, t.took = t.sent+other.sent, t.took+other.took
	t.each = append(t.each, quantile(other.times, veryHigh))
}

func (t *turns) perSecond() float64 { return float64(len(t.times)) / t.took.Seconds() }

func (t *turns) row(what string) []string {
	row := []string{what, human(quantile(t.times, median)), human(quantile(t.times, veryHigh)), human(quantile(t.times, 1)), digits(t.perSecond()), "", "", ""}
	if t.sent > 0 {
		row[5], row[6] = humanBytes(t.sent), digits(float64(t.sent)/megabyte/t.took.Seconds())
	}
	return row
}

// settlePools waits for what a turn left to be written and to be deleted.
func (b *bench) settlePools(ctx context.Context) error {
	for _, pool := range []string{b.tine.PoolDir(), b.otherPool()} {
		for _, args := range [][]string{{"subvolume", "sync", pool}, {"filesystem", "sync", pool}} {
			if out, err := exec.CommandContext(ctx, "btrfs", args...).CombinedOutput(); err != nil {
				return fmt.Errorf("settle %s: %w: %s", pool, err, out)
			}
		}
	}
	return nil
}

// transferTurn has clients work while what begin begins is sent, or if that is nil for a while. They work before, too, and end when enough is measured.
func (b *bench) transferTurn(ctx context.Context, src *source, begin func(context.Context, *source) (func(context.Context) error, string, error)) (t turn, err error) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	var all []done
	ended := make(chan error, 1)
	go func() {
		var err error
		all, err = src.work(working)
		ended <- err
	}()
	from, to, end := time.Time{}, time.Time{}, func(context.Context) error { return nil }
	err = wait(working, transferWarmup)
	switch {
	case err != nil:
	case begin == nil:
		from = time.Now()
		err = wait(working, transferTurn)
		to = time.Now()
	default:
		var id string
		if end, id, err = begin(ctx, src); err == nil {
			from, to, t.sent, err = b.watchTransfer(ctx, id)
		}
	}
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return t, err
	}
	t.times, t.took = within(all, from, to), to.Sub(from)
	return t, end(ctx)
}

// within is how long the operations took that were under way at any moment between two.
func within(all []done, from, to time.Time) (times []time.Duration) {
	for _, o := range all {
		if o.began.Before(to) && o.began.Add(o.took).After(from) {
			times = append(times, o.took)
		}
	}
	return times
}

// beginFork begins a fork into the region where the source is not; end removes it, whole or not.
func (b *bench) beginFork(ctx context.Context, src *source) (end func(context.Context) error, id string, err error) {
	request := harness.ForkRequest(src.cluster.Name, b.newName("fork"), time.Time{})
	if request.Region, err = b.otherRegion(ctx, src); err != nil {
		return nil, "", err
	}
	made, _, err := b.tine.API.Databases.Create(ctx, request)
	if err != nil {
		return nil, "", fmt.Errorf("fork into %s: %w", request.Region, err)
	}
	return func(ctx context.Context) error { return b.tine.Remove(ctx, made.ID) }, made.ID, nil
}

// beginMigration begins to move the source to the region where it is not; end waits until it is there.
func (b *bench) beginMigration(ctx context.Context, src *source) (end func(context.Context) error, id string, err error) {
	region, err := b.otherRegion(ctx, src)
	if err != nil {
		return nil, "", err
	}
	if _, err := b.tine.API.Databases.Migrate(ctx, src.cluster.ID, &godo.DatabaseMigrateRequest{Region: region}); err != nil {
		return nil, "", fmt.Errorf("migrate to %s: %w", region, err)
	}
	end = func(ctx context.Context) error {
		if err := b.tine.WaitOnline(ctx, src.cluster.ID); err != nil {
			return err
		}
		if now, err := b.otherRegion(ctx, src); err != nil || now != region {
			return err
		}
		return fmt.Errorf("the migration to %s was given up:\n%s", region, tail(b.tine.LogText()))
	}
	return end, src.cluster.ID, nil
}

func (b *bench) otherRegion(ctx context.Context, src *source) (string, error) {
	c, _, err := b.tine.API.Databases.Get(ctx, src.cluster.ID)
	switch {
	case err != nil:
		return "", fmt.Errorf("look where the source is: %w", err)
	case c.RegionSlug == nearRegion:
		return farRegion, nil
	default:
		return nearRegion, nil
	}
}

// watchTransfer returns when a cluster has been sent, or after transferLongest: from when to when and how much.
func (b *bench) watchTransfer(ctx context.Context, id string) (from, to time.Time, sent int64, err error) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		var root struct {
			Database struct {
				Status   string `json:"status"`
				Transfer *struct {
					SentBytes int64 `json:"sent_bytes"`
				} `json:"transfer"`
			} `json:"database"`
		}
		if err := b.tine.Call(ctx, http.MethodGet, "/v2/databases/"+id, nil, &root); err != nil {
			return from, to, sent, fmt.Errorf("look how far the transfer is: %w", err)
		}
		to = time.Now()
		switch d := root.Database; {
		case d.Transfer != nil && from.IsZero():
			from = to
		case d.Transfer == nil && (!from.IsZero() || d.Status == "online"):
			return from, to, sent, nil
		case d.Status != "forking" && d.Status != "migrating" && d.Status != "creating":
			return from, to, sent, fmt.Errorf("the cluster is %s:\n%s", d.Status, tail(b.tine.LogText()))
		}
		if t := root.Database.Transfer; t != nil {
			sent = t.SentBytes
		}
		if !from.IsZero() && to.Sub(from) >= transferLongest {
			return from, to, sent, nil
		}
		select {
		case <-ctx.Done():
			return from, to, sent, ctx.Err()
		case <-tick.C:
		}
	}
}
