package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// lockDir waits until no other process holds the lock on dir. The lock ends with the process, however it ends.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
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
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), f.Close())
		}
		return func() { _ = f.Close() }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// removeLeftovers removes what killed installs into dir have left.
func removeLeftovers(dir string) error {
	parent, prefix := filepath.Split(dir)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix+".tmp-") {
			if err := removeTree(filepath.Join(parent, e.Name())); err != nil {
				return fmt.Errorf("remove an unfinished install: %w", err)
			}
		}
	}
	return nil
}

// removeTree removes a tree, but nothing that is mounted in it: the machine's /dev may be.
func removeTree(dir string) error {
	dir, err := filepath.EvalSymlinks(dir) // the kernel names a mount by where it is
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	mounts, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	for _, point := range slices.Backward(mounts) {
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount %s: %w", point, err)
		}
	}
	return os.RemoveAll(dir)
}

// mountsBelow returns the mount points in dir, in the order in which they were mounted.
func mountsBelow(dir string) ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	// As the kernel writes paths there.
	dir = strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(dir)
	var points []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 4 && (fields[4] == dir || strings.HasPrefix(fields[4], dir+"/")) {
			points = append(points, unescape(fields[4]))
		}
	}
	return points, nil
}

// unescape undoes the kernel's escapes in paths.
func unescape(path string) string {
	return strings.NewReplacer(`\134`, `\`, `\040`, " ", `\011`, "\t", `\012`, "\n").Replace(path)
}
