package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tine/e2e/harness"
)

// bytes measures what a fork adds to the pool, without removing any, so that nothing is freed meanwhile.
func (b *bench) bytes(ctx context.Context) error {
	const most = 5 // of forks that live at the same time
	src, err := b.smallSource(ctx)
	if err != nil {
		return err
	}
	if err := b.settle(ctx, src); err != nil {
		return err
	}
	if err := b.waitForCleaner(ctx); err != nil {
		return err
	}
	var used, exclusive []int64
	var ids []string
	for range min(b.opts.Runs, most) {
		added, alone, id, err := b.bytesOnce(ctx, src)
		if err != nil {
			return err
		}
		used, exclusive, ids = append(used, added), append(exclusive, alone), append(ids, id)
	}
	for _, id := range ids {
		if err := b.tine.Remove(ctx, id); err != nil {
			return err
		}
	}
	row := func(what string, list []int64) []string {
		return []string{what, humanBytes(quantile(list, median)), humanBytes(slices.Min(list)), humanBytes(slices.Max(list)), strconv.Itoa(len(list)), "5 MB"}
	}
	return table{
		title: "Bytes that a fresh fork adds", header: []string{"what", "p50", "min", "max", "runs", "aim"},
		rows: [][]string{row("used in the pool", used), row("exclusive to the fork's volume", exclusive)},
		notes: []string{
			fmt.Sprintf("Source of %s. Used is by how much the pool's used bytes grow from before the POST until the fork is online, with "+
				"everything on the disk: the fork's volume, its first restore point, the metadata of both twice, and what Tine notes down. "+
				"Exclusive is what btrfs filesystem du says, which leaves out what the volume shares with its own restore point.", humanBytes(src.size)),
		},
	}.write(b.out)
}

func (b *bench) bytesOnce(ctx context.Context, src *source) (used, exclusive int64, id string, err error) {
	before, err := b.poolUsed()
	if err != nil {
		return 0, 0, "", err
	}
	known, err := b.names("volumes")
	if err != nil {
		return 0, 0, "", err
	}
	fork, err := b.tine.Make(ctx, harness.ForkRequest(src.cluster.Name, b.newName("fork"), time.Time{}))
	if err != nil {
		return 0, 0, "", err
	}
	after, err := b.poolUsed()
	if err != nil {
		return 0, 0, "", err
	}
	node, err := b.addition("volumes", known)
	if err != nil {
		return 0, 0, "", err
	}
	exclusive, err = b.exclusive(ctx, node)
	return after - before, exclusive, fork.ID, err
}

// waitForCleaner returns when the pool's used bytes do not change any more: deleted volumes and WAL are freed in the background.
func (b *bench) waitForCleaner(ctx context.Context) error {
	const interval, patience, enough = time.Second, 2 * time.Minute, 5
	var last int64
	same := 0
	for begin := time.Now(); same < enough && time.Since(begin) < patience; {
		now, err := b.poolUsed()
		if err != nil {
			return err
		}
		if same++; now != last {
			same, last = 0, now
		}
		if err := wait(ctx, interval); err != nil {
			return err
		}
	}
	return nil
}
