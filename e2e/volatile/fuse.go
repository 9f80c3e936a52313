package volatile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// blocksName is the name of the only file.
const blocksName = "blocks"

// root is the directory.
type root struct {
	fs.Inode

	disk *Disk
}

// blocks is the file. Whoever opens it has all of it.
type blocks struct {
	fs.Inode

	disk *Disk
}

var (
	_ fs.NodeOnAdder   = (*root)(nil)
	_ fs.NodeGetattrer = (*blocks)(nil)
	_ fs.NodeOpener    = (*blocks)(nil)
	_ fs.NodeReader    = (*blocks)(nil)
	_ fs.NodeWriter    = (*blocks)(nil)
	_ fs.NodeFsyncer   = (*blocks)(nil)
	_ fs.NodeAllocater = (*blocks)(nil)
	_ fs.NodeSetattrer = (*blocks)(nil)
)

// OnAdd makes the file.
func (r *root) OnAdd(ctx context.Context) {
	r.AddChild(blocksName, r.NewPersistentInode(ctx, &blocks{disk: r.disk}, fs.StableAttr{Mode: unix.S_IFREG}), false)
}

// Getattr says how large the disk is.
func (b *blocks) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	const sector = 512
	out.Mode, out.Size, out.Blocks, out.Blksize = unix.S_IFREG|0o600, uint64(b.disk.size), uint64(b.disk.size/sector), block
	return fs.OK
}

// Setattr changes nothing: times are not kept, and the size is fixed.
func (b *blocks) Setattr(ctx context.Context, f fs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return b.Getattr(ctx, f, out)
}

// Open needs no handle.
func (b *blocks) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, 0, fs.OK
}

// Read reads what was written, flushed or not.
func (b *blocks) Read(_ context.Context, _ fs.FileHandle, dest []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	n, err := b.disk.read(dest, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fs.ToErrno(err)
	}
	return fuse.ReadResultData(dest[:n]), fs.OK
}

// Write writes into the cache. The bytes belong to the caller.
func (b *blocks) Write(_ context.Context, _ fs.FileHandle, data []byte, offset int64) (uint32, syscall.Errno) {
	if err := b.disk.write(write{offset: offset, bytes: bytes.Clone(data)}); err != nil {
		return 0, fs.ToErrno(err)
	}
	return uint32(len(data)), fs.OK
}

// Fsync is how a loop device passes on a flush.
func (b *blocks) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return fs.ToErrno(b.disk.flush())
}

// Allocate is how a loop device discards blocks, or fills them with zeros.
func (b *blocks) Allocate(_ context.Context, _ fs.FileHandle, offset, size uint64, mode uint32) syscall.Errno {
	if mode&(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_ZERO_RANGE) == 0 {
		return syscall.EOPNOTSUPP
	}
	return fs.ToErrno(b.disk.write(write{offset: int64(offset), zeros: int64(size)}))
}
