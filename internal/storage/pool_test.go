package storage

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const testSize = 512 * mib

// testPool opens a pool of its own in an image, and removes it with everything in it after the test.
func testPool(t testing.TB) *Pool {
	t.Helper()
	dir := t.TempDir()
	return openTestPool(t, PoolConfig{
		Path: filepath.Join(dir, "pool"), Image: filepath.Join(dir, "pool.img"), ImageSize: testSize,
	})
}

func openTestPool(t testing.TB, cfg PoolConfig) *Pool {
	t.Helper()
	p, err := OpenPool(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestPoolFollowsTheContract(t *testing.T) {
	t.Parallel()
	testContract(t, func(t *testing.T) driver {
		t.Helper()
		return testPool(t)
	})
}

// wantGone fails unless neither a mount nor a loop device of the image is left.
func wantGone(t *testing.T, cfg PoolConfig) {
	t.Helper()
	_, mounted, err := mountAt(cfg.Path)
	must(t, err)
	if mounted {
		t.Errorf("%s is still mounted", cfg.Path)
	}
	// Somebody who looks for another image may have the device open for a moment.
	for deadline := time.Now().Add(5 * time.Second); ; {
		loop, err := findLoop(cfg.Image)
		must(t, err)
		if loop == nil {
			return
		}
		must(t, loop.Close())
		if time.Now().After(deadline) {
			t.Fatalf("%s is still attached to %s", cfg.Image, loop.Name())
		}
	}
}

func imageConfig(t *testing.T) PoolConfig {
	t.Helper()
	dir := t.TempDir()
	return PoolConfig{
		Path: filepath.Join(dir, "with blank", "pool"), Image: filepath.Join(dir, "pool.img"), ImageSize: testSize,
	}
}

func TestPoolIsAdoptedAndKeepsItsVolumes(t *testing.T) {
	t.Parallel()
	cfg := imageConfig(t)
	first := openTestPool(t, cfg)
	must(t, first.Create(t.Context(), "v"))

	// As after the death of the process that mounted it.
	second := openTestPool(t, cfg)
	wantExists(t, second, "v", true)
	must(t, second.Close(t.Context()))
	wantGone(t, cfg)
	must(t, first.Close(t.Context()))

	third := openTestPool(t, cfg)
	wantExists(t, third, "v", true)
}

func TestPoolOpenedByManyAtOnceIsMountedOnce(t *testing.T) {
	t.Parallel()
	cfg := imageConfig(t)
	errs := make([]error, 6)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { _, errs[i] = OpenPool(t.Context(), cfg) })
	}
	group.Wait()
	must(t, errors.Join(errs...))
	p := openTestPool(t, cfg)
	must(t, p.Close(t.Context()))
	wantGone(t, cfg)
}

func TestPoolRecoversFromAnUnfinishedOpen(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(t *testing.T, cfg PoolConfig){
		"an image that was not formatted": func(t *testing.T, cfg PoolConfig) {
			t.Helper()
			must(t, os.WriteFile(cfg.Image+".new", make([]byte, 1<<20), 0o600))
		},
		"an image that was not attached": func(t *testing.T, cfg PoolConfig) {
			t.Helper()
			must(t, makeImage(t.Context(), cfg.Image, cfg.ImageSize))
		},
		"an image attached and not mounted": func(t *testing.T, cfg PoolConfig) {
			t.Helper()
			must(t, makeImage(t.Context(), cfg.Image, cfg.ImageSize))
			loop, err := attach(cfg.Image)
			must(t, err)
			t.Cleanup(func() { _ = loop.Close() }) // held open, it stays attached
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := imageConfig(t)
			leave(t, cfg)
			p := openTestPool(t, cfg)
			must(t, p.Create(t.Context(), "v"))
			if _, err := os.Stat(cfg.Image + ".new"); err == nil {
				t.Error("the unfinished image is still there")
			}
		})
	}
}

func TestCloseAcceptsWhatIsAlreadyGone(t *testing.T) {
	t.Parallel()
	cfg := imageConfig(t)
	p := openTestPool(t, cfg)
	must(t, unix.Unmount(cfg.Path, 0))
	must(t, p.Close(t.Context()))
	must(t, os.Remove(cfg.Image))
	must(t, p.Close(t.Context()))
	must(t, os.RemoveAll(filepath.Dir(cfg.Image)))
	must(t, p.Close(t.Context()))
}

func TestCloseOfABusyPoolFailsAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	cfg := imageConfig(t)
	p := openTestPool(t, cfg)
	f, err := os.Create(filepath.Join(cfg.Path, "open"))
	must(t, err)
	wantIs(t, p.Close(t.Context()), unix.EBUSY)
	must(t, f.Close())
	must(t, p.Close(t.Context()))
	wantGone(t, cfg)
}

func TestPoolUsesAMountedBtrfsAndLeavesIt(t *testing.T) {
	t.Parallel()
	cfg := imageConfig(t)
	owner := openTestPool(t, cfg)
	guest, err := OpenPool(t.Context(), PoolConfig{Path: cfg.Path})
	must(t, err)
	must(t, guest.Create(t.Context(), "v"))
	must(t, guest.Close(t.Context()))
	wantExists(t, owner, "v", true)
}

func TestPoolInADirectoryOfABtrfs(t *testing.T) {
	t.Parallel()
	outer := testPool(t)
	p, err := OpenPool(t.Context(), PoolConfig{Path: filepath.Join(outer.Path(), "dir")})
	must(t, err)
	must(t, p.Create(t.Context(), "v"))
	must(t, p.Close(t.Context()))
	wantExists(t, outer, "dir/v", true)
}

// blankDevice returns a loop device of a file full of zeros.
func blankDevice(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk")
	must(t, os.WriteFile(file, nil, 0o600))
	must(t, os.Truncate(file, testSize))
	loop, err := attach(file)
	must(t, err)
	t.Cleanup(func() { _ = loop.Close() })
	return loop.Name()
}

func TestBlankDeviceIsFormattedOnce(t *testing.T) {
	t.Parallel()
	cfg := PoolConfig{Path: filepath.Join(t.TempDir(), "pool"), Device: blankDevice(t)}
	p := openTestPool(t, cfg)
	must(t, p.Create(t.Context(), "v"))
	must(t, p.Close(t.Context()))
	again := openTestPool(t, cfg)
	wantExists(t, again, "v", true)
}

// A device stays mounted when Tine ends and its nodes go on. Whoever stops them later unmounts it, by whatever name it knows the device, but not what is another's.
func TestDeviceThatAnEarlierProcessMountedIsUnmounted(t *testing.T) {
	t.Parallel()
	device := blankDevice(t)
	alias := filepath.Join(t.TempDir(), "alias")
	must(t, os.Symlink(device, alias))
	path := filepath.Join(t.TempDir(), "pool")
	for _, test := range []struct {
		device  string
		mounted bool
	}{{"", true}, {blankDevice(t), true}, {os.DevNull, true}, {device, false}, {alias, false}} {
		_, err := OpenPool(t.Context(), PoolConfig{Path: path, Device: device})
		must(t, err)
		p := openTestPool(t, PoolConfig{Path: path, Device: test.device})
		must(t, p.Close(t.Context()))
		_, mounted, err := mountAt(path)
		must(t, err)
		if mounted != test.mounted {
			t.Errorf("the pool that is configured with the device %q is mounted afterwards: %v", test.device, mounted)
		}
	}
}

func TestDeviceWithAnotherFileSystemIsRefused(t *testing.T) {
	t.Parallel()
	device := blankDevice(t)
	out, err := exec.CommandContext(t.Context(), "/sbin/mkfs.ext4", "-q", device).CombinedOutput()
	if err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	_, err = OpenPool(t.Context(), PoolConfig{Path: filepath.Join(t.TempDir(), "pool"), Device: device})
	if err == nil || !strings.Contains(err.Error(), "ext4") {
		t.Fatalf("a device with an ext4 gave %v", err)
	}
}

// A disk that has lost what it was told to flush is not used, and it is said what is wrong with it.
func TestDamagedPoolIsNotUsed(t *testing.T) {
	t.Parallel()
	cfg := PoolConfig{Path: filepath.Join(t.TempDir(), "pool"), Image: filepath.Join(t.TempDir(), "image"), ImageSize: minImage}
	p := openTestPool(t, cfg)
	must(t, p.Close(t.Context()))
	f, err := os.OpenFile(cfg.Image, os.O_RDWR, 0)
	must(t, err)
	const firstTree, all = 1 << 20, minImage - 1<<20 // the superblock is before it
	must(t, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, firstTree, all))
	must(t, f.Close())
	if _, err = OpenPool(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "its btrfs is damaged") {
		t.Errorf("the error is %v", err)
	}
}

func TestOpenPoolSaysWhyNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.img")
	must(t, os.WriteFile(foreign, make([]byte, 128<<10), 0o600))
	for name, test := range map[string]struct {
		cfg  PoolConfig
		want string
	}{
		"no btrfs and nothing configured": {PoolConfig{Path: dir}, "neither a device nor an image"},
		"a relative path":                 {PoolConfig{Path: "pool"}, "must be absolute"},
		"a file that is something else":   {PoolConfig{Path: dir + "/a", Image: foreign}, "is not a pool"},
		"too little disk":                 {PoolConfig{Path: dir + "/b", Image: dir + "/b.img", ImageSize: 1 << 60}, "are free in"},
		"an image too small for btrfs":    {PoolConfig{Path: dir + "/c", Image: dir + "/c.img", ImageSize: 1 << 20}, "make a btrfs"},
		"a device that is not there":      {PoolConfig{Path: dir + "/d", Device: dir + "/none"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := OpenPool(t.Context(), test.cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v, want one with %q", err, test.want)
			}
			if _, err := os.Stat(test.cfg.Image); err == nil && test.cfg.Image != foreign {
				t.Error("an image was left")
			}
		})
	}
}

func TestImageSize(t *testing.T) {
	t.Parallel()
	const g = int64(1 << 30)
	for _, test := range []struct {
		wanted, free, size int64
		fails              bool
	}{
		{0, 10 * g, 8 * g, false},
		{0, 5000 * g, 1024 * g, false},
		{0, 2 * g, 0, true},
		{g, 2 * g, g, false},
		{3 * g, 2 * g, 0, true},
	} {
		size, err := chooseImageSize("/x", test.wanted, test.free)
		if size/(8<<20) != test.size/(8<<20) && size/(8<<20)+1 != test.size/(8<<20) || (err != nil) != test.fails {
			t.Errorf("of %d, %d wanted: %d, %v", test.free, test.wanted, size, err)
		}
	}
}

func TestReflinkSharesBlocksModeAndOwner(t *testing.T) {
	t.Parallel()
	p := testPool(t)
	must(t, p.Create(t.Context(), "v"))
	write(t, p, "v", "src", strings.Repeat("x", mib))
	src := filepath.Join(p.VolumePath("v"), "src")
	dst := filepath.Join(p.Path(), "dst")
	must(t, os.Chown(src, 27017, 27018))
	must(t, os.Chmod(src, 0o640))
	must(t, Reflink(src, dst))

	text, err := os.ReadFile(dst)
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Stat(dst, &st))
	if len(text) != mib || st.Uid != 27017 || st.Gid != 27018 || st.Mode&0o7777 != 0o640 {
		t.Fatalf("the copy has %d bytes, owner %d:%d, mode %o", len(text), st.Uid, st.Gid, st.Mode)
	}
	must(t, p.Sync(t.Context()))
	wantUsage(t, p, "v", Usage{Shared: mib})
}

func TestReflinkRefusesAnExistingFileAndLeavesNothingOnError(t *testing.T) {
	t.Parallel()
	p := testPool(t)
	src := filepath.Join(p.Path(), "src")
	must(t, os.WriteFile(src, []byte("new"), 0o600))
	dst := filepath.Join(p.Path(), "dst")
	must(t, os.WriteFile(dst, []byte("old"), 0o600))
	wantIs(t, Reflink(src, dst), os.ErrExist)
	text, err := os.ReadFile(dst)
	must(t, err)
	if string(text) != "old" {
		t.Fatalf("the existing file now holds %q", text)
	}
	elsewhere := filepath.Join(t.TempDir(), "dst")
	wantIs(t, Reflink(src, elsewhere), unix.EXDEV)
	if _, err := os.Stat(elsewhere); err == nil {
		t.Fatal("a failed reflink left a file")
	}
}

func TestMountInfoIsUnescaped(t *testing.T) {
	t.Parallel()
	m, ok := parseMount(`36 35 98:0 / /a\040b\134c rw,noatime shared:1 - btrfs /dev/loop0 rw`)
	if !ok || m.point != `/a b\c` || m.fsType != "btrfs" || m.source != "/dev/loop0" {
		t.Fatalf("parsed %+v, %v", m, ok)
	}
	if _, ok := parseMount("nonsense"); ok {
		t.Fatal("nonsense was parsed")
	}
}

// BenchmarkSnapshot measures a snapshot of a volume with 100 files of which some were just written.
func BenchmarkSnapshot(b *testing.B) {
	p := testPool(b)
	if err := p.Create(b.Context(), "v"); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		for j := range 10 {
			name := filepath.Join(p.VolumePath("v"), strconv.Itoa(j))
			if err := os.WriteFile(name, make([]byte, 64<<10), 0o600); err != nil {
				b.Fatal(err)
			}
		}
		if err := p.Snapshot(b.Context(), "v", "s/"+strconv.Itoa(i)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFsync measures an append of 8 KiB with fsync, as a commit does.
func BenchmarkFsync(b *testing.B) {
	p := testPool(b)
	f, err := os.Create(filepath.Join(p.Path(), "wal"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	page := make([]byte, 8192)
	for i := 0; b.Loop(); i++ {
		if _, err := f.WriteAt(page, int64(i%2048)*8192); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// Small blocks of metadata are what keeps the last of many forks nearly as fast as the first.
func TestNewPoolHasSmallBlocksOfMetadata(t *testing.T) {
	t.Parallel()
	cfg := imageConfig(t)
	openTestPool(t, cfg)
	tool, err := findTool("btrfs")
	must(t, err)
	out, err := exec.CommandContext(t.Context(), tool, "inspect-internal", "dump-super", cfg.Image).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "nodesize" {
			if fields[1] != nodeSize {
				t.Errorf("the blocks have %s bytes, want %s", fields[1], nodeSize)
			}
			return
		}
	}
	t.Errorf("no size of blocks in %s", out)
}
