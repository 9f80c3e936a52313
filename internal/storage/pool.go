package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// PoolConfig says where a pool is. Path is always needed; see the package comment for what applies when.
type PoolConfig struct {
	// Path is the mount point. It is made if it is missing.
	Path string
	// Device is a block device to mount at Path. It is formatted only if it holds no file system and no partitions.
	Device string
	// Image is a file to mount at Path through a loop device.
	Image string
	// ImageSize is the size in bytes of an image that is yet to be made; it occupies only what is written to it.
	// 0 means 80 % of what is free on the file system that Image is on, at most 1 TiB.
	ImageSize int64
}

// Pool is a mounted btrfs file system that holds volumes.
type Pool struct {
	path    string
	image   string // the image to detach at Close, "" if there is none
	mounted bool   // this process mounted a device
}

// OpenPool makes the pool available and returns it. It may be called again, by the same process or by a later one:
// it finds and keeps what exists. On error nothing is mounted that was not mounted before. Errors read as one
// sentence that can be shown to the operator.
func OpenPool(ctx context.Context, cfg PoolConfig) (*Pool, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open pool %s: %w", cfg.Path, err)
	}
	if !filepath.IsAbs(cfg.Path) {
		return nil, fmt.Errorf("open pool %q: the path must be absolute", cfg.Path)
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("open pool %s: mounting a pool and making volumes needs root", cfg.Path)
	}
	if err := os.MkdirAll(cfg.Path, 0o700); err != nil {
		return nil, fmt.Errorf("open pool %s: %w", cfg.Path, err)
	}
	path, err := filepath.EvalSymlinks(cfg.Path) // the kernel names a mount by where it is
	if err != nil {
		return nil, fmt.Errorf("open pool %s: %w", cfg.Path, err)
	}
	p := &Pool{path: path}
	if err := p.mount(ctx, cfg); err != nil {
		return nil, fmt.Errorf("open pool %s: %w", p.path, err)
	}
	return p, nil
}

// mount brings a btrfs to p.path from wherever cfg says.
func (p *Pool) mount(ctx context.Context, cfg PoolConfig) error {
	if cfg.Image != "" {
		return p.mountImage(ctx, cfg)
	}
	m, mounted, err := mountAt(p.path)
	if err != nil {
		return err
	}
	if mounted && m.fsType == "btrfs" {
		p.mounted = sameDevice(m.source, cfg.Device)
		return nil
	}
	if cfg.Device != "" {
		return p.mountDevice(ctx, cfg.Device)
	}
	onBtrfs, err := isBtrfs(p.path)
	if err != nil {
		return err
	}
	if !onBtrfs {
		return errors.New("it is not on a btrfs file system, and neither a device nor an image is configured")
	}
	return nil
}

// mountDevice mounts a block device, after formatting it if it is blank.
func (p *Pool) mountDevice(ctx context.Context, device string) error {
	if err := needBtrfs(ctx); err != nil {
		return err
	}
	formatted, err := hasBtrfs(device)
	if err != nil {
		return err
	}
	if !formatted {
		// mkfs.btrfs without -f refuses a device on which it recognises anything, which is just what is wanted.
		if err := mkfs(ctx, device); err != nil {
			return err
		}
	}
	if err := mountBtrfs(device, p.path); err != nil {
		return err
	}
	p.mounted = true
	return nil
}

// Close unmounts the pool if it is an image or the device of its configuration, whoever mounted that, and detaches the image's loop device. What is gone already is no error. Close fails
// if the pool is in use, and may then be called again. A container that still has a volume mounted in its own mount
// namespace does not keep Close from unmounting, but keeps the loop device until it exits.
func (p *Pool) Close(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("close pool %s: %w", p.path, err)
	}
	if err := p.unmount(ctx); err != nil {
		return fmt.Errorf("close pool %s: %w", p.path, err)
	}
	return nil
}

func (p *Pool) unmount(ctx context.Context) error {
	if p.image != "" {
		return p.unmountImage(ctx)
	}
	if !p.mounted {
		return nil
	}
	err := unmountPatiently(ctx, p.path)
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, fs.ErrNotExist) {
		p.mounted = false
		return nil
	}
	return fmt.Errorf("unmount: %w", err)
}

// Path returns the absolute path at which the pool is mounted.
func (p *Pool) Path() string { return p.path }

// Sync returns when everything written to the pool before the call, by anybody, is on disk. It waits for the dirty
// data of all volumes: who needs only one of them durable is served faster by a Snapshot of it.
func (p *Pool) Sync(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sync pool %s: %w", p.path, err)
	}
	dir, err := openDir(p.path)
	if err != nil {
		return fmt.Errorf("sync pool %s: %w", p.path, err)
	}
	defer func() { _ = unix.Close(dir) }()
	if err := unix.Syncfs(dir); err != nil {
		return fmt.Errorf("sync pool %s: %w", p.path, err)
	}
	return nil
}

// diskFree returns what root may still write to the file system that path is on, in bytes.
func diskFree(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", path, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// Unmounting a pool that was just in use: a process that is being started has its parent's files until it runs its program.
const (
	unmountPatience = 2 * time.Second
	unmountPause    = 20 * time.Millisecond
)

// unmountPatiently unmounts path, and tries again for a while if it is in use.
func unmountPatiently(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, unmountPatience)
	defer cancel()
	for {
		err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(unmountPause):
		}
	}
}
