package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"tine/internal/engine"
	"tine/internal/storage"
	"tine/internal/wal"
)

// Collect moves the segments that the node has finished from its volume into the history, oldest first, and returns how many. A segment is
// in one of the two places at every moment, whatever is killed: its copy is durable before the original goes.
func (h *History) Collect(ctx context.Context, src Source) (int, error) {
	defer h.lock(src.HistoryID)()
	n, err := h.collect(ctx, src)
	if err != nil {
		return n, fmt.Errorf("collect WAL of cluster %s: %w", src.ClusterID, err)
	}
	return n, nil
}

func (h *History) collect(ctx context.Context, src Source) (int, error) {
	from := engine.ArchiveDir(h.volumePath(src))
	entries, err := os.ReadDir(from)
	if err != nil {
		return 0, err
	}
	if len(entries) == 0 {
		return 0, nil
	}
	to := h.walDir(src.HistoryID)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return 0, err
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	for i, e := range entries {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		if err := move(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return i, err
		}
		h.indexNow(ctx, src, e.Name())
	}
	return len(entries), nil
}

// indexNow makes the index of a segment that has just been archived. If that fails it is made when it is needed, and whoever needs it is told.
func (h *History) indexNow(ctx context.Context, src Source, name string) {
	s, ok := wal.ParseSegment(name)
	if !ok {
		return
	}
	if _, err := h.index(src, s, nil); err != nil {
		h.cfg.Log.ErrorContext(ctx, "WAL segment could not be indexed", "cluster", src.ClusterID, "segment", name, "error", err)
	}
}

// move takes a file to another volume of the pool. The copy has its name only once it is whole and on the disk.
func move(src, dst string) error {
	tmp := dst + ".tmp"
	if err := reflink(src, tmp); err != nil {
		return err
	}
	if err := syncFile(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, dst); err != nil {
		return err
	}
	if err := syncFile(filepath.Dir(dst)); err != nil {
		return err
	}
	return os.Remove(src)
}

// reflink copies a file within the pool; what an earlier try left at dst is replaced.
func reflink(src, dst string) error {
	if err := os.Remove(dst); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return storage.Reflink(src, dst)
}

// syncFile brings a file or a directory to the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}
