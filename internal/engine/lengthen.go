package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"tine/internal/wal"
)

// PostgreSQL's defaults, which the packages of Debian have.
const (
	pageSize     = 8 << 10
	segmentPages = 131072 // of a relation's file; what is longer goes on in the next one
)

// The tablespaces that every installation has. The engine makes no others.
const (
	tablespaceDefault = 1663
	tablespaceGlobal  = 1664
)

// Lengthen makes the files of relations in a copied volume as long, in pages, as the recovery that is about to begin will make them, without using any space: a hole reads as
// zeros, which is what PostgreSQL takes a page for that nobody has written yet. Otherwise recovery writes zeros for each new page, one by one, and they have to get to the disk,
// though it overwrites them soon. Relations that have no file yet are left to it, and so are files that are long enough.
//
// The pages must be such that recovery of the volume's WAL makes. A few too many would do no harm: PostgreSQL leaves such pages at a file's end itself when it crashes.
func Lengthen(volume string, pages map[wal.Relation]uint32) error {
	for relation, count := range pages {
		path, ok := relationPath(relation)
		if !ok {
			continue
		}
		if err := lengthen(filepath.Join(volume, dirData, path), count); err != nil {
			return fmt.Errorf("lengthen %s: %w", path, err)
		}
	}
	return nil
}

// relationPath is where a relation's first file is in PGDATA; ok is false for tablespaces that we do not know.
func relationPath(r wal.Relation) (path string, ok bool) {
	name := strconv.FormatUint(uint64(r.Number), 10)
	switch r.Tablespace {
	case tablespaceDefault:
		return filepath.Join("base", strconv.FormatUint(uint64(r.Database), 10), name), true
	case tablespaceGlobal:
		return filepath.Join("global", name), true
	default:
		return "", false
	}
}

// lengthen lengthens the file in which a relation ends to where the relation shall end, or to the end of that file.
func lengthen(first string, pages uint32) error {
	path, number := first, uint32(0)
	size := int64(-1)
	for {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		if size = info.Size(); size < segmentPages*pageSize {
			break
		}
		number++
		path = first + "." + strconv.FormatUint(uint64(number), 10)
		size = -1
	}
	if size < 0 || pages <= number*segmentPages {
		return nil
	}
	if want := int64(min(pages-number*segmentPages, segmentPages)) * pageSize; want > size {
		return os.Truncate(path, want)
	}
	return nil
}
