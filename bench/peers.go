package bench

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
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

// peers measures what a user would do today on the data of a source that has a history.
func (b *bench) peers(ctx context.Context) error {
	src, err := b.newSource(ctx, "busy", int64(b.opts.SmallMB)*megabyte)
	b.busy = src
	if err != nil {
		return err
	}
	p, err := b.newPeer(ctx, src)
	if err != nil {
		return err
	}
	m, err := b.compareMoments(ctx, p, b.opts.PeerRuns)
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
	size, err := b.ask(ctx, src, "SELECT pg_size_pretty(pg_database_size('postgres'))")
	if err != nil {
		return err
	}
	return table{
		title: "What people do today, on the same data", header: peerHeader(),
		rows: append(m.rows(), toLatest.row("latest: pg_basebackup, start"), dumped.row("latest: dump and restore through the gateway")),
		notes: []string{
			fmt.Sprintf("A source with %s of tables. %s", size, &m),
			"PostgreSQL of today runs on the host's file system, without a container and without limits, and ends recovery as its manual says " +
				"(recovery_target_action=promote); its time ends when it answers a query as a primary. Dump and restore are this program's own: " +
				"documents are read as they are and inserted by 3 writers in batches of 1,000 into a new cluster; it knows of no moment but now.",
		},
	}.write(b.out)
}

// moments compares ways to a moment: backups, a history, and then each way to the same moments of it.
type moments struct {
	based, backed         time.Duration // what the backups took
	backrest              string        // its version
	history               written
	copied, plain, rested comparison // of a copy of the base backup, of the base backup itself with its making, of pgBackRest
}

func (m *moments) rows() (rows [][]string) {
	if len(m.copied.peer) > 0 {
		rows = append(rows, m.copied.row("to T: copy of a base backup, recovery"))
	}
	return append(rows,
		m.plain.row("to T: pg_basebackup, recovery"),
		m.rested.row("to T: pgBackRest restore, recovery"))
}

// String implements fmt.Stringer.
func (m *moments) String() string {
	return fmt.Sprintf("pg_basebackup took %s and %s's full backup %s, right before a history of %s, so that recovery never replays more than that; "+
		"with a nightly backup it is up to a day. pgBackRest's repository is on the same disk, not compressed, and restored by a process for each CPU.",
		human(m.based), m.backrest, human(m.backed), m.history)
}

// compareMoments goes to the middle and to random moments of a history that begins right behind the backups: to the random ones with copies of the base backup, and at last to the
// middle with the base backup itself, which is lost then.
func (b *bench) compareMoments(ctx context.Context, p *peer, runs int) (m moments, err error) {
	b.progress("pg_basebackup, before the history is written")
	if m.based, err = p.baseBackup(ctx, p.path("base")); err != nil {
		return m, err
	}
	r, err := p.newBackrest(ctx)
	if err != nil {
		return m, err
	}
	m.backrest = r.version
	b.progress("backup by %s", r.version)
	if m.backed, err = r.backup(ctx); err != nil {
		return m, err
	}
	if m.history, err = b.writeHistory(ctx, p.src, b.opts.History); err != nil {
		return m, err
	}
	if err := p.archive(ctx); err != nil {
		return m, err
	}
	targets := []time.Time{m.history.middle()}
	for len(targets) < runs {
		targets = append(targets, random(m.history.period))
	}
	tine, err := b.compareBaseBackup(ctx, p, &m, targets)
	if err != nil {
		return m, err
	}
	return m, b.compareBackrest(ctx, r, &m, targets, tine)
}

// compareBaseBackup goes to each moment by Tine and by what pg_basebackup has made, and says how long Tine took.
func (b *bench) compareBaseBackup(ctx context.Context, p *peer, m *moments, targets []time.Time) (tine []time.Duration, err error) {
	tine = make([]time.Duration, len(targets))
	for i, to := range slices.Backward(targets) {
		b.progress("to %s, by Tine and pg_basebackup", to.UTC().Format(time.RFC3339))
		s, err := b.measureFork(ctx, p.src, to)
		if err != nil {
			return nil, err
		}
		tine[i] = s.found
		if i > 0 {
			copying, all, err := p.restore(ctx, to)
			if err != nil {
				return nil, err
			}
			m.copied.add(copying, all, s.found)
			continue
		}
		taken, err := p.recover(ctx, p.path("base"), to)
		if err != nil {
			return nil, err
		}
		m.plain.add(m.based, m.based+taken, s.found)
	}
	if err := os.RemoveAll(p.path("base")); err != nil {
		return nil, fmt.Errorf("remove base backup: %w", err)
	}
	return tine, nil
}

// compareBackrest goes to each moment by pgBackRest. The log goes to its repository only now: the disk has to hold it once less.
func (b *bench) compareBackrest(ctx context.Context, r *backrest, m *moments, targets []time.Time, tine []time.Duration) error {
	if err := r.push(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(r.peer.path("archive")); err != nil {
		return fmt.Errorf("remove archive: %w", err)
	}
	if err := makeDir(r.peer.path("archive")); err != nil {
		return err
	}
	for i, to := range targets {
		b.progress("to %s, by pgBackRest", to.UTC().Format(time.RFC3339))
		copying, all, err := r.restore(ctx, to)
		if err != nil {
			return err
		}
		m.rested.add(copying, all, tine[i])
	}
	return nil
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
	latest := comparison{peer: []time.Duration{all}, copying: []time.Duration{copying}, tine: forks}
	m, err := b.compareMoments(ctx, p, 1)
	if err != nil {
		return err
	}
	// Copies of 10 GB were written and removed a moment ago, which is nothing that a fork shall wait for.
	unix.Sync()
	samples := make([]sample, b.opts.Runs)
	for i := range samples {
		if samples[i], err = b.measureFork(ctx, b.large, random(m.history.period)); err != nil {
			return err
		}
	}
	// A single fork would be a matter of luck, unlike what copies for a minute.
	m.plain.tine, m.rested.tine = found(samples), found(samples)
	t := table{
		title: "What people do today, on the large source", header: peerHeader(),
		rows:  append([][]string{latest.row("latest: pg_basebackup, start")}, m.rows()...),
		notes: []string{m.String(), fmt.Sprintf("Today's ways were measured once, to the middle of the history, Tine's %d times at random moments of it. The aim is 100 x.", len(samples))},
	}
	if err := t.write(b.out); err != nil {
		return err
	}
	return breakdown("Fork of the large source at T: where the time goes", samples).write(b.out)
}
