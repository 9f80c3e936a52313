package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's numbers for btrfs, from linux/btrfs.h and linux/btrfs_tree.h. The ioctls are called directly since
// starting the btrfs command costs as much as the snapshot it makes.
const (
	ioctlSnapDestroy   = 0x5000940f // _IOW(0x94, 15, struct btrfs_ioctl_vol_args)
	ioctlSnapCreateV2  = 0x50009417 // _IOW(0x94, 23, struct btrfs_ioctl_vol_args_v2)
	ioctlSubvolCreate2 = 0x50009418 // _IOW(0x94, 24, struct btrfs_ioctl_vol_args_v2)

	ioctlStartSync      = 0x80089418 // _IOR(0x94, 24, __u64)
	ioctlSubvolGetFlags = 0x80089419 // _IOR(0x94, 25, __u64)

	subvolReadOnly = 1 << 1 // BTRFS_SUBVOL_RDONLY

	// firstFreeObjectID is the inode number of the root of every subvolume, and of nothing else on a btrfs.
	firstFreeObjectID = 256

	// superblock is where a btrfs has its magic, from the start of the device.
	superMagicOffset = 64<<10 + 0x40
	superMagic       = "_BHRfS_M"

	// maxBaseName is the longest name of a directory entry.
	maxBaseName = 255
)

// volArgs is struct btrfs_ioctl_vol_args.
type volArgs struct {
	fd   int64
	name [4088]byte
}

// volArgsV2 is struct btrfs_ioctl_vol_args_v2.
type volArgsV2 struct {
	fd      int64
	transID uint64
	flags   uint64
	unused  [4]uint64
	name    [4040]byte
}

func subvolCreate(parent int, base string) error {
	var args volArgsV2
	copy(args.name[:], base)
	return ioctl(parent, ioctlSubvolCreate2, unsafe.Pointer(&args))
}

func snapCreate(parent int, base string, source int, readOnly bool) error {
	args := volArgsV2{fd: int64(source)}
	if readOnly {
		args.flags = subvolReadOnly
	}
	copy(args.name[:], base)
	return ioctl(parent, ioctlSnapCreateV2, unsafe.Pointer(&args))
}

// StartSync begins to bring to the disk what was changed on the btrfs that path is on, without waiting for it. Data that is only in memory may stay there: it is for
// metadata of which a later Snapshot or Sync then has less to bring.
func StartSync(path string) error {
	dir, err := openDir(path)
	if err != nil {
		return fmt.Errorf("start to sync %s: %w", path, err)
	}
	defer func() { _ = unix.Close(dir) }()
	if err := ioctl(dir, ioctlStartSync, nil); err != nil {
		return fmt.Errorf("start to sync %s: %w", path, err)
	}
	return nil
}

func snapDestroy(parent int, base string) error {
	var args volArgs
	copy(args.name[:], base)
	return ioctl(parent, ioctlSnapDestroy, unsafe.Pointer(&args))
}

// ioctl retries what a signal interrupted before it began.
func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		default:
			return errno
		}
	}
}

// isSubvolume tells whether path is the root of a subvolume. A missing path is not an error.
func isSubvolume(path string) (bool, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("stat %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Ino != firstFreeObjectID {
		return false, nil
	}
	return isBtrfs(path)
}

func isBtrfs(path string) (bool, error) {
	var st unix.Statfs_t
	err := unix.Statfs(path, &st)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("statfs %s: %w", path, err)
	}
	return st.Type == unix.BTRFS_SUPER_MAGIC, nil
}
