package harness

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// Main runs a package's tests with a Tine that they share, from its start to its end, also if they are interrupted, and returns the code to exit with. It stores
// the Tine in *shared and calls start, or the Tine's own Start if that is nil.
func Main(tests interface{ Run() int }, shared **Tine, opts Options, start func(context.Context, *Tine) error) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	fail := func(err error) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
			code = 1
		}
	}
	defer func() { _ = os.Remove(built()) }() // none was built if TINE_BINARY names one
	tine, err := New(opts)
	if err != nil {
		fail(err)
		return code
	}
	*shared = tine
	defer func() {
		if err := tine.Destroy(context.WithoutCancel(ctx)); err != nil {
			fail(fmt.Errorf("clean up: %w", err))
		}
	}()
	if start == nil {
		start = func(ctx context.Context, t *Tine) error { return t.Start(ctx) }
	}
	if err := start(ctx, tine); err != nil {
		fail(err)
		return code
	}
	return tests.Run()
}
