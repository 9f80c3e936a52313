package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	minImage = 2 << 30
	maxImage = 1 << 40
)

// mountImage makes the image if it is missing, attaches it and mounts it, as far as each of that is not done yet.
func (p *Pool) mountImage(ctx context.Context, cfg PoolConfig) error {
	image, err := filepath.Abs(cfg.Image)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(image), 0o700); err != nil {
		return err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(image))
	if err != nil {
		return err
	}
	image = filepath.Join(dir, filepath.Base(image))
	unlock, err := lockDir(filepath.Dir(image))
	if err != nil {
		return err
	}
	defer unlock()

	m, mounted, err := mountAt(p.path)
	if err != nil {
		return err
	}
	if mounted && m.fsType == "btrfs" {
		if backs(m.source, image) {
			p.image = image
		}
		return nil
	}
	if err := needBtrfs(ctx); err != nil {
		return err
	}
	if err := makeImage(ctx, image, cfg.ImageSize); err != nil {
		return err
	}
	loop, err := attach(image)
	if err != nil {
		return err
	}
	// From here on the mount keeps the device; without one, closing it detaches the image again.
	defer func() { _ = loop.Close() }()
	if err := mountBtrfs(loop.Name(), p.path); err != nil {
		return err
	}
	p.image = image
	return nil
}

// unmountImage removes every mount of the image at the pool's path, and the image's loop device.
func (p *Pool) unmountImage(ctx context.Context) error {
	unlock, err := lockDir(filepath.Dir(p.image))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	for {
		m, mounted, err := mountAt(p.path)
		if err != nil {
			return err
		}
		if !mounted || !backs(m.source, p.image) {
			return detach(p.image)
		}
		if err := unmountPatiently(ctx, p.path); err != nil {
			return fmt.Errorf("unmount: %w", err)
		}
	}
}

// makeImage makes a file with an empty btrfs in it, unless it exists. The file has another name until it is complete,
// so that a process killed here leaves nothing that the next one would take for a pool.
func makeImage(ctx context.Context, image string, size int64) error {
	if _, err := os.Stat(image); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return err
		}
		return checkImage(image)
	}
	size, err := imageSize(filepath.Dir(image), size)
	if err != nil {
		return err
	}
	draft := image + ".new"
	if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeImage(ctx, draft, size); err != nil {
		_ = os.Remove(draft)
		return err
	}
	if err := os.Rename(draft, image); err != nil {
		return err
	}
	return syncPath(filepath.Dir(image))
}

// checkImage refuses a file that something else put there: it is somebody's data.
func checkImage(image string) error {
	ok, err := hasBtrfs(image)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the file %s exists and is not a pool: move it away or configure another image", image)
	}
	return nil
}

// writeImage makes a sparse file of size bytes with an empty btrfs in it, and returns when it is on disk.
func writeImage(ctx context.Context, path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := mkfs(ctx, path); err != nil {
		return err
	}
	return syncPath(path)
}

// imageSize returns the size to make an image with, in bytes, or says why there cannot be one.
func imageSize(dir string, wanted int64) (int64, error) {
	free, err := diskFree(dir)
	if err != nil {
		return 0, err
	}
	return chooseImageSize(dir, wanted, free)
}

func chooseImageSize(dir string, wanted, free int64) (int64, error) {
	switch {
	case wanted > free:
		return 0, fmt.Errorf("a pool of %s was asked for, but only %s are free in %s", gib(wanted), gib(free), dir)
	case wanted > 0:
		return wanted, nil
	}
	size := min(free/10*8, maxImage)
	if size < minImage {
		return 0, fmt.Errorf("a pool needs at least %s, but only %s are free in %s, of which a pool takes 80 %%",
			gib(minImage), gib(free), dir)
	}
	return size &^ (4<<20 - 1), nil
}

func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }

// lockDir keeps other processes from opening or closing a pool with an image in the same directory. The lock ends
// with the process, however it ends, and leaves no file.
func lockDir(dir string) (unlock func(), err error) {
	fd, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(fd, unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { _ = unix.Close(fd) }, nil
}

// syncPath flushes a file or a directory to disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
