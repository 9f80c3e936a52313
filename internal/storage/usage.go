package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Usage is what the files of a volume occupy, in bytes of data; metadata, which holds files of up to 2 KiB
// completely, is not counted.
type Usage struct {
	// Exclusive is what deleting the volume would free.
	Exclusive int64
	// Shared is what other volumes, or other files of this one, refer to as well.
	Shared int64
}

// Usage adds up the extents of all files of a volume. It reads all of the volume's metadata, so it is for people and
// for bills, not for the way of a request; ctx is looked at between files. Files that come and go meanwhile are no
// error. What was written less than 30 s ago and not synced counts as exclusive.
func (p *Pool) Usage(ctx context.Context, name string) (Usage, error) {
	u, err := p.usage(ctx, name)
	if err != nil {
		return Usage{}, fmt.Errorf("usage of volume %s: %w", name, err)
	}
	return u, nil
}

func (p *Pool) usage(ctx context.Context, name string) (Usage, error) {
	root, err := p.openVolume(name)
	if err != nil {
		return Usage{}, err
	}
	defer func() { _ = unix.Close(root) }()
	var st unix.Stat_t
	if err := unix.Fstat(root, &st); err != nil {
		return Usage{}, err
	}
	c := extentCounter{device: st.Dev, linked: map[uint64]bool{}}
	err = filepath.WalkDir(p.VolumePath(name), func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && entry.Type().IsRegular() {
			err = c.add(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return c.Usage, err
}

// extentCounter adds up files of one device, each once however many names it has.
type extentCounter struct {
	Usage
	device uint64
	linked map[uint64]bool
	buffer fiemap
}

func (c *extentCounter) add(path string) error {
	// Not following links and not blocking: the owner of the volume may replace a file at any time.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	if st.Dev != c.device || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size == 0 {
		return nil
	}
	if st.Nlink > 1 {
		if c.linked[st.Ino] {
			return nil
		}
		c.linked[st.Ino] = true
	}
	if err := c.addExtents(fd); err != nil {
		return fmt.Errorf("extents of %s: %w", path, err)
	}
	return nil
}

// From linux/fiemap.h.
const (
	ioctlFiemap  = 0xc020660b // _IOWR('f', 11, struct fiemap)
	extentLast   = 0x0001
	extentInline = 0x0200
	extentShared = 0x2000
)

// fiemap is struct fiemap with room for a batch of extents.
type fiemap struct {
	start, length                  uint64
	flags, mapped, count, reserved uint32
	extents                        [256]fiemapExtent
}

type fiemapExtent struct {
	logical, physical, length uint64
	reserved64                [2]uint64
	flags                     uint32
	reserved                  [3]uint32
}

func (c *extentCounter) addExtents(fd int) error {
	for start := uint64(0); ; {
		m := &c.buffer
		m.start, m.length, m.flags, m.mapped, m.count = start, ^uint64(0)-start, 0, 0, uint32(len(m.extents))
		if err := ioctl(fd, ioctlFiemap, unsafe.Pointer(m)); err != nil {
			return err
		}
		if m.mapped == 0 {
			return nil
		}
		for _, e := range m.extents[:m.mapped] {
			c.addExtent(e)
			if e.flags&extentLast != 0 {
				return nil
			}
			start = e.logical + e.length
		}
	}
}

func (c *extentCounter) addExtent(e fiemapExtent) {
	switch {
	case e.flags&extentInline != 0:
	case e.flags&extentShared != 0:
		c.Shared += int64(e.length)
	default:
		c.Exclusive += int64(e.length)
	}
}
