// Package volatile is a disk whose cache is volatile, as that of most disks is: what has been written is there to be read at once, but survives a power cut for certain only if the disk was told to flush
// after it. The disk is a file of a FUSE file system that this process serves, to be attached to a loop device, which passes flushes on as fsync.
//
// At a power cut each block of 4 KiB that was written and not flushed is kept or lost by chance, in whatever order they were written: what dm-log-writes is for, without device mapper. The image that is left is
// a file of its own, so that one disk can be cut again and again while it goes on.
//
// Writes cost a copy of themselves, a flush a write of what it flushes, a cut a reflink and what is in the cache, which is bounded as a real one's is.
package volatile
