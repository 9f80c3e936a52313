package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// UserID is the user and group that every node runs as, in the node and on the host.
const UserID = 27017

// Where things are in a volume, seen from its top. A node sees its volume as /data.
const (
	dirData    = "pgdata"
	dirArchive = "archive" // segments that PostgreSQL has finished, linked there by archive_command
	dirRestore = "restore" // segments that recovery takes, put there by the host
	fileConf   = "node.conf"
)

// ArchiveDir is where a node leaves finished WAL segments for the host to collect.
func ArchiveDir(volume string) string { return filepath.Join(volume, dirArchive) }

// RestoreDir is where the host puts the WAL segments that a fresh node's recovery needs beside its own; the start takes them from there.
func RestoreDir(volume string) string { return filepath.Join(volume, dirRestore) }

// WALDir is the node's own write-ahead log.
func WALDir(volume string) string { return filepath.Join(volume, dirData, "pg_wal") }

// Settings are what differs from node to node.
type Settings struct {
	MemoryBytes int64 // of the plan; PostgreSQL takes an eighth of it for its buffers
	// Unsafe turns fsync off. It is for a node whose volume can still be made again from its source: nobody may have been told
	// that a write to it succeeded. See Node.TurnSyncOn.
	Unsafe bool
	// TTLPaused keeps the engine's scheduler from starting anything. The one job that is active in it is the one that deletes what has expired
	// by TTL indexes.
	TTLPaused bool
}

const mib = 1 << 20

func (s Settings) render() string {
	memory := max(s.MemoryBytes, 256*mib)
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by Tine at every start of the node.\n")
	// An eighth, not the usual quarter: the rest serves as page cache, and setting up 256 MB of buffers makes a fork 17 ms
	// later than setting up 32 MB.
	fmt.Fprintf(&b, "shared_buffers = %dMB\n", memory/8/mib)
	fmt.Fprintf(&b, "effective_cache_size = %dMB\n", memory/2/mib)
	fmt.Fprintf(&b, "maintenance_work_mem = %dMB\n", min(memory/16, 512*mib)/mib)
	fmt.Fprintf(&b, "work_mem = %dMB\n", max(min(memory/128, 64*mib)/mib, 4))
	if s.Unsafe {
		fmt.Fprintf(&b, "fsync = off\n")
	}
	if s.TTLPaused {
		fmt.Fprintf(&b, "cron.launch_active_jobs = off\n")
	}
	return b.String()
}

// settingsDiffer says whether a volume's node.conf has other settings.
func settingsDiffer(volume string, s Settings) (bool, error) {
	text, err := os.ReadFile(filepath.Join(volume, fileConf))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read node settings: %w", err)
	}
	return string(text) != s.render(), nil
}

// writeSettings replaces the volume's node.conf at once, so that a kill leaves the old file or the new one.
func writeSettings(volume string, s Settings) error {
	path := filepath.Join(volume, fileConf)
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(s.render()), 0o600); err != nil {
		return fmt.Errorf("write node settings: %w", err)
	}
	if err := os.Chown(tmp, UserID, UserID); err != nil {
		return fmt.Errorf("write node settings: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write node settings: %w", err)
	}
	return nil
}
