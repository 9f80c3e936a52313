package sandbox

import (
	"testing"
	"time"
)

func TestUsageIsWhatAContainerHasTaken(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	if _, ok, err := b.Usage(b.spec.ID); ok || err != nil {
		t.Fatalf("usage of what does not run: %t, %v", ok, err)
	}
	b.shell("while :; do :; done")
	b.spec.MemoryBytes = 64 << 20
	mustMake(t, b.Run(t.Context(), b.spec))
	deadline := time.Now().Add(20 * time.Second)
	for {
		u, ok, err := b.Usage(b.spec.ID)
		mustMake(t, err)
		if ok && u.CPU >= 50*time.Millisecond && u.MemoryBytes > 0 && u.MemoryBytes < b.spec.MemoryBytes {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("usage %+v, %t: want processor time and less than 64 MiB", u, ok)
		}
	}
}
