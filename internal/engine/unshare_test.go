package engine

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// All that the start of an idle node's copy changes, of what the copy came with, is changed before: a new version of PostgreSQL or of the engine may change something else.
func TestWhatAStartChangesIsUnsharedBefore(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	root := installedRoot(t)
	golden, err := root.BuildGolden(t.Context(), place.pool, place.runtime, filepath.Join(place.dir, "work"))
	noError(t, err)
	source := place.startNode(t, root, golden, "source")
	conn := connect(t, source, RoleSuperuser)
	run(t, conn, "ALTER SYSTEM SET autovacuum = off") // it would change whatever it finds to do
	run(t, conn, "SELECT pg_reload_conf()")
	run(t, conn, "CHECKPOINT")
	noError(t, place.pool.Snapshot(t.Context(), "volumes/source", "volumes/before"))
	before := place.pool.VolumePath("volumes/before")

	noError(t, place.pool.Clone(t.Context(), "volumes/before", "volumes/unshared"))
	unshared := place.pool.VolumePath("volumes/unshared")
	noError(t, unshare(unshared))
	noError(t, unshare(unshared))
	ours := append(changedFiles(t, before, unshared), fileConf, dirData+"/postmaster.opts", dirData+"/postmaster.pid") // which the start itself writes or removes before

	started := place.copyLive(t, root, "before", "started")
	for _, path := range changedFiles(t, before, started.Volume()) {
		if !slices.Contains(ours, path) {
			t.Errorf("the start changes %s, which is not unshared", path)
		}
	}
	for _, must := range []string{".", dirData + "/global/pg_control", dirData + "/base/5", dirData + "/base/5/pg_internal.init"} {
		if !slices.Contains(ours, must) {
			t.Errorf("%s is not unshared, only %v", must, ours)
		}
	}
}

// changedFiles lists what has another time, or is gone, in a copy of a volume.
func changedFiles(t *testing.T, before, after string) (changed []string) {
	t.Helper()
	modified := func(path string) time.Time {
		info, err := os.Lstat(path)
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	noError(t, filepath.WalkDir(before, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(path, before), "/")
		if !modified(path).Equal(modified(filepath.Join(after, name))) {
			changed = append(changed, "./"+name)
		}
		return nil
	}))
	for i := range changed {
		changed[i] = filepath.Clean(changed[i])
	}
	return changed
}
