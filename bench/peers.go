package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// comparison is a way of today and Tine's, measured in turns.
type comparison struct {
	peer, copying, tine []time.Duration
}

func (c *comparison) add(copying, peer, tine time.Duration) {
	c.copying, c.peer, c.tine = append(c.copying, copying), append(c.peer, peer), append(c.tine, tine)
}

func peerHeader() []string {
	return []string{"what", "today, p50", "of which copying", "Tine, p50", "today : Tine", "runs"}
}

func (c *comparison) row(what string) []string {
	peer, tine := quantile(c.peer, median), quantile(c.tine, median)
	return []string{what, human(peer), human(quantile(c.copying, median)), human(tine), ratio(peer, tine), strconv.Itoa(len(c.peer))}
}

// peers measures what a user would do today on the busy source's data.
func (b *bench) peers(ctx context.Context) error {
	src, err := b.busySource(ctx)
	if err != nil {
		return err
	}
	p, err := b.newPeer(ctx, src)
	if err != nil {
		return err
	}
	b.progress("pg_basebackup, before the history is written")
	backedUp, err := p.baseBackup(ctx, p.path("base"))
	if err != nil {
		return err
	}
	history, err := b.writeHistory(ctx, src, b.opts.History)
	if err != nil {
		return err
	}
	if err := p.archive(ctx); err != nil {
		return err
	}
	toMoment, err := b.compareMoments(ctx, p, history.period)
	if err != nil {
		return err
	}
	if err := b.settle(ctx, src); err != nil {
		return err
	}
	toLatest, err := b.compareLatest(ctx, p, b.opts.PeerRuns)
	if err != nil {
		return err
	}
	dumped, err := b.compareDump(ctx, src)
	if err != nil {
		return err
	}
	sum := toMoment
	sum.peer = nil
	for _, taken := range toMoment.peer {
		sum.peer = append(sum.peer, backedUp+taken)
	}
	size, err := b.ask(ctx, src, "SELECT pg_size_pretty(pg_database_size('postgres'))")
	if err != nil {
		return err
	}
	return table{
		title: "What people do today, on the same data", header: peerHeader(),
		rows: [][]string{
			toMoment.row("to T: copy of a base backup, recovery"),
			sum.row("to T: pg_basebackup before, copy, recovery"),
			toLatest.row("latest: pg_basebackup, start"),
			dumped.row("latest: dump and restore through the gateway"),
		},
		notes: []string{
			fmt.Sprintf("A source with %s of tables. The base backup took %s, right before a history of %s, so that recovery never replays more than that; "+
				"with a nightly backup it is up to a day. The backup is copied, since it is to be kept.", size, human(backedUp), history),
			"PostgreSQL of today runs on the host's file system, without a container and without limits, and ends recovery as its manual says " +
				"(recovery_target_action=promote); its time ends when it answers a query as a primary. Dump and restore are this program's own: " +
				"documents are read as they are and inserted by 3 writers in batches of 1,000 into a new cluster; it knows of no moment but now.",
		},
	}.write(b.out)
}

// compareMoments goes to random moments of the history.
func (b *bench) compareMoments(ctx context.Context, p *peer, history period) (c comparison, err error) {
	for range b.opts.PeerRuns {
		moment := random(history)
		tine, err := b.measureFork(ctx, p.src, moment)
		if err != nil {
			return c, err
		}
		copying, all, err := p.restore(ctx, moment)
		if err != nil {
			return c, err
		}
		c.add(copying, all, tine.found)
	}
	return c, nil
}

func (b *bench) compareLatest(ctx context.Context, p *peer, runs int) (c comparison, err error) {
	for range runs {
		tine, err := b.measureFork(ctx, p.src, time.Time{})
		if err != nil {
			return c, err
		}
		copying, all, err := p.copyLatest(ctx)
		if err != nil {
			return c, err
		}
		c.add(copying, all, tine.found)
	}
	return c, nil
}

// largePeer is the comparison that grows with the data.
func (b *bench) largePeer(ctx context.Context, forks []time.Duration) error {
	b.progress("pg_basebackup of the large source")
	p, err := b.newPeer(ctx, b.large)
	if err != nil {
		return err
	}
	copying, all, err := p.copyLatest(ctx)
	if err != nil {
		return err
	}
	c := comparison{peer: []time.Duration{all}, copying: []time.Duration{copying}, tine: forks}
	return table{
		title: "What people do today, on the large source", header: peerHeader(),
		rows: [][]string{c.row("latest: pg_basebackup, start")},
	}.write(b.out)
}
