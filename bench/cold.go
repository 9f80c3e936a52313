package bench

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// cold compares forks whose source nobody has read for long with forks of one that was just forked: before them the kernel forgets all files, those of the pool, of
// the engine and of Tine. What a disk below a virtual machine remembers it goes on to remember.
func (b *bench) cold(ctx context.Context) error {
	small, err := b.smallSource(ctx)
	if err != nil {
		return err
	}
	if b.large == nil {
		if err := b.fillLarge(ctx); err != nil {
			return err
		}
	}
	sources := []*source{small, b.large}
	for _, src := range sources {
		if err := b.settle(ctx, src); err != nil {
			return err
		}
	}
	const rested = 10 * time.Second // by then a source that was written to and is no more has its restore point
	if err := wait(ctx, rested); err != nil {
		return err
	}
	at := time.Now().Truncate(time.Microsecond)
	var kinds []*coldKind
	for _, src := range sources {
		for _, forget := range []bool{false, true} {
			kinds = append(kinds, &coldKind{src: src, forget: forget}, &coldKind{src: src, forget: forget, at: at})
		}
	}
	for range b.opts.Runs {
		for _, k := range kinds {
			if err := k.measure(ctx, b); err != nil {
				return err
			}
		}
	}
	return b.coldTables(kinds)
}

// coldKind is a kind of fork and what it took.
type coldKind struct {
	src     *source
	forget  bool
	at      time.Time // zero: at latest
	samples []sample
}

func (k *coldKind) measure(ctx context.Context, b *bench) error {
	if k.forget {
		if err := forgetFiles(); err != nil {
			return err
		}
	}
	s, err := b.measureFork(ctx, k.src, k.at)
	k.samples = append(k.samples, s)
	return err
}

func (k *coldKind) name() string {
	moment, memory := "latest", "files in memory"
	if !k.at.IsZero() {
		moment = "T"
	}
	if k.forget {
		memory = "no file in memory"
	}
	return fmt.Sprintf("%s, at %s, %s", humanBytes(k.src.size), moment, memory)
}

// forgetFiles has the kernel drop what it has of files in memory.
func forgetFiles() error {
	unix.Sync() // what is not written yet cannot be dropped
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		return fmt.Errorf("drop the caches of files: %w", err)
	}
	return nil
}

func (b *bench) coldTables(kinds []*coldKind) error {
	t := table{
		title: "Forks of a source that nobody has read for long", header: timeHeader(),
		notes: []string{"Taken in turns. What is not in memory is of the pool, of the engine's programs and of Tine; the source's node keeps its own buffers."},
	}
	for _, k := range kinds {
		t.rows = append(t.rows, timeRow(k.name(), found(k.samples), ""))
	}
	if err := t.write(b.out); err != nil {
		return err
	}
	last := kinds[len(kinds)-1]
	return breakdown("Fork of "+last.name()+": where the time goes", last.samples).write(b.out)
}
