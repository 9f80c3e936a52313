package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tine/internal/storage"
)

// changedAtStart are the files and directories that the start of a node changes, whatever its data is: patterns below its volume.
//
//nolint:gochecknoglobals // a constant
var changedAtStart = []string{
	".", dirData,
	dirData + "/global", dirData + "/global/pg_control",
	dirData + "/base/5", // of the database that everybody connects to
	dirData + "/pg_documentdb_cursor_files", dirData + "/pg_logical", dirData + "/pg_logical/*",
	dirData + "/pg_multixact/*/*", dirData + "/pg_subtrans/*", dirData + "/pg_xact/*",
	dirData + "/pg_wal", dirData + "/pg_wal/0*",
}

// rebuiltAtStart is removed by every recovery, and written again by the first who connects.
//
//nolint:gochecknoglobals // a constant
var rebuiltAtStart = []string{dirData + "/base/*/pg_internal.init", dirData + "/global/pg_internal.init"}

// unshare changes what the start of a copied volume will change, and has that brought to the disk, without waiting for it.
//
// The first change of a block of metadata that a copy shares with others costs a reference for each extent that the block names, in blocks of their own if hundreds share it: three times as much
// to write as for the first copy. Who makes the volume durable after the start would wait for that. Here it is done while the container is made. It may be done again, or not at all.
func unshare(volume string) error {
	err := eachMatch(volume, rebuiltAtStart, os.Remove)
	if err == nil {
		err = eachMatch(volume, changedAtStart, touch)
	}
	if err == nil {
		err = storage.StartSync(volume)
	}
	if err != nil {
		return fmt.Errorf("make the metadata of %s its own: %w", volume, err)
	}
	return nil
}

// touch sets the times of a file to now; of a link, those of the link.
func touch(path string) error {
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, nil, unix.AT_SYMLINK_NOFOLLOW)
}

// eachMatch calls do for each file that one of the patterns names. One that is gone by then is none.
func eachMatch(volume string, patterns []string, do func(path string) error) error {
	for _, pattern := range patterns {
		paths, err := fs.Glob(os.DirFS(volume), pattern) // the volume's own name is no pattern
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := do(filepath.Join(volume, path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
