package volatile

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const (
	// block is what is written whole or not at all. A btrfs writes no smaller ones.
	block = 4096
	// cache is how many bytes may be written and not flushed. When there are more the disk flushes the oldest by itself.
	cache = 64 << 20
)

// Loss decides at a power cut which of the blocks that were not flushed are lost.
type Loss func() bool

// Losses of blocks that were not flushed: none, all, or each with a chance of a half.
var (
	Nothing    Loss = func() bool { return false }
	Everything Loss = func() bool { return true }
	Some       Loss = func() bool { return rand.IntN(2) == 0 }
)

// Disk is a disk of a fixed size. Its methods may be called by several goroutines at once.
type Disk struct {
	dir    string // where the file system is mounted
	size   int64
	server *fuse.Server

	mu      sync.Mutex
	current *os.File // what readers see
	durable *os.File // what every power cut leaves
	written []write  // what was not flushed, oldest first
	cached  int      // bytes of it
}

// write is some bytes at an offset, or that many zeros.
type write struct {
	offset int64
	bytes  []byte
	zeros  int64
}

// New makes a disk of zeros. dir, an empty directory of a file system that can reflink, holds what the disk consists of.
func New(dir string, size int64) (*Disk, error) {
	d := &Disk{dir: filepath.Join(dir, "disk"), size: size}
	var errs [2]error
	d.current, errs[0] = blank(filepath.Join(dir, "current"), size)
	d.durable, errs[1] = blank(filepath.Join(dir, "durable"), size)
	err := errors.Join(append(errs[:], os.Mkdir(d.dir, 0o700))...)
	if err == nil {
		d.server, err = fs.Mount(d.dir, &root{disk: d}, &fs.Options{MountOptions: fuse.MountOptions{
			DirectMountStrict: true, FsName: "volatile", Name: "volatile", MaxWrite: 512 << 10,
		}})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make volatile disk in %s: %w", dir, err), d.closeFiles())
	}
	return d, nil
}

func blank(path string, size int64) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return f, f.Truncate(size)
}

// Path is the file to attach to a loop device.
func (d *Disk) Path() string { return filepath.Join(d.dir, blocksName) }

// Close unmounts the disk. Nobody may have it open.
func (d *Disk) Close() error {
	if err := d.server.Unmount(); err != nil {
		return fmt.Errorf("unmount volatile disk: %w", err)
	}
	return d.closeFiles()
}

// Die fails all that is asked of the disk from now on, as when the server of a network disk goes away for ever. Close works.
func (d *Disk) Die() (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("let volatile disk die: %w", err)
		}
	}()
	var dir unix.Stat_t
	if err := unix.Stat(d.dir, &dir); err != nil {
		return err
	}
	control, err := os.MkdirTemp("", "fusectl-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(control)) }()
	if err := unix.Mount("fusectl", control, "fusectl", 0, ""); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Unmount(control, 0)) }()
	connection := strconv.Itoa(int(unix.Minor(dir.Dev)))
	return os.WriteFile(filepath.Join(control, connection, "abort"), []byte("1"), 0)
}

func (d *Disk) closeFiles() (err error) {
	for _, f := range []*os.File{d.current, d.durable} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// Cut makes the image that a power cut at this moment would leave. The disk itself goes on.
func (d *Disk) Cut(image string, lost Loss) error {
	f, err := os.OpenFile(image, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := unix.IoctlFileClone(int(f.Fd()), int(d.durable.Fd())); err != nil {
		return fmt.Errorf("cut volatile disk: %w", err)
	}
	for _, w := range d.written {
		if err := w.keepSome(f, lost); err != nil {
			return fmt.Errorf("cut volatile disk: %w", err)
		}
	}
	return nil
}

// read reads what was written, flushed or not.
func (d *Disk) read(dest []byte, offset int64) (int, error) { return d.current.ReadAt(dest, offset) }

func (d *Disk) write(w write) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := w.to(d.current); err != nil {
		return err
	}
	d.written = append(d.written, w)
	d.cached += len(w.bytes)
	for d.cached > cache {
		if err := d.flushOldest(); err != nil {
			return err
		}
	}
	return nil
}

// flush returns when all that was written before survives a power cut.
func (d *Disk) flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.written) > 0 {
		if err := d.flushOldest(); err != nil {
			return err
		}
	}
	d.written = nil
	return nil
}

func (d *Disk) flushOldest() error {
	oldest := d.written[0]
	if err := oldest.to(d.durable); err != nil {
		return err
	}
	d.cached -= len(oldest.bytes)
	d.written = d.written[1:]
	return nil
}

// to carries out the write on a file.
func (w write) to(f *os.File) error {
	if w.bytes == nil {
		return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, w.offset, w.zeros)
	}
	_, err := f.WriteAt(w.bytes, w.offset)
	return err
}

// keepSome carries out the write without the blocks that are lost. A hole is lost as a whole.
func (w write) keepSome(f *os.File, lost Loss) error {
	if w.bytes == nil {
		if lost() {
			return nil
		}
		return w.to(f)
	}
	for from := 0; from < len(w.bytes); from += block {
		if lost() {
			continue
		}
		if _, err := f.WriteAt(w.bytes[from:min(from+block, len(w.bytes))], w.offset+int64(from)); err != nil {
			return err
		}
	}
	return nil
}
