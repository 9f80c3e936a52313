package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// lock makes the container's directory if it is missing and locks it, until the returned file and all that inherited
// it are closed.
func (r *Runtime) lock(ctx context.Context, id string) (*os.File, error) {
	for {
		dir, err := openBundle(r.bundle(id))
		if err != nil {
			return nil, err
		}
		if err := flock(ctx, dir); err != nil {
			return nil, fmt.Errorf("lock %s: %w", dir.Name(), err)
		}
		// The one who held it may have removed the directory: a lock on that is worth nothing.
		if same, err := isStill(dir, r.bundle(id)); same || err != nil {
			return dir, err
		}
		_ = dir.Close()
	}
}

func openBundle(path string) (*os.File, error) {
	for {
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		dir, err := os.Open(path)
		if !errors.Is(err, fs.ErrNotExist) { // removed in between
			return dir, err
		}
	}
}

func isStill(f *os.File, path string) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	now, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, now), err
}

// flock locks f. If ctx ends first, f is closed once the one who holds the lock is done with it.
func flock(ctx context.Context, f *os.File) error {
	locked := make(chan error)
	go func() {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		for errors.Is(err, unix.EINTR) {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		}
		select {
		case locked <- err:
		case <-ctx.Done():
			_ = f.Close()
		}
	}()
	select {
	case err := <-locked:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lockParent locks the common parent cgroup: shared while a container is started in it, exclusively to remove it.
func (r *Runtime) lockParent(how int) (unlock func(), err error) {
	dir, err := os.Open(r.bundles)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(dir.Fd()), how)
		if err == nil {
			return func() { _ = dir.Close() }, nil
		}
		if !errors.Is(err, unix.EINTR) {
			_ = dir.Close()
			return nil, fmt.Errorf("lock %s: %w", r.bundles, err)
		}
	}
}

func writeBundle(dir string, spec *specs.Spec) error {
	text, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600)
}

// lastMessage returns the last error in runc's log.
func lastMessage(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "no message"
	}
	defer func() { _ = f.Close() }()
	last := "no message"
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var entry struct{ Level, Msg string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Level == "error" {
			last = entry.Msg
		}
	}
	return last
}
