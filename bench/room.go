package bench

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const gib = 1 << 30

// What a byte of a source takes: less than three in the pool while it is filled, for the tables and the WAL that the history keeps, and the restore points' pages. A byte of the large source takes
// as much then; later, without that WAL, a bit more than one there, of which not all is given back at once, and one in each of two copies beside it.
const (
	bytesPerByte      = 5
	bytesPerLargeByte = 4.5
)

// bytesPerSecond is what a second of history takes. The first group writes Options.History once and does more under writers beside. What today's ways are compared on has its tables, WAL and restore points in
// the pool, the WAL in an archive and then in a repository, half of all that in what was restored, and in the end a second time what was dumped.
const (
	bytesPerSecond = 70 * megabyte
	histories      = 2.5
	peerHistories  = 5 // a run took 52 GB, spare and sources included
	largeHistories = 2.5
)

const gatewayWrites = 8 * gib // what the gateway and its peers insert, WAL included

// What writers at full speed insert while they are forked and while they are not, and with restore points and without; WAL included.
const (
	loadWrites  = 10 * gib
	pointWrites = 24 * gib
	perPoint    = 4 * megabyte // of one that is taken after each megabyte
)

// What the clients of a source insert that is sent to another pool, WAL included.
const transferWrites = 6 * gib

const perFork = 16 * megabyte // what a suspended fork takes, and more

const spare = 4 * gib // for everything else

// smallSources is what the two take that most forks are made of.
func smallSources(o Options) int64 { return 2 * int64(o.SmallMB) * megabyte * bytesPerByte }

func historyBytes(o Options) int64 { return int64(o.History.Seconds() * bytesPerSecond) }

func forksRoom(o Options) int64 {
	bytes := smallSources(o)
	if o.wants("at") {
		bytes += manyHistories(o, histories)
	}
	if o.wants("load") || o.wants("clients") {
		bytes += loadWrites
	}
	return bytes
}

func manyHistories(o Options, count float64) int64 { return int64(count * float64(historyBytes(o))) }

func peersRoom(o Options) int64 { return smallSources(o) + manyHistories(o, peerHistories) }

func pointsRoom(o Options) int64 { return smallSources(o) + pointWrites + int64(o.Points)*perPoint }

func sizeRoom(o Options) int64 {
	return smallSources(o) + int64(float64(o.LargeMB)*megabyte*bytesPerLargeByte) + manyHistories(o, largeHistories)
}

func densityRoom(o Options) int64 {
	return int64(o.DensityMB)*megabyte*bytesPerByte + int64(o.Density)*perFork
}

// transferRoom is as if all of both pools were written.
func transferRoom(o Options) int64 { return 2 * int64(transferImageGiB(o)) * gib }

func gatewayRoom(Options) int64 { return gatewayWrites }

// transferImageGiB is the size of each of the two pools that a source is sent between.
func transferImageGiB(o Options) int {
	return int((int64(o.TransferMB)*megabyte*bytesPerByte+transferWrites+spare)/gib) + 1
}

// needed is what a group writes at most.
func (g group) needed(o Options) int64 { return g.room(o) + spare }

// imageGiB is the size of a group's pool, of which only what is written is occupied.
func (g group) imageGiB(o Options) int {
	if g.image != nil {
		return g.image(o)
	}
	return int(g.needed(o)/gib) + 1
}

// checkSpace looks for the room that the largest of the groups needs: each leaves what it had to the next.
func checkSpace(o Options) error {
	var st unix.Statfs_t
	if err := unix.Statfs(o.Dir, &st); err != nil {
		return fmt.Errorf("look for space in %s: %w", o.Dir, err)
	}
	free := int64(st.Bavail) * st.Bsize
	for _, g := range groups() {
		if want := g.needed(o); len(g.wanted(o)) > 0 && free < want {
			return fmt.Errorf("%s has %s free and the benchmark may need %s, for %s: give it another --dir or a smaller size",
				o.Dir, humanBytes(free), humanBytes(want), g.sections[0].name)
		}
	}
	return nil
}
