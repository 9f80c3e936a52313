package gateway

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// readBuffer is the size of the buffers; what is larger is read without one.
const readBuffer = 4 << 10

// newBuffers makes the pool that readers take their buffers from.
func newBuffers() *sync.Pool {
	return &sync.Pool{New: func() any { return new([readBuffer]byte) }}
}

// reader is a buffered reader that has its buffer only while there is something in it: thousands of connections wait for
// their next command. It belongs to one goroutine at a time.
type reader struct {
	src     net.Conn
	buffers *sync.Pool

	// A socket is read by system call as soon as there is something, with a buffer that is taken then.
	socket  syscall.RawConn // nil if src is not a socket
	receive func(fd uintptr) bool
	err     error

	buffer  *[readBuffer]byte // nil while nothing is buffered
	small   [16]byte          // instead of buffer where src has a buffer of its own, as TLS does; a header fits
	pending []byte            // what is buffered
}

func newReader(src net.Conn, buffers *sync.Pool) *reader {
	r := &reader{src: src, buffers: buffers}
	if sc, ok := src.(syscall.Conn); ok {
		if socket, err := sc.SyscallConn(); err == nil {
			r.socket, r.receive = socket, r.receiveFrom
		}
	}
	return r
}

// await returns when there is something to read, which is then buffered.
func (r *reader) await() error {
	if len(r.pending) > 0 {
		return nil
	}
	if r.socket == nil {
		n, err := r.src.Read(r.small[:])
		r.pending = r.small[:n]
		if n > 0 {
			return nil
		}
		return err
	}
	r.err = nil
	if err := r.socket.Read(r.receive); err != nil {
		return err
	}
	return r.err
}

// receiveFrom reads what there is and reports whether there was anything, be it an error.
func (r *reader) receiveFrom(fd uintptr) bool {
	buffer := r.buffers.Get().(*[readBuffer]byte) //nolint:errcheck // the pool holds nothing else
	n, err := callNow(unix.SYS_READ, fd, buffer[:])
	if n > 0 {
		r.buffer, r.pending = buffer, buffer[:n]
		return true
	}
	r.buffers.Put(buffer)
	if errors.Is(err, unix.EAGAIN) {
		return false
	}
	if r.err = err; err == nil {
		r.err = io.EOF
	}
	return true
}

// grow waits for more while at least one byte is buffered and fewer than n are.
func (r *reader) grow(n int) error {
	for len(r.pending) < n {
		have := append(make([]byte, 0, n), r.pending...)
		r.drop(len(have))
		more, err := r.src.Read(have[len(have):n])
		r.pending = have[:len(have)+more]
		if err != nil {
			return err
		}
	}
	return nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.pending) == 0 {
		if r.socket == nil || len(p) >= readBuffer {
			return r.src.Read(p)
		}
		if err := r.await(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.pending)
	r.drop(n)
	return n, nil
}

// drop forgets the first n buffered bytes, and the buffer with the last.
func (r *reader) drop(n int) {
	r.pending = r.pending[n:]
	if len(r.pending) > 0 {
		return
	}
	r.pending = nil
	if r.buffer != nil {
		r.buffers.Put(r.buffer)
		r.buffer = nil
	}
}

// unread is a connection whose first bytes are still in a reader.
type unread struct {
	net.Conn
	reader *reader
}

// Read implements net.Conn.
func (u *unread) Read(p []byte) (int, error) {
	if len(u.reader.pending) > 0 {
		return u.reader.Read(p)
	}
	return u.Conn.Read(p)
}

var (
	_ io.Reader = (*reader)(nil)
	_ net.Conn  = (*unread)(nil)
)

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
