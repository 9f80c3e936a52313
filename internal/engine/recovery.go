package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"tine/internal/wal"
)

// Recovery says how far a copied volume is to be brought before it is opened. The zero value is crash recovery:
// everything that is in the volume's own WAL, and then a checkpoint of it.
type Recovery struct {
	// Live says that the volume was copied from a running node. It is brought as far as its own WAL goes, too, but opened without the checkpoint if
	// that would take longer than a promotion.
	Live bool
	// End, unless it is 0, makes the node go on with the segments in RestoreDir, up to that position, which must be one between two records behind the volume's
	// own WAL. If it does not get there, the start fails with ErrIncomplete.
	End wal.LSN
	// Last is where the last record before End begins; 0 if that is not known, which costs some time.
	Last wal.LSN
}

// args are PostgreSQL's arguments for the recovery. They are no part of the configuration file, so that a reload in
// the middle does not take them away, and that nothing of them outlives the process.
func (r Recovery) args() []string {
	if !r.Live {
		return nil
	}
	return []string{
		"-c", "hot_standby=off", // nobody reads from it before it is promoted
		"-c", "recovery_target_timeline=current", // a cluster's history is one line
	}
}

// prepare makes a copied volume ready to be started as a node of its own: without what belonged to the running process or
// the archive of its source. It can be repeated until the node is started.
func (r Recovery) prepare(volume string) error {
	data := filepath.Join(volume, dirData)
	for _, name := range []string{"postmaster.pid", "postmaster.opts", "promote", "recovery.signal", "standby.signal"} {
		if err := os.Remove(filepath.Join(data, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// Open cursors are not forked: their owners are not connected to the copy.
	for _, dir := range []string{ArchiveDir(volume), filepath.Join(data, "pg_documentdb_cursor_files")} {
		if err := emptyDir(dir); err != nil {
			return err
		}
	}
	if !r.Live {
		return nil
	}
	// A standby that was asked to promote looks at the request when it comes to the end of its WAL. Recovery of any other kind looks there for
	// no request, and ends with a checkpoint.
	signal := filepath.Join(data, "standby.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		return err
	}
	return os.Chown(signal, UserID, UserID)
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// enough is how much WAL a copy must have to recover to be opened by a promotion, which takes the same time for all, and not by a checkpoint, which grows with what was changed. It was
// measured when a promotion took 30 ms, for the copy of a segment that fillUp spares it; now 8 ms, so that less may be enough.
const enough = 8 << 20

// settle puts the WAL of the recovery in its place and returns the recovery that the volume really needs: one that has nothing or little to replay is opened as
// after a crash.
func (r Recovery) settle(volume string) (Recovery, error) {
	if r.End == 0 {
		if err := os.RemoveAll(RestoreDir(volume)); err != nil { // what a volume of an earlier release has there
			return r, err
		}
		return r.settleLive(volume)
	}
	if err := takeSegments(volume); err != nil {
		return r, err
	}
	last, err := cutWAL(volume, r.End)
	if err != nil {
		return r, err
	}
	if r.Live, err = r.needsPromotion(volume); err != nil {
		return r, err
	}
	if r.Live {
		r.End, err = fillUp(volume, last, r)
	} else {
		err = unmarkArchived(volume, last)
	}
	return r, err
}

// settleLive is settle for a volume that has all of its WAL.
func (r Recovery) settleLive(volume string) (Recovery, error) {
	if !r.Live {
		return r, nil
	}
	promotion, err := r.needsPromotion(volume)
	if r.Live = promotion; err != nil || !promotion {
		return r, err
	}
	whole := Recovery{Live: true}
	if whole.Last, whole.End, err = lastRecord(volume); err != nil || whole.End == 0 {
		return r, err
	}
	last, err := cutWAL(volume, whole.End)
	if err == nil {
		_, err = fillUp(volume, last, whole)
	}
	return r, err // where PostgreSQL sees the end of a live log is where it is
}

// needsPromotion reports whether a promotion is what opens a copied volume soonest, or at all.
func (r Recovery) needsPromotion(volume string) (bool, error) {
	state, err := controlState(volume)
	if err != nil {
		return false, err
	}
	if state == stateShutDown {
		return r.End != 0, nil // a server that was shut down looks for no log behind, but a standby does
	}
	bytes, err := unreplayed(volume, r.End)
	return bytes >= enough, err
}

// unreplayed is about how much WAL there is in a volume since its last checkpoint, up to end if that is known: segments are made without writing them, so what
// is allocated to them was written.
func unreplayed(volume string, end wal.LSN) (int64, error) {
	last, err := LastCheckpoint(volume)
	if err != nil || end != 0 {
		return int64(end) - int64(last.Redo), err
	}
	entries, err := os.ReadDir(WALDir(volume))
	if err != nil {
		return 0, fmt.Errorf("list WAL: %w", err)
	}
	bytes := -int64(last.Redo % wal.SegmentSize)
	for _, e := range entries {
		s, ok := wal.ParseSegment(e.Name())
		if !ok || s.Number < last.Redo/wal.SegmentSize {
			continue
		}
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(WALDir(volume), e.Name()), &st); err != nil {
			return 0, fmt.Errorf("look at WAL segment %s: %w", e.Name(), err)
		}
		const block = 512
		bytes += st.Blocks * block
	}
	return bytes, nil
}

// The values of DBState in PostgreSQL's control file that matter here.
const stateInProduction = 6

// controlState reads the state from the volume's control file: after the system identifier and two version numbers,
// as in every version of PostgreSQL so far.
func controlState(volume string) (uint32, error) {
	const offset = 8 + 4 + 4
	f, err := os.Open(filepath.Join(volume, dirData, "global", "pg_control"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	var b [4]byte
	if _, err := f.ReadAt(b[:], offset); err != nil {
		return 0, fmt.Errorf("read control file: %w", err)
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}

// postmasterStatus reads what the postmaster says of itself: "starting", "ready" and so on, "" before it says anything.
func postmasterStatus(volume string) string {
	const statusLine = 7
	b, err := os.ReadFile(filepath.Join(volume, dirData, "postmaster.pid"))
	if err != nil {
		return ""
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) <= statusLine {
		return ""
	}
	return strings.TrimSpace(lines[statusLine])
}
