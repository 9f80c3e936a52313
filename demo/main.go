// Command demo is Tine's main job, for real: it loses data in a running Tine and gets it back with a fork.
//
// It speaks to Tine as any user does, through godo and the official MongoDB driver, and imports nothing of Tine. Each step
// checks what it claims; the first claim that does not hold ends the demo with exit code 1. The clusters that it makes stay,
// so that they can be looked at.
//
// TINE_API, TINE_TOKEN and TINE_DATA_DIR say which Tine, as for the command line.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}
