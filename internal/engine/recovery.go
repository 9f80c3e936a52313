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
	// Archive makes the node go on with the segments in RestoreDir after the WAL of its own.
	Archive bool
	// Before or After ends the recovery at the record that begins there, without it or with it; 0 means the end of what there
	// is. The record must exist behind the volume's own WAL, or PostgreSQL gives up.
	Before, After wal.LSN
}

// ends reports whether the recovery has a target.
func (r Recovery) ends() bool { return r.Before != 0 || r.After != 0 }

// promotes reports whether the recovery ends with a promotion.
func (r Recovery) promotes() bool { return r.Live || r.ends() }

// args are PostgreSQL's arguments for the recovery. They are no part of the configuration file, so that a reload in
// the middle does not take them away, and that nothing of them outlives the process.
func (r Recovery) args() []string {
	if r.Live {
		// Nobody reads from it before it is promoted.
		return []string{"-c", "hot_standby=off", "-c", "recovery_target_timeline=current"}
	}
	if !r.Archive {
		return nil
	}
	settings := []string{
		"restore_command=test -f /data/restore/%f && ln -f /data/restore/%f %p",
		// A cluster's history is one line. The newest timeline would be looked for among segments of another cluster.
		"recovery_target_timeline=current",
	}
	if r.ends() {
		// PostgreSQL compares with where a record begins.
		target, inclusive := r.Before, "off"
		if r.After != 0 {
			target, inclusive = r.After, "on"
		}
		settings = append(settings,
			"recovery_target_lsn="+target.String(),
			"recovery_target_inclusive="+inclusive,
			// Not "promote": that ends with a checkpoint of everything that was replayed. A node that pauses and
			// has been asked to promote by then writes one small record instead. See Node.promoteEarly.
			"recovery_target_action=pause",
		)
	}
	var args []string
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
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
	if !r.Live && !r.Archive {
		return nil
	}
	name := "recovery.signal"
	if r.Live {
		// A standby that was asked to promote looks at the request when it comes to the end of its WAL. Recovery of any other kind looks there for
		// no request, and ends with a checkpoint.
		name = "standby.signal"
	}
	signal := filepath.Join(data, name)
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

// enough is how much WAL a copy must have to recover for a promotion to be cheaper than a checkpoint: it takes some 30 ms, most of them for the new
// timeline's first segment, while the checkpoint grows with what was changed.
const enough = 8 << 20

// settle is the recovery that a copied volume really needs: one that has nothing or little to recover is opened as after a crash.
func (r Recovery) settle(volume string) (Recovery, error) {
	if !r.Live {
		return r, nil
	}
	state, err := controlState(volume)
	if err != nil || state == stateShutDown {
		r.Live = false
		return r, err
	}
	bytes, err := unreplayed(volume)
	r.Live = bytes >= enough
	return r, err
}

// unreplayed is about how much WAL there is in a volume since its last checkpoint: segments are made without writing them, so what is allocated to
// them was written.
func unreplayed(volume string) (int64, error) {
	last, err := LastCheckpoint(volume)
	if err != nil {
		return 0, err
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
