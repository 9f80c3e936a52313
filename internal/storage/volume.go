package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// VolumePath returns the absolute path of the volume called name, whether it exists or not. It never leads out of the
// pool: a name that Create would refuse gives a path below the pool that is not a volume.
func (p *Pool) VolumePath(name string) string {
	return filepath.Join(p.path, filepath.Clean("/"+name))
}

// Create makes an empty volume, and plain directories on the way to it. An existing name is fs.ErrExist.
func (p *Pool) Create(ctx context.Context, name string) error {
	if err := p.inParent(ctx, name, subvolCreate); err != nil {
		return fmt.Errorf("create volume %s: %w", name, err)
	}
	return nil
}

// Snapshot makes dst a read-only copy of the volume src as it is at one instant. When it returns nil the snapshot is
// durable, including what src's writers had not flushed; on error dst does not exist, or (after a power failure only)
// exists completely. A missing src is fs.ErrNotExist, an existing dst fs.ErrExist.
func (p *Pool) Snapshot(ctx context.Context, src, dst string) error {
	if err := p.snapshot(ctx, src, dst, true); err != nil {
		return fmt.Errorf("snapshot volume %s as %s: %w", src, dst, err)
	}
	return nil
}

// Clone is Snapshot with a writable result.
func (p *Pool) Clone(ctx context.Context, src, dst string) error {
	if err := p.snapshot(ctx, src, dst, false); err != nil {
		return fmt.Errorf("clone volume %s as %s: %w", src, dst, err)
	}
	return nil
}

func (p *Pool) snapshot(ctx context.Context, src, dst string, readOnly bool) error {
	source, err := p.openVolume(src)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(source) }()
	return p.inParent(ctx, dst, func(parent int, base string) error {
		return snapCreate(parent, base, source, readOnly)
	})
}

// inParent calls act with the directory that name is to be made in and the last element of name.
func (p *Pool) inParent(ctx context.Context, name string, act func(parent int, base string) error) error {
	if err := validName(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := filepath.Dir(p.VolumePath(name))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	parent, err := openDir(dir)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(parent) }()
	return act(parent, path.Base(name))
}

// Delete removes a volume, read-only or not. A volume that does not exist is no error; a plain directory is. The
// directories above the volume stay.
func (p *Pool) Delete(ctx context.Context, name string) error {
	if err := p.delete(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete volume %s: %w", name, err)
	}
	return nil
}

func (p *Pool) delete(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	volume, err := p.openVolume(name)
	if err != nil {
		return err
	}
	_ = unix.Close(volume)
	parent, err := openDir(filepath.Dir(p.VolumePath(name)))
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(parent) }()
	return snapDestroy(parent, path.Base(name))
}

// Exists tells whether there is a volume of that name. A plain directory or a file is not one.
func (p *Pool) Exists(name string) (bool, error) {
	if err := validName(name); err != nil {
		return false, fmt.Errorf("look for volume %s: %w", name, err)
	}
	ok, err := isSubvolume(p.VolumePath(name))
	if err != nil {
		return false, fmt.Errorf("look for volume %s: %w", name, err)
	}
	return ok, nil
}

// List returns the last elements of the names of the volumes directly in dir, sorted: List("golden") may return
// ["18.6"]. "." is the top of the pool. A missing dir gives an empty list.
func (p *Pool) List(dir string) ([]string, error) {
	if !fs.ValidPath(dir) {
		return nil, fmt.Errorf("list volumes in %q: not a relative path within the pool", dir)
	}
	entries, err := os.ReadDir(p.VolumePath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list volumes in %s: %w", dir, err)
	}
	var names []string
	for _, e := range entries {
		ok, err := isSubvolume(filepath.Join(p.VolumePath(dir), e.Name()))
		if err != nil {
			return nil, fmt.Errorf("list volumes in %s: %w", dir, err)
		}
		if ok {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// openVolume opens the root directory of a volume.
func (p *Pool) openVolume(name string) (int, error) {
	if err := validName(name); err != nil {
		return -1, err
	}
	full := p.VolumePath(name)
	ok, err := isSubvolume(full)
	if err != nil {
		return -1, err
	}
	if !ok {
		if _, err := os.Lstat(full); err != nil {
			return -1, err
		}
		return -1, fmt.Errorf("%s is not a volume", full)
	}
	return openDir(full)
}

func openDir(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open directory %s: %w", path, err)
	}
	return fd, nil
}

// validName accepts what stays within the pool and is not the pool itself.
func validName(name string) error {
	if name == "." || !fs.ValidPath(name) || len(path.Base(name)) > maxBaseName {
		return fmt.Errorf("%q is not a volume name: it must be a relative path without %q", name, "..")
	}
	return nil
}
