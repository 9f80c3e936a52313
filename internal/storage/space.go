package storage

import (
	"fmt"
	"math/bits"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Space is what a pool has, in bytes of data.
type Space struct {
	Total int64
	Used  int64
	// Free is what can still be written. With an image it is never more than what its own file system has left.
	Free int64
	// Metadata is what the file system needs for itself. A pool that has none left cannot be written to either, however much data it could hold.
	Metadata Part
}

// Part is how much there can be of something, and how much of that is free.
type Part struct{ Total, Free int64 }

// share is how much of it is free, from 0 to 1.
func (p Part) share() float64 {
	if p.Total <= 0 {
		return 0
	}
	return min(max(float64(p.Free)/float64(p.Total), 0), 1)
}

// FreeShare is how much of the pool is free, from 0 to 1: of data or of metadata, whichever is scarcer.
func (s Space) FreeShare() float64 {
	return min(Part{Total: s.Total, Free: s.Free}.share(), s.Metadata.share())
}

// Space returns the pool's size and what is free of it. What Delete has removed is free when a kernel thread has done its work; see Reclaim.
func (p *Pool) Space() (Space, error) {
	s, err := p.space()
	if err != nil {
		return Space{}, fmt.Errorf("space of pool %s: %w", p.path, err)
	}
	return s, nil
}

func (p *Pool) space() (Space, error) {
	dir, err := openDir(p.path)
	if err != nil {
		return Space{}, err
	}
	defer func() { _ = unix.Close(dir) }()
	a, err := readAllocation(dir)
	if err != nil {
		return Space{}, err
	}
	s := a.space()
	if p.image == "" {
		return s, nil
	}
	below, err := diskFree(filepath.Dir(p.image))
	if err != nil {
		return Space{}, err
	}
	s.Free = min(s.Free, below)
	return s, nil
}

// allocation is how a btrfs has divided its devices. Space is given out in chunks, each for data or for metadata, and a chunk that
// has been given to one of the two is lost to the other. statfs knows only data, and only until the metadata is full.
type allocation struct {
	data, metadata group
	reserve        int64 // of the metadata, for what the file system must be able to do when it is full
	unallocated    int64 // on the devices
}

// group is the chunks of one kind.
type group struct {
	total, used int64 // in bytes that can be used, whatever the number of copies
	copies      int64
}

// free is what can still be written to a group if all that is unallocated goes to it.
func (g group) free(unallocated int64) int64 {
	return max(g.total-g.used, 0) + unallocated/max(g.copies, 1)
}

func (g group) most(unallocated int64) int64 { return g.total + unallocated/max(g.copies, 1) }

func (a allocation) space() Space {
	return Space{
		Total: a.data.most(a.unallocated),
		Used:  a.data.used,
		Free:  a.data.free(a.unallocated),
		Metadata: Part{
			Total: max(a.metadata.most(a.unallocated)-a.reserve, 0),
			Free:  max(a.metadata.free(a.unallocated)-a.reserve, 0),
		},
	}
}

// From linux/btrfs.h and linux/btrfs_tree.h.
const (
	ioctlSpaceInfo = 0xc0109414 // _IOWR(0x94, 20, struct btrfs_ioctl_space_args)
	ioctlDevInfo   = 0xd000941e // _IOWR(0x94, 30, struct btrfs_ioctl_dev_info_args)
	ioctlFsInfo    = 0x8400941f // _IOR(0x94, 31, struct btrfs_ioctl_fs_info_args)

	groupData     = 1 << 0
	groupMetadata = 1 << 2
	groupTwice    = 1<<4 | 1<<5 | 1<<6 // RAID1, DUP, RAID10
	groupThrice   = 1 << 9             // RAID1C3
	groupFourfold = 1 << 10            // RAID1C4
	groupReserve  = 1 << 49

	mostGroups = 64 // kinds and profiles: a file system has three or four
)

// spaceArgs is struct btrfs_ioctl_space_args with room for the answer.
type spaceArgs struct {
	slots, total uint64
	spaces       [mostGroups]struct{ flags, total, used uint64 }
}

// fsInfoArgs is struct btrfs_ioctl_fs_info_args.
type fsInfoArgs struct {
	maxID, devices uint64
	_              [1008]byte
}

// devInfoArgs is struct btrfs_ioctl_dev_info_args.
type devInfoArgs struct {
	id          uint64
	uuid        [16]byte
	used, total uint64
	_           [4056]byte
}

func readAllocation(dir int) (a allocation, err error) {
	args := spaceArgs{slots: mostGroups}
	if err := ioctl(dir, ioctlSpaceInfo, unsafe.Pointer(&args)); err != nil {
		return a, fmt.Errorf("read chunks: %w", err)
	}
	for _, g := range args.spaces[:min(args.total, mostGroups)] {
		switch {
		case g.flags&groupReserve != 0:
			a.reserve += int64(g.total)
			continue
		case g.flags&groupData != 0: // also where data and metadata are mixed
			a.data.add(g.flags, g.total, g.used)
		}
		if g.flags&groupMetadata != 0 {
			a.metadata.add(g.flags, g.total, g.used)
		}
	}
	a.unallocated, err = unallocated(dir)
	return a, err
}

func (g *group) add(flags, total, used uint64) {
	g.total += int64(total)
	g.used += int64(used)
	g.copies = max(g.copies, copies(flags))
}

// copies is how often a chunk of these flags is on the devices.
func copies(flags uint64) int64 {
	const most = 4
	switch {
	case flags&groupFourfold != 0:
		return most
	case flags&groupThrice != 0:
		return most - 1
	case bits.OnesCount64(flags&groupTwice) != 0:
		return 2
	default:
		return 1
	}
}

// unallocated is what of the devices has been given neither to data nor to metadata.
func unallocated(dir int) (bytes int64, err error) {
	var fs fsInfoArgs
	if err := ioctl(dir, ioctlFsInfo, unsafe.Pointer(&fs)); err != nil {
		return 0, fmt.Errorf("read devices: %w", err)
	}
	for id := uint64(1); id <= fs.maxID; id++ {
		dev := devInfoArgs{id: id}
		err := ioctl(dir, ioctlDevInfo, unsafe.Pointer(&dev))
		if err == unix.ENODEV { //nolint:errorlint // ioctl returns it as it is; ids have gaps where devices were removed
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("read device %d: %w", id, err)
		}
		bytes += max(int64(dev.total)-int64(dev.used), 0)
	}
	return bytes, nil
}
