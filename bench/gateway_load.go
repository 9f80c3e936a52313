package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// call does an operation once and checks its result.
type call func(ctx context.Context) error

// load has each client do its call again and again for some time; what has begun is waited for.
func load(ctx context.Context, c contender, calls []call, d time.Duration) (result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	before, err := cpuTime(c.pid)
	if err != nil {
		return result{}, err
	}
	begin := time.Now()
	end := begin.Add(d)
	var done atomic.Int64
	var wg sync.WaitGroup
	for _, do := range calls {
		wg.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				if err := do(ctx); err != nil {
					cancel(err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	taken := time.Since(begin)
	if err := context.Cause(ctx); err != nil {
		return result{}, err
	}
	after, err := cpuTime(c.pid)
	return result{perSecond: float64(done.Load()) / taken.Seconds(), cpu: (after - before) / time.Duration(done.Load())}, err
}

// cpuTime is what a process has used of the processors so far, by itself and in the kernel.
func cpuTime(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("ask for the CPU time of process %d: %w", pid, err)
	}
	const (
		user   = 11 // fields after the name, which is in parentheses
		system = 12
		tick   = time.Second / 100 // the kernel's for everybody
	)
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if len(fields) <= system {
		return 0, fmt.Errorf("ask for the CPU time of process %d: cannot read %q", pid, b)
	}
	var sum int64
	for _, i := range []int{user, system} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("ask for the CPU time of process %d: %w", pid, err)
		}
		sum += n
	}
	return time.Duration(sum) * tick, nil
}
