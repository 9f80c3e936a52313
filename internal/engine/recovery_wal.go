package engine

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"tine/internal/wal"
)

// ErrIncomplete says that a fresh node's recovery ended before it should have: its WAL is damaged or has a gap.
var ErrIncomplete = errors.New("the recovery ended too early")

// takeSegments moves the segments in RestoreDir to where the node reads them: over those that its volume was copied with, which may end earlier. PostgreSQL could fetch
// them itself, with a shell for each. They are marked as archived: they are in the source's history, and need not come into the fork's. It can be repeated.
func takeSegments(volume string) error {
	from := RestoreDir(volume)
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, ok := wal.ParseSegment(e.Name()); !ok {
			continue
		}
		if err := markArchived(volume, e.Name()); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(WALDir(volume), e.Name())); err != nil {
			return err
		}
	}
	return os.RemoveAll(from)
}

// markArchived tells PostgreSQL that a segment need not be archived.
func markArchived(volume, segment string) error {
	path := archiveStatus(volume, segment)
	if err := os.Remove(path + ".ready"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path+".done", nil, 0o600); err != nil {
		return err
	}
	return os.Chown(path+".done", UserID, UserID)
}

// cutWAL makes a volume's log end at a position, which must be one between two records: recovery goes as far as there are records. It returns the segment in which that is, with
// number 0 if it is where a segment begins. It can be repeated.
func cutWAL(volume string, end wal.LSN) (last wal.Segment, err error) {
	entries, err := os.ReadDir(WALDir(volume))
	if err != nil {
		return last, err
	}
	for _, e := range entries {
		s, ok := wal.ParseSegment(e.Name())
		switch {
		case !ok || s.Begin()+wal.SegmentSize <= end:
		case s.Begin() >= end:
			if err := os.Remove(filepath.Join(WALDir(volume), e.Name())); err != nil {
				return last, err
			}
		case s.Timeline > last.Timeline:
			last = s
		}
	}
	if last.Number == 0 {
		return last, nil
	}
	path := filepath.Join(WALDir(volume), last.Name())
	if err := os.Truncate(path, int64(end-last.Begin())); err != nil {
		return last, err
	}
	return last, os.Truncate(path, wal.SegmentSize) // zeros: no record
}

// lastRecord is where the last record of a volume's log begins, and where it ends; zeros if the newest segment that was written to does not show that.
func lastRecord(volume string) (begin, end wal.LSN, err error) {
	newest, err := newestSegments(volume)
	if err != nil {
		return 0, 0, err
	}
	for _, s := range newest {
		begin, end, err := lastRecordOf(volume, s)
		if err != nil || begin != 0 {
			return begin, end, err
		}
	}
	return 0, 0, nil
}

// newestSegments are the last few of the newest timeline, newest first: PostgreSQL makes one before it needs it.
func newestSegments(volume string) ([]wal.Segment, error) {
	entries, err := os.ReadDir(WALDir(volume))
	if err != nil {
		return nil, err
	}
	var all []wal.Segment
	for _, e := range entries {
		if s, ok := wal.ParseSegment(e.Name()); ok {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b wal.Segment) int {
		return cmp.Or(cmp.Compare(b.Timeline, a.Timeline), cmp.Compare(b.Number, a.Number))
	})
	const few = 3
	return all[:min(len(all), few)], nil
}

func lastRecordOf(volume string, s wal.Segment) (begin, end wal.LSN, err error) {
	open := func(s wal.Segment) (*os.File, error) { return os.Open(filepath.Join(WALDir(volume), s.Name())) }
	r := wal.NewReader(open, s.Timeline, s.Begin())
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		rec, err := r.Next()
		if errors.Is(err, wal.ErrEnd) {
			return begin, end, nil
		}
		if err != nil {
			return 0, 0, err
		}
		begin, end = rec.Start, r.Position()
	}
}

// fillUp ends the log with its last segment, by a record that says that the rest of it is empty, and returns where that is. A promotion would otherwise copy the whole segment for its
// timeline, which then has to get to the disk. Where there is no room for the record the log's end stays where it is.
func fillUp(volume string, last wal.Segment, r Recovery) (end wal.LSN, err error) {
	record := wal.SwitchRecord(r.Last)
	within := r.End % wal.PageSize
	if last.Number == 0 || r.Last == 0 || within == 0 || within > wal.PageSize-wal.LSN(len(record)) {
		return r.End, nil
	}
	f, err := os.OpenFile(filepath.Join(WALDir(volume), last.Name()), os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	_, err = f.WriteAt(record, int64(r.End-last.Begin()))
	return last.Begin() + wal.SegmentSize, errors.Join(err, f.Close())
}

// unmarkArchived is for a segment that the node goes on with: it is not the source's any more.
func unmarkArchived(volume string, s wal.Segment) error {
	err := os.Remove(archiveStatus(volume, s.Name()) + ".done")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// archiveStatus is the path, without its extension, of the file that says whether a segment was archived.
func archiveStatus(volume, segment string) string {
	return filepath.Join(WALDir(volume), "archive_status", segment)
}

// checkEnd fails with ErrIncomplete if the recovery that has just opened the node did not get to its end. A recovery takes whatever does not go on with the log for the end
// of it, be it damage.
func (r Recovery) checkEnd(volume string) error {
	if r.End == 0 {
		return nil
	}
	at, err := recoveredTo(volume, r.Live)
	if err != nil {
		return fmt.Errorf("find out how far the recovery came: %w", err)
	}
	if at.BehindHeader() == r.End.BehindHeader() {
		return nil
	}
	return fmt.Errorf("%w: at %s, not at %s", ErrIncomplete, at, r.End)
}

// recoveredTo is where the last record ended that was replayed: there the new timeline begins that a promotion has made, or the checkpoint is that ends a crash recovery.
func recoveredTo(volume string, promoted bool) (wal.LSN, error) {
	if !promoted {
		last, err := LastCheckpoint(volume)
		return wal.LSN(last.Redo), err
	}
	return newestSwitch(volume)
}

// newestSwitch is where the newest timeline of a volume began, as its history file says in its last line: number, position, reason.
func newestSwitch(volume string) (at wal.LSN, err error) {
	dir := os.DirFS(WALDir(volume))
	files, err := fs.Glob(dir, "????????.history")
	if err != nil || len(files) == 0 {
		return 0, errors.Join(err, errors.New("there is no history of timelines"))
	}
	text, err := fs.ReadFile(dir, files[len(files)-1]) // in the order of their numbers, in hexadecimal digits
	if err != nil {
		return 0, err
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	fields := bytes.Fields(lines[len(lines)-1])
	if len(fields) < 2 {
		return 0, fmt.Errorf("%s is no history of timelines", files[len(files)-1])
	}
	return wal.ParseLSN(string(fields[1]))
}
