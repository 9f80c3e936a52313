package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Tine that was killed may leave its lock to a process that it was just starting, for a moment: the next one waits for that.
func TestLockThatIsAboutToBeFreeIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	waiting := &up{opts: upOptions{DataDir: dir}}
	locked := make(chan error, 1)
	go func() { locked <- waiting.lockDataDir(t.Context()) }()
	select {
	case err := <-locked:
		t.Fatalf("the lock is taken although it is another's: %v", err)
	case <-time.After(5 * lockPause): // it has tried more than once
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-locked; err != nil {
		t.Fatalf("the lock is not taken although it is free: %v", err)
	}
	defer func() { _ = waiting.lock.Close() }()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&up{opts: upOptions{DataDir: dir}}).lockDataDir(ctx); err == nil {
		t.Error("the lock is taken twice")
	}
	err = (&up{opts: upOptions{DataDir: dir}}).lockDataDir(t.Context())
	if err == nil || !strings.Contains(err.Error(), "another tine up is using "+dir) {
		t.Errorf("a lock that stays another's fails with: %v", err)
	}
}
