package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"tine/e2e/harness"
)

// Options say what is measured and how much of it.
type Options struct {
	Binary    string // the tine to measure
	Version   string // its version, for the heading
	EngineDir string
	Dir       string // where the instance and the copies of the peers are; needs several times LargeMB

	Runs       int           // of everything that takes well under a second
	PeerRuns   int           // of what people do today
	SmallMB    int           // size of the small source, in 10^6 bytes of documents
	LargeMB    int           // size of the large one; 8,000 are 10 GB of tables
	History    time.Duration // how long the history of the forks at a moment is written
	Rounds     int           // of everything that the gateway is measured with
	Round      time.Duration // how long a contender has its turn in each
	ReplayMiB  int           // replay budget of the instance; 0 means Tine's default
	Points     int           // restore points of the source that has many
	Density    int           // forks that are made and mostly suspended
	DensityMB  int           // size of their source
	TransferMB int           // size of the source that is sent into another region
	OtherPool  string        // a btrfs that is mounted on another disk, to be the pool of that region; empty: an image beside the first one
	Only       []string      // names of sections; empty means all

	Progress io.Writer // what is being done, for people who wait
}

// DefaultOptions are what make bench measures.
func DefaultOptions() Options {
	return Options{
		Dir: "/var/tmp", Runs: 20, PeerRuns: 3, SmallMB: 100, LargeMB: 8000, History: 150 * time.Second,
		Rounds: 5, Round: 2 * time.Second, Points: 500, Density: 200, DensityMB: 1000, TransferMB: 1000, Progress: io.Discard,
	}
}

// section is a part of the benchmark that can be run alone.
type section struct {
	name string
	do   func(*bench, context.Context) error
}

// group is the sections that share a Tine, and the sources in it. Its Tine is gone when the next group's is made: they need room one after the other.
type group struct {
	sections  []section
	room      func(Options) int64 // what they write at most
	image     func(Options) int   // size of the pool in GiB; nil: by room
	configure func(*bench) error  // before Tine starts; nil: nothing
}

func groups() []group {
	return []group{
		{room: forksRoom, sections: []section{
			{"create", (*bench).create},
			{"latest", (*bench).latest},
			{"bytes", (*bench).bytes},
			{"at", (*bench).at},
			{"load", (*bench).load},
			{"clients", (*bench).forksAndClients},
		}},
		{room: peersRoom, sections: []section{{"peers", (*bench).peers}}},
		{room: transferRoom, image: transferImageGiB, configure: (*bench).addRegion, sections: []section{{"transfer", (*bench).transfers}}},
		{room: pointsRoom, sections: []section{{"points", (*bench).points}}},
		{room: sizeRoom, sections: []section{{"size", (*bench).size}, {"cold", (*bench).cold}}},
		{room: densityRoom, sections: []section{{"density", (*bench).density}}},
		{room: gatewayRoom, sections: []section{
			{"gateway", (*bench).gateway},
			{"idle", (*bench).idle},
			{"api", (*bench).api},
		}},
	}
}

// wanted are the sections of the group that were asked for.
func (g group) wanted(o Options) (list []section) {
	for _, s := range g.sections {
		if o.wants(s.name) {
			list = append(list, s)
		}
	}
	return list
}

// SectionNames lists what Options.Only takes.
func SectionNames() []string {
	var names []string
	for _, g := range groups() {
		for _, s := range g.sections {
			names = append(names, s.name)
		}
	}
	return names
}

func (o Options) wants(section string) bool {
	return len(o.Only) == 0 || slices.Contains(o.Only, section)
}

func (o Options) validate() error {
	for _, name := range o.Only {
		if !slices.Contains(SectionNames(), name) {
			return fmt.Errorf("there is no section %q; there are %s", name, strings.Join(SectionNames(), ", "))
		}
	}
	if o.Runs < 1 || o.PeerRuns < 1 || o.SmallMB < 1 || o.LargeMB < 1 || o.History < time.Second || o.Rounds < 1 || o.Points < 1 || o.DensityMB < 1 || o.TransferMB < 1 || o.Round < time.Millisecond {
		return errors.New("runs, rounds, restore points and sizes must be at least 1, the history at least a second and a round at least a millisecond")
	}
	if o.ReplayMiB < 0 {
		return errors.New("the replay budget must not be negative")
	}
	if o.wants("density") && o.Density < densityActive+densityEnds {
		return fmt.Errorf("density needs at least %d forks", densityActive+densityEnds)
	}
	if os.Geteuid() != 0 {
		return errors.New("the benchmark needs root: it runs a Tine of its own")
	}
	return nil
}

// bench is one run of a group.
type bench struct {
	opts Options
	tine *harness.Tine
	out  io.Writer

	made int // clusters so far, for their names

	// Sources are made when the first section needs them.
	small, large, busy *source
}

// Run measures and writes the tables to out, each as soon as it is known. It leaves nothing behind, also when it fails or ctx ends.
func Run(ctx context.Context, opts Options, out io.Writer) error {
	if err := opts.validate(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := checkSpace(opts); err != nil {
		return err
	}
	if err := heading(opts, out); err != nil {
		return err
	}
	for _, g := range groups() {
		if len(g.wanted(opts)) == 0 {
			continue
		}
		if err := g.run(ctx, opts, out); err != nil {
			return err
		}
	}
	return nil
}

// run measures what is wanted of the group, with a Tine that is gone when it returns.
func (g group) run(ctx context.Context, opts Options, out io.Writer) (err error) {
	b := &bench{opts: opts, out: out}
	b.tine, err = harness.New(harness.Options{
		Binary: opts.Binary, EngineDir: opts.EngineDir, Parent: opts.Dir, ImageGiB: g.imageGiB(opts), ReplayMiB: opts.ReplayMiB, Clusters: opts.Density + 100,
		// The room was looked for: copies of today's ways on the same disk shall not end the forks.
		Pool: map[string]string{"tight_below": "3", "short_below": "2", "critical_below": "1"},
	})
	if err != nil {
		return fmt.Errorf("prepare a Tine: %w", err)
	}
	defer func() {
		b.disconnect(context.WithoutCancel(ctx))
		b.progress("cleaning up")
		if e := b.tine.Destroy(context.WithoutCancel(ctx)); e != nil {
			err = errors.Join(err, fmt.Errorf("clean up %s: %w", b.tine.Dir, e))
		}
	}()
	if g.configure != nil {
		if err := g.configure(b); err != nil {
			return fmt.Errorf("prepare a Tine: %w", err)
		}
	}
	b.progress("starting Tine in %s", b.tine.Dir)
	if err := b.tine.Start(ctx); err != nil {
		return fmt.Errorf("start a Tine: %w", err)
	}
	for _, s := range g.wanted(opts) {
		b.progress("section %s", s.name)
		if err := s.do(b, ctx); err != nil {
			return fmt.Errorf("measure %s: %w", s.name, err)
		}
	}
	return nil
}

func (b *bench) disconnect(ctx context.Context) {
	for _, s := range []*source{b.small, b.large, b.busy} {
		if s != nil {
			_ = s.client.Disconnect(ctx)
		}
	}
}

func (b *bench) progress(format string, args ...any) {
	_, _ = fmt.Fprintf(b.opts.Progress, "bench: "+format+"\n", args...)
}

func (b *bench) newName(prefix string) string {
	b.made++
	return fmt.Sprintf("%s-%d", prefix, b.made)
}
