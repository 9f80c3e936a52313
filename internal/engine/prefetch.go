package engine

import (
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"tine/internal/wal"
)

// readAtStart are the catalogs, and their indexes, of which a node reads pages before its first client is served, by the numbers that name their files. The numbers are those
// of PostgreSQL's catalogs in every installation; a catalog that was rewritten has another one, and is read when it is needed.
//
//nolint:gochecknoglobals // a constant
var readAtStart = map[string][]int{
	"global": {1213, 1260, 1262, 2671, 2672, 2676, 2677, 2697, 2965},
	"base/5": {
		1247, 1249, 1255, 1259, 2600, 2601, 2602, 2603, 2604, 2605, 2606, 2610, 2615, 2616, 2617, 2618, 2619, 2620,
		2650, 2653, 2654, 2655, 2656, 2658, 2659, 2661, 2662, 2663, 2665, 2678, 2679, 2684, 2686, 2687, 2688, 2689,
		2690, 2691, 2692, 2693, 2696, 2701, 2703, 2704, 2753, 2755, 3079, 3080, 3081, 3256, 3258, 3379, 6113, 6239,
	},
}

// prefetch asks the kernel to read what a node that is about to start reads first: some 70 files of catalogs, 4 MB, and the WAL that it replays. A copy shares its source's blocks on the
// disk, but not in memory: each page is read anew, one after the other, behind whatever others write. It does not wait for the disk.
func prefetch(volume string) {
	for dir, numbers := range readAtStart {
		for _, n := range numbers {
			willRead(filepath.Join(volume, dirData, dir, strconv.Itoa(n)))
		}
	}
	last, err := LastCheckpoint(volume)
	if err != nil {
		return // the node will say what is wrong, here and below
	}
	entries, err := os.ReadDir(WALDir(volume))
	if err != nil {
		return
	}
	for _, e := range entries {
		if s, ok := wal.ParseSegment(e.Name()); ok && s.Begin()+wal.SegmentSize > wal.LSN(last.Redo) {
			willRead(filepath.Join(WALDir(volume), e.Name()))
		}
	}
}

// willRead is for a file that is about to be read, as far as there is something on the disk: segments of WAL are made before they are written.
func willRead(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) == nil && st.Blocks > 0 {
		// A request for more than the read-ahead, which is 4 MiB on btrfs, is cut off there.
		const block, most = 512, 1 << 20
		for at := int64(0); at < st.Blocks*block; at += most {
			_ = unix.Fadvise(int(f.Fd()), at, min(most, st.Blocks*block-at), unix.FADV_WILLNEED)
		}
	}
}
