package storage

import (
	"context"
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Holder is somebody whose volumes are accounted for together: one that is written to, and read-only copies of it, oldest first.
type Holder struct {
	Live   string
	Points []string
}

// Account is what the files of a holder's volumes occupy, in bytes of data, each extent counted once however many of the volumes refer to it.
type Account struct {
	Exclusive int64 // what deleting all of them would free
	Shared    int64 // what other holders refer to as well
	Points    int64 // of both: what only the copies refer to
}

// Accounts says what each holder occupies. A volume that is missing counts as empty. What was not synced yet may be missing.
//
// It reads the extents of all live volumes and of each holder's first copy, and of each further copy those that were written since the one before: time grows with
// their number. Memory does not grow beyond some 100 MB: when there are more extents, they are read in several passes.
func (p *Pool) Accounts(ctx context.Context, holders []Holder) ([]Account, error) {
	for passes := uint64(1); ; passes *= 2 {
		accounts, fits, err := p.accountsIn(ctx, holders, passes)
		if err != nil {
			return nil, fmt.Errorf("account for pool %s: %w", p.path, err)
		}
		if fits {
			return accounts, nil
		}
	}
}

// extentsAtOnce is how many extents are known at a time.
const extentsAtOnce = 3_000_000

func (p *Pool) accountsIn(ctx context.Context, holders []Holder, passes uint64) (_ []Account, fits bool, err error) {
	accounts := make([]Account, len(holders))
	for pass := range passes {
		l := ledger{accounts: accounts, extents: map[uint64]owner{}, pass: pass, passes: passes}
		for i, h := range holders {
			if err := l.add(ctx, p, int32(i), h); err != nil {
				return nil, false, err
			}
			if len(l.extents) > extentsAtOnce {
				return nil, false, nil
			}
		}
	}
	return accounts, true, nil
}

// ledger knows who refers to which extents, of those whose turn it is in this pass.
type ledger struct {
	accounts     []Account
	extents      map[uint64]owner // by where they begin on the disk
	pass, passes uint64
}

// owner is who refers to an extent.
type owner struct {
	first, last int32 // holders
	shared      bool
}

func (l *ledger) add(ctx context.Context, p *Pool, holder int32, h Holder) error {
	volumes := append([]string{h.Live}, h.Points...)
	var since uint64
	for i, name := range volumes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i == 1 {
			since = 0 // the first copy may refer to anything that the live volume no longer does
		}
		generation, err := p.extents(name, since, func(start, length uint64) { l.count(holder, start, length, i > 0) })
		if err != nil {
			return fmt.Errorf("volume %s: %w", name, err)
		}
		since = max(since, generation)
	}
	return nil
}

// count notes that a holder refers to an extent.
func (l *ledger) count(holder int32, start, length uint64, point bool) {
	const sector = 4096
	if start/sector%l.passes != l.pass {
		return
	}
	o, known := l.extents[start]
	if known && o.last == holder {
		return
	}
	account, n := &l.accounts[holder], int64(length)
	switch {
	case !known:
		o.first = holder
		account.Exclusive += n
	case !o.shared:
		o.shared = true
		l.accounts[o.first].Exclusive -= n
		l.accounts[o.first].Shared += n
		account.Shared += n
	default:
		account.Shared += n
	}
	if point {
		account.Points += n
	}
	o.last = holder
	l.extents[start] = o
}

// From linux/btrfs.h and linux/btrfs_tree.h.
const (
	ioctlSubvolInfo = 0x81f8943c // _IOR(0x94, 60, struct btrfs_ioctl_get_subvol_info_args)

	itemExtent    = 108
	extentKind    = 20 // offsets in struct btrfs_file_extent_item
	extentStart   = 21
	extentLength  = 29
	extentSize    = 53
	extentInFile  = 0 // its data are in the item
	generationOff = 280
	subvolInfo    = 504
)

// extents calls do for the extents that a volume refers to, as far as they may have been written in that generation or later, and returns the volume's own.
func (p *Pool) extents(name string, since uint64, do func(start, length uint64)) (generation uint64, err error) {
	there, err := p.Exists(name)
	if err != nil || !there {
		return since, err
	}
	dir, err := p.openVolume(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(dir) }()
	var info [subvolInfo]byte
	if err := ioctl(dir, ioctlSubvolInfo, unsafe.Pointer(&info)); err != nil {
		return 0, fmt.Errorf("read generation: %w", err)
	}
	generation = binary.NativeEndian.Uint64(info[generationOff:])
	return generation, search(dir, 0, itemExtent, since, func(item treeItem) {
		if len(item.data) < extentSize || item.data[extentKind] == extentInFile {
			return
		}
		if start := binary.LittleEndian.Uint64(item.data[extentStart:]); start != 0 { // else it is a hole
			do(start, binary.LittleEndian.Uint64(item.data[extentLength:]))
		}
	})
}
