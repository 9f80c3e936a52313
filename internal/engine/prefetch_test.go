package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"tine/internal/wal"
)

// Of the pages that a node has read when its first client comes, most are of files that were prefetched: a new version of PostgreSQL or of the engine may change that.
func TestMostOfWhatAStartReadsIsPrefetched(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	root := installedRoot(t)
	golden, err := root.BuildGolden(t.Context(), place.pool, place.runtime, filepath.Join(place.dir, "work"))
	noError(t, err)
	source := place.startNode(t, root, golden, "source")
	run(t, connect(t, source, RoleSuperuser), "CREATE EXTENSION pg_buffercache")
	run(t, connect(t, source, RoleSuperuser), "CHECKPOINT")
	conn := connect(t, place.copyLive(t, root, "source", "copy"), RoleSuperuser)
	noError(t, Migrate(t.Context(), conn))
	rows, err := conn.Query(t.Context(), `SELECT CASE reldatabase WHEN 0 THEN 'global' ELSE 'base/' || reldatabase END, relfilenode::int, count(*)
		FROM pg_buffercache WHERE relfilenode IS NOT NULL GROUP BY 1, 2`)
	noError(t, err)
	type file struct {
		Dir           string
		Number, Pages int
	}
	files, err := pgx.CollectRows(rows, pgx.RowToStructByPos[file])
	noError(t, err)
	all, ours := 0, 0
	for _, f := range files {
		all += f.Pages
		if slices.Contains(readAtStart[f.Dir], f.Number) {
			ours += f.Pages
		}
	}
	if all < 100 || ours < all*8/10 {
		t.Errorf("%d of %d pages are prefetched; all files: %v", ours, all, files)
	}
}

// A segment of WAL is longer than what the kernel reads ahead at one request.
func TestAllOfASegmentIsPrefetched(t *testing.T) {
	t.Parallel()
	path := filepath.Join(newPlace(t).pool.VolumePath(""), "segment")
	f, err := os.Create(path)
	noError(t, err)
	defer func() { noError(t, f.Close()) }()
	_, err = f.Write(bytes.Repeat([]byte{1}, wal.SegmentSize))
	noError(t, err)
	noError(t, f.Sync())
	noError(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	pages, err := unix.Mmap(int(f.Fd()), 0, wal.SegmentSize, unix.PROT_READ, unix.MAP_SHARED)
	noError(t, err)
	defer func() { noError(t, unix.Munmap(pages)) }()
	if n := resident(t, pages); n != 0 {
		t.Fatalf("%d pages are in memory before", n)
	}
	willRead(path)
	want, got := wal.SegmentSize/os.Getpagesize(), 0
	for deadline := time.Now().Add(10 * time.Second); got < want; got = resident(t, pages) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d pages are read", got, want)
		}
	}
}

// resident counts the pages of a mapped file that are in memory.
func resident(t *testing.T, mapped []byte) (count int) {
	t.Helper()
	each := make([]byte, len(mapped)/os.Getpagesize())
	_, _, failure := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&mapped[0])), uintptr(len(mapped)), uintptr(unsafe.Pointer(&each[0])))
	if failure != 0 {
		t.Fatal(failure)
	}
	for _, is := range each {
		count += int(is & 1)
	}
	return count
}
