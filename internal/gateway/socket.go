package gateway

import (
	"io"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mostAtOnce is how much one system call of a socket moves, which bounds how long the scheduler does not know of it.
const mostAtOnce = 64 << 10

// socket is a connection whose system calls the scheduler is not told of. The sockets do not block, so a call only copies; but it
// wakes who waits at the other end, on a busy machine right on our processor, and a scheduler that sees a call take 20 µs starts
// another thread to go on with: two threads then fight for the processor that the other end needs. docs/benchmarks.md says what
// that is worth. The race detector does not see what such calls order.
type socket struct {
	net.Conn
	raw syscall.RawConn
	in  transfer // of the goroutine that reads
	out transfer // of the goroutine that writes

	stalled func() // called, once, by the goroutine that writes, before it waits for the other end to read; nil for nothing
}

// transfer is a read or a write under way. It is kept, with its function, so that neither is allocated anew.
type transfer struct {
	call uintptr // number of the system call
	p    []byte
	n    int
	err  error
	do   func(fd uintptr) bool
}

// newSocket returns c with such system calls, or c itself if it is no socket. At most one goroutine may read, and one write.
func newSocket(c net.Conn) net.Conn {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return c
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return c
	}
	s := &socket{Conn: c, raw: raw}
	s.in.call, s.in.do = unix.SYS_READ, s.in.run
	s.out.call, s.out.do = unix.SYS_WRITE, s.write
	return s
}

// SyscallConn implements syscall.Conn.
func (s *socket) SyscallConn() (syscall.RawConn, error) { return s.raw, nil }

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := s.in.start(s.raw.Read, p)
	if err == nil && n == 0 {
		err = io.EOF
	}
	return n, err
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	for written := 0; ; {
		if written == len(p) {
			return written, nil
		}
		n, err := s.out.start(s.raw.Write, p[written:])
		written += n
		if err != nil {
			return written, err
		}
	}
}

// start runs the system call when the socket is ready for it.
func (t *transfer) start(when func(func(uintptr) bool) error, p []byte) (int, error) {
	t.p, t.n, t.err = p[:min(len(p), mostAtOnce)], 0, nil
	err := when(t.do)
	t.p = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// run reports whether the system call did something, be it to fail.
func (t *transfer) run(fd uintptr) bool {
	t.n, t.err = callNow(t.call, fd, t.p)
	return t.err != unix.EAGAIN //nolint:errorlint // a system call's own
}

// write is run for what is written.
func (s *socket) write(fd uintptr) bool {
	done := s.out.run(fd)
	if do := s.stalled; !done && do != nil {
		s.stalled = nil
		do()
	}
	return done
}

// callNow reads or writes without a word to the scheduler.
func callNow(call, fd uintptr, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
