package gateway

import (
	"context"
	"time"
)

// watchAfter is how long a command runs before it is worth looking whether its client is still there.
const watchAfter = 250 * time.Millisecond

// watched returns a context that ends when the client hangs up, so that a long read does not go on for nobody. The caller must
// call stop when the command has ended, and must not read from the connection before.
//
// It is not for writes: a driver whose connection broke repeats its write, and must find out how the first one ended.
func (c *conn) watched(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	looked := make(chan struct{})
	timer := time.AfterFunc(watchAfter, func() {
		defer close(looked)
		// Blocks until the next message, which then waits in the buffer, or the end.
		if err := c.reader.await(); err != nil && !isTimeout(err) {
			cancel()
		}
	})
	return ctx, func() {
		if !timer.Stop() {
			_ = c.net.SetReadDeadline(past()) // wakes it; read sets the deadline anew
			<-looked
		}
		cancel()
	}
}
