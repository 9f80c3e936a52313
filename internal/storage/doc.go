// Package storage keeps volumes on a pool: a btrfs file system on which a snapshot of a volume costs milliseconds and
// next to no space, whatever its size.
//
// A volume is a btrfs subvolume, known by a relative slash path such as "volumes/3f2a" or "golden/18.6". A snapshot is
// a read-only volume, a clone a writable one; both share every block with their source until one of the two changes
// it. Volumes are not nested: a snapshot does not reach into a subvolume below its source.
//
// # Where a pool comes from
//
// OpenPool takes the first of these that applies, and leaves the pool mounted without access times:
//
//	Path is the root of a mounted btrfs   it is used as it is, and Close leaves it mounted, unless it is that of Device or Image
//	Device is set                         mounted at Path; made a btrfs first if it holds nothing at all
//	Image is set                          a sparse file, made if missing, attached to a loop device, mounted at Path
//	Path is a directory on a btrfs        used as it is
//
// A process may be killed between any two of those steps. The image gets its name only when it holds a complete file
// system, an attached image that nobody mounted is found again by its device and inode, and the loop device detaches
// itself with the last user. So OpenPool has only three states to tell apart: no image, an image, a mounted image.
//
// # Durability
//
// Snapshot and Clone commit the file system's transaction: when they return nil, the copy is on disk, and with it
// everything written to the source before the call, flushed or not. Create and Delete are atomic but become durable
// with the next commit only (at the latest 30 s later, or with the next Snapshot, Clone or Sync).
//
// # What callers must not do
//
// They must not write below a pool's path except inside volumes that are theirs and in plain directories; they must
// not rename volumes, which open containers refer to; and they must not expect Delete to free space at once, since a
// kernel thread does that in the background.
//
// All methods of a Pool are safe for concurrent use, also by several processes. The ioctls behind them cannot be
// interrupted: a context that ends meanwhile takes effect before the next one.
package storage
