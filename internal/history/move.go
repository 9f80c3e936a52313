package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"tine/internal/store"
)

// CopyWAL copies to another pool what it does not have of a history's archived log: segments and their indexes. pace is called before so many bytes are copied, and may
// wait; an error ends the copying. A file has its name when it is whole and on the disk. It may be interrupted anywhere and repeated; what is archived or deleted meanwhile may be missing or left.
func (h *History) CopyWAL(ctx context.Context, historyID string, to *History, pace func(ctx context.Context, bytes int) error) error {
	for _, dirs := range [][2]string{{h.walDir(historyID), to.walDir(historyID)}, {h.commitsDir(historyID), to.commitsDir(historyID)}} {
		missing, _, err := missingFiles(dirs[0], dirs[1])
		if err != nil {
			return fmt.Errorf("copy WAL of history %s: %w", historyID, err)
		}
		if len(missing) == 0 {
			continue
		}
		if err := os.MkdirAll(dirs[1], 0o700); err != nil {
			return fmt.Errorf("copy WAL of history %s: %w", historyID, err)
		}
		for _, name := range missing {
			err := copyFile(ctx, filepath.Join(dirs[0], name), filepath.Join(dirs[1], name), pace)
			if err != nil && !errors.Is(err, os.ErrNotExist) { // it may be pruned by now
				return fmt.Errorf("copy WAL of history %s: %w", historyID, err)
			}
		}
		if err := syncFile(dirs[1]); err != nil {
			return fmt.Errorf("copy WAL of history %s: %w", historyID, err)
		}
	}
	return nil
}

// MissingWAL is how many bytes CopyWAL would copy now.
func (h *History) MissingWAL(historyID string, to *History) (bytes int64, err error) {
	_, segments, err := missingFiles(h.walDir(historyID), to.walDir(historyID))
	if err != nil {
		return 0, fmt.Errorf("look at WAL of history %s: %w", historyID, err)
	}
	_, indexes, err := missingFiles(h.commitsDir(historyID), to.commitsDir(historyID))
	if err != nil {
		return 0, fmt.Errorf("look at WAL of history %s: %w", historyID, err)
	}
	return segments + indexes, nil
}

// KeepOnly deletes all of a history's snapshots but those of the points.
func (h *History) KeepOnly(ctx context.Context, historyID string, points []store.RestorePoint) error {
	defer h.lock(historyID)()
	keep := make(map[string]bool, len(points))
	for _, p := range points {
		keep[p.Volume] = true
	}
	if err := h.deletePoints(ctx, historyID, keep); err != nil {
		return fmt.Errorf("delete snapshots of history %s: %w", historyID, err)
	}
	return nil
}

// missingFiles are the whole files of a directory that another one does not have, and what they occupy.
func missingFiles(from, to string) (names []string, bytes int64, err error) {
	entries, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, 0, err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp") {
			continue
		}
		var here, there unix.Stat_t
		if unix.Lstat(filepath.Join(from, e.Name()), &here) != nil || unix.Lstat(filepath.Join(to, e.Name()), &there) == nil {
			continue
		}
		const block = 512
		names, bytes = append(names, e.Name()), bytes+here.Blocks*block
	}
	return names, bytes, nil
}

// copyFile copies a file to another file system, with its owner, mode and holes.
func copyFile(ctx context.Context, src, dst string, pace func(context.Context, int) error) error {
	from, err := os.Open(src)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return fmt.Errorf("stat %s: %w", src, err)
	}
	tmp := dst + ".tmp"
	to, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = copyBlocks(ctx, to, from, pace)
	if err == nil {
		err = errors.Join(to.Truncate(st.Size), to.Chown(int(st.Uid), int(st.Gid)), to.Chmod(os.FileMode(st.Mode&0o777)), to.Sync())
	}
	if err := errors.Join(err, to.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, dst)
}

func copyBlocks(ctx context.Context, to io.WriterAt, from io.ReaderAt, pace func(context.Context, int) error) error {
	const size = 64 << 10
	block, zeros := make([]byte, size), make([]byte, size)
	for at := int64(0); ; {
		n, err := from.ReadAt(block, at)
		if n > 0 && !bytes.Equal(block[:n], zeros[:n]) {
			if err := pace(ctx, n); err != nil {
				return err
			}
			if _, err := to.WriteAt(block[:n], at); err != nil {
				return err
			}
		}
		if at += int64(n); errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
