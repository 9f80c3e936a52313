package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	memoryInterval = time.Minute
	// memoryWorth is how much must be held without need before it is given back: that costs a garbage collection.
	memoryWorth = 16 << 20
)

// returnMemory gives the system back what a burst of work has left, until ctx ends. Go keeps a heap of twice what lives, and for good: after
// thousands of TLS handshakes that is more than all the connections need.
func returnMemory(ctx context.Context) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if heldMemory() > memoryWorth {
			debug.FreeOSMemory()
		}
	}
}

// heldMemory is what the heap has of the system's memory beyond what lived at the last garbage collection.
func heldMemory() int64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(samples)
	var sum int64
	for _, s := range samples[:len(samples)-1] {
		sum += int64(s.Value.Uint64())
	}
	return sum - int64(samples[len(samples)-1].Value.Uint64())
}
