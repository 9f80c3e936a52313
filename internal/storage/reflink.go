package storage

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Reflink makes the new file dst share all blocks of src, with its mode and owner; both must be in the same pool. An
// existing dst is fs.ErrExist. On error dst does not exist; a process killed within Reflink may leave an incomplete
// dst, and a finished one is not durable yet: who needs a complete file under a name makes it under another name,
// syncs it, and renames it.
func Reflink(src, dst string) error {
	if err := reflink(src, dst); err != nil {
		return fmt.Errorf("reflink %s as %s: %w", src, dst, err)
	}
	return nil
}

func reflink(src, dst string) error {
	from, err := os.Open(src)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(cloneInto(to, from), to.Close()); err != nil {
		return errors.Join(err, os.Remove(dst))
	}
	return nil
}

func cloneInto(to, from *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if err := unix.IoctlFileClone(int(to.Fd()), int(from.Fd())); err != nil {
		return fmt.Errorf("clone: %w", err)
	}
	// Owner before mode: a change of owner clears mode bits.
	if err := unix.Fchown(int(to.Fd()), int(st.Uid), int(st.Gid)); err != nil {
		return fmt.Errorf("chown: %w", err)
	}
	if err := unix.Fchmod(int(to.Fd()), st.Mode&0o7777); err != nil {
		return fmt.Errorf("chmod: %w", err)
	}
	return nil
}
