package faults

import (
	"testing"

	"tine/e2e/harness"
)

// A disk of somebody else that has died, and is still a loop device, says nothing when it is asked for its file. Tine starts and ends beside it.
func TestWorksBesideADeadDiskOfSomebodyElse(t *testing.T) {
	t.Parallel()
	d := newBareDisk(t, "btrfs", 4000)
	dead := d.newVolatile(1 << 30)
	d.attach(dead.Path())
	if err := dead.Die(); err != nil {
		t.Fatal(err)
	}
	d.install(harness.Options{ImageGiB: 2})
	d.start()
	d.make(harness.CreateRequest("prod"))
	d.stopAll()
}
