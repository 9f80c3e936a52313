package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tine/internal/engine"
	"tine/internal/store"
	"tine/internal/wal"
)

// BeforeStop takes a restore point if anything worth one was written since the last, for a node that is about to be stopped for long: a fork of
// the cluster will not have to replay it.
func (h *History) BeforeStop(ctx context.Context, src Source) error {
	if err := h.Measure(ctx, src); err != nil {
		return err
	}
	last, ok, err := h.newest(ctx, src)
	if err != nil {
		return err
	}
	if ok {
		if wrote, err := h.wroteSince(ctx, src, last); err != nil || !wrote {
			return err
		}
	}
	_, err = h.Take(ctx, src)
	return err
}

// AfterStop collects what a node that was stopped in order has left, and takes note that its stop, which ends a segment of the log early, wrote
// nothing worth a restore point. What is empty of the segment gives its space back. The node must not run.
func (h *History) AfterStop(ctx context.Context, src Source) error {
	if err := h.hollow(src); err != nil {
		return fmt.Errorf("collect WAL of cluster %s: %w", src.ClusterID, err)
	}
	if _, err := h.Collect(ctx, src); err != nil {
		return err
	}
	last, ok, err := h.newest(ctx, src)
	if err != nil || !ok {
		return err
	}
	end, err := engine.LastCheckpoint(h.volumePath(src))
	if err != nil {
		return err
	}
	h.remember(src, rested(last, end))
	return nil
}

// rested is a restore point as if it had been taken after the stop. It is for deciding when the next one is due, and for nothing else.
func rested(last store.RestorePoint, end engine.Checkpoint) store.RestorePoint {
	if end.Timeline != uint32(last.Timeline) || end.LSN < last.EndLSN {
		return last
	}
	last.RedoLSN, last.EndLSN = end.LSN, end.LSN
	return last
}

// hollow makes holes of the empty ends of the segments that wait to be collected: a node that stops fills its last one with zeros.
func (h *History) hollow(src Source) error {
	dir := engine.ArchiveDir(h.volumePath(src))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, ok := wal.ParseSegment(e.Name()); !ok {
			continue
		}
		if err := punch(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// punch gives back the space of the zeros at the end of a file. What is read of it stays the same.
func punch(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end, err := endOfData(f, info.Size())
	if err != nil || end == info.Size() {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, end, info.Size()-end)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// endOfData is the end of the last block of a file that is not all zeros. It reads the file from its end.
func endOfData(f io.ReaderAt, size int64) (int64, error) {
	block := make([]byte, 64<<10)
	for end := size; end > 0; {
		begin := max(0, end-int64(len(block)))
		part := block[:end-begin]
		if _, err := f.ReadAt(part, begin); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for _, b := range part {
			if b != 0 {
				return end, nil
			}
		}
		end = begin
	}
	return 0, nil
}
