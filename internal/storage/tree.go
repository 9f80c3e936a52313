package storage

import (
	"context"
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/btrfs.h and linux/btrfs_tree.h.
const (
	ioctlSync         = 0x9408     // _IO(0x94, 8)
	ioctlTreeSearchV2 = 0xc0709411 // _IOWR(0x94, 17, struct btrfs_ioctl_search_args_v2)

	rootTree    = 1
	itemRoot    = 132
	firstObject = firstFreeObjectID
	lastObject  = ^uint64(255) // -256

	searchBuffer = 64 << 10
	searchHeader = 32 // struct btrfs_ioctl_search_header
	rootItemRefs = 216
)

// searchArgs is struct btrfs_ioctl_search_args_v2 with its buffer.
type searchArgs struct {
	tree                       uint64
	minObject, maxObject       uint64
	minOffset, maxOffset       uint64
	minTransaction, maxTransID uint64
	minType, maxType           uint32
	items, _                   uint32
	_                          [4]uint64
	size                       uint64
	buffer                     [searchBuffer]byte
}

// treeItem is an item of one of the file system's trees. data is valid until the next one.
type treeItem struct {
	object, offset uint64
	kind           uint32
	data           []byte
}

// search calls do for the items of one kind in a tree, in their order, as far as they lie in nodes that were written in that generation or
// later: the others are not read. Tree 0 is the one of the volume that dir is in. Its cost grows with the size of those nodes.
func search(dir int, tree uint64, kind uint32, generation uint64, do func(treeItem)) error {
	all := ^uint64(0)
	args := &searchArgs{
		tree: tree, minObject: firstObject, maxObject: lastObject, maxOffset: all, minTransaction: generation, maxTransID: all,
		minType: kind, maxType: kind, size: searchBuffer,
	}
	for {
		args.items = ^uint32(0)
		if err := ioctl(dir, ioctlTreeSearchV2, unsafe.Pointer(args)); err != nil {
			return fmt.Errorf("search tree %d: %w", tree, err)
		}
		if args.items == 0 {
			return nil
		}
		var last treeItem
		rest := args.buffer[:]
		for range args.items {
			last, rest = parseItem(rest)
			if last.kind == kind { // bounds are on whole keys: between two objects others come in
				do(last)
			}
		}
		if !args.after(last) {
			return nil
		}
	}
}

// parseItem reads the first item of an answer.
func parseItem(b []byte) (item treeItem, rest []byte) {
	order := binary.NativeEndian
	item = treeItem{object: order.Uint64(b[8:]), offset: order.Uint64(b[16:]), kind: order.Uint32(b[24:])}
	end := searchHeader + int(order.Uint32(b[28:]))
	item.data = b[searchHeader:end]
	return item, b[end:]
}

// after makes a search begin behind an item; false if there is nothing behind it.
func (a *searchArgs) after(item treeItem) bool {
	a.minObject, a.minType, a.minOffset = item.object, item.kind, item.offset+1
	if a.minOffset != 0 {
		return true
	}
	if a.minType++; a.minType <= a.maxType {
		return true
	}
	a.minType = 0
	a.minObject++
	return a.minObject != 0 && a.minObject <= a.maxObject
}

// Reclaim makes what was deleted free. Without it, a kernel thread looks every 30 s for deleted volumes and goes through what they referred to. Reclaim
// wakes it, and returns how many volumes it still has before it: with none, Space counts all that was deleted before the call. Reclaim syncs the pool, and
// its cost grows with the number of volumes, too.
func (p *Pool) Reclaim(ctx context.Context) (deleting int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("reclaim space of pool %s: %w", p.path, err)
	}
	dir, err := openDir(p.path)
	if err != nil {
		return 0, fmt.Errorf("reclaim space of pool %s: %w", p.path, err)
	}
	defer func() { _ = unix.Close(dir) }()
	if deleting, err = reclaim(dir); err != nil {
		return 0, fmt.Errorf("reclaim space of pool %s: %w", p.path, err)
	}
	return deleting, nil
}

func reclaim(dir int) (deleting int, err error) {
	// A deletion shows in the tree when it is committed, and what is gone from there is free when that is.
	for range 2 {
		if err := ioctl(dir, ioctlSync, nil); err != nil {
			return 0, fmt.Errorf("sync: %w", err)
		}
		if deleting, err = deletedVolumes(dir); err != nil || deleting > 0 {
			return deleting, err
		}
	}
	return 0, nil
}

// deletedVolumes is how many deleted volumes are still there.
func deletedVolumes(dir int) (n int, err error) {
	err = search(dir, rootTree, itemRoot, 0, func(item treeItem) {
		if len(item.data) >= rootItemRefs+4 && binary.LittleEndian.Uint32(item.data[rootItemRefs:]) == 0 {
			n++
		}
	})
	return n, err
}
