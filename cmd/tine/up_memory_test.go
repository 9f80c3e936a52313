package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// Not parallel: the heap is everybody's.
func TestHeldMemoryIsWhatNobodyNeeds(t *testing.T) { //nolint:paralleltest // see above
	needed := func() int64 {
		burst := make([]byte, 8*memoryWorth)
		runtime.GC()
		defer runtime.KeepAlive(burst)
		return heldMemory()
	}()
	runtime.GC()
	if held := heldMemory(); held < needed+7*memoryWorth {
		t.Errorf("%d bytes are held after a burst, %d during it", held, needed)
	}
	debug.FreeOSMemory()
	if held := heldMemory(); held > needed+memoryWorth {
		t.Errorf("%d bytes are held after they were given back", held)
	}
}
