package volatile

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What was flushed survives a power cut, what was written later as the loss has it, block by block; readers see all of it at once.
func TestCutLosesOnlyWhatWasNotFlushed(t *testing.T) {
	t.Parallel()
	d, dir := newDisk(t)
	f := open(t, d.Path())
	put(t, f, 0, 'a', 4*block)
	ok(t, f.Sync())
	put(t, f, block, 'b', 2*block)
	put(t, f, 2*block, 'c', 2*block)
	ok(t, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, block))
	everySecond := 0
	for n, test := range []struct {
		lost Loss
		want string // by block, "0" for zeros
	}{
		{Nothing, "0bcc"},
		{Everything, "aaaa"},
		{func() bool { everySecond++; return everySecond%2 == 0 }, "0bca"}, // lost are the second blocks of b and of c
	} {
		image := filepath.Join(dir, fmt.Sprint(n))
		ok(t, d.Cut(image, test.lost))
		if got := blocksOf(t, image, 4); got != test.want {
			t.Errorf("cut %d leaves %q, want %q", n, got, test.want)
		}
	}
	if got := blocksOf(t, d.Path(), 4); got != "0bcc" {
		t.Errorf("readers see %q", got)
	}
	ok(t, f.Sync())
	image := filepath.Join(dir, "flushed")
	ok(t, d.Cut(image, Everything))
	if got := blocksOf(t, image, 4); got != "0bcc" {
		t.Errorf("a cut after a flush leaves %q", got)
	}
}

// The oldest writes are on the disk when there are more than its cache holds.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	d, dir := newDisk(t)
	f := open(t, d.Path())
	put(t, f, 0, 'a', block)
	put(t, f, block, 'b', cache)
	image := filepath.Join(dir, "cut")
	ok(t, d.Cut(image, Everything))
	if got := blocksOf(t, image, 1); got != "a" {
		t.Errorf("the oldest block is %q", got)
	}
}

// newDisk makes a disk on a btrfs of the test's own, and returns a directory there.
func newDisk(t *testing.T) (d *Disk, dir string) {
	t.Helper()
	image, dir := filepath.Join(t.TempDir(), "btrfs"), t.TempDir()
	for _, command := range [][]string{{"truncate", "-s", "1G", image}, {"mkfs.btrfs", "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", command, err, out)
		}
	}
	t.Cleanup(func() { ok(t, unix.Unmount(dir, 0)) })
	d, err := New(dir, 2*cache)
	ok(t, err)
	t.Cleanup(func() { ok(t, d.Close()) })
	return d, dir
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	ok(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func put(t *testing.T, f *os.File, offset int64, of byte, count int) {
	t.Helper()
	_, err := f.WriteAt(bytes.Repeat([]byte{of}, count), offset)
	ok(t, err)
}

// blocksOf is the first letter of each of the first blocks.
func blocksOf(t *testing.T, path string, count int) string {
	t.Helper()
	f := open(t, path)
	letters := make([]byte, count)
	for i := range letters {
		_, err := f.ReadAt(letters[i:i+1], int64(i)*block)
		ok(t, err)
	}
	return string(bytes.ReplaceAll(letters, []byte{0}, []byte("0")))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
