package storage

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What was changed comes to the disk without anybody's waiting for it: the generation in the pool's superblock, as it is on the disk, grows. By itself it would not for half a minute.
func TestStartSyncCommitsWithoutASync(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image := filepath.Join(dir, "pool.img")
	p := openTestPool(t, PoolConfig{Path: filepath.Join(dir, "pool"), Image: image, ImageSize: testSize})
	must(t, p.Create(t.Context(), "v"))
	must(t, p.Sync(t.Context()))
	before := generationOnDisk(t, image)
	must(t, os.WriteFile(filepath.Join(p.VolumePath("v"), "file"), []byte("new"), 0o600))
	if now := generationOnDisk(t, image); now != before {
		t.Fatalf("a write alone is committed: generation %d, before %d", now, before)
	}
	must(t, StartSync(p.VolumePath("v")))
	const interval, patience = time.Millisecond, 10 * time.Second
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for begin := time.Now(); generationOnDisk(t, image) == before; <-ticks.C {
		if time.Since(begin) > patience {
			t.Fatalf("nothing was committed in %s", patience)
		}
	}
	must(t, StartSync(p.VolumePath("v"))) // with nothing to do
}

// generationOnDisk reads struct btrfs_super_block: the generation follows the magic.
func generationOnDisk(t *testing.T, image string) uint64 {
	t.Helper()
	f, err := os.Open(image)
	must(t, err)
	defer func() { _ = f.Close() }()
	var generation [8]byte
	_, err = f.ReadAt(generation[:], superMagicOffset+int64(len(superMagic)))
	must(t, err)
	return binary.LittleEndian.Uint64(generation[:])
}
