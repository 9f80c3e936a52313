package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Status returns what is known about a container.
func (r *Runtime) Status(_ context.Context, id string) (Status, error) {
	if !validID(id) {
		return Status{}, nil
	}
	if _, err := os.Stat(r.bundle(id)); errors.Is(err, fs.ErrNotExist) {
		return Status{}, nil
	}
	p, err := r.process(id)
	if err != nil {
		return Status{}, fmt.Errorf("status of container %s: %w", id, err)
	}
	if p == nil {
		return Status{ID: id}, nil
	}
	defer p.close()
	return Status{ID: id, Running: true, PID: p.pid}, nil
}

// Signal sends a signal to the container's first process. A container that is not running is os.ErrProcessDone.
func (r *Runtime) Signal(_ context.Context, id string, sig syscall.Signal) error {
	p, err := r.process(id)
	if err == nil && p == nil {
		err = os.ErrProcessDone
	}
	if err == nil {
		defer p.close()
		err = p.signal(sig)
	}
	if err != nil {
		return fmt.Errorf("signal container %s: %w", id, err)
	}
	return nil
}

// Wait returns nil when the container's first process, and with it every other, has ended, or if there is none. It
// works for containers that another process started as well, and costs no thread.
func (r *Runtime) Wait(ctx context.Context, id string) error {
	p, err := r.process(id)
	if err == nil && p != nil {
		defer p.close()
		err = p.wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("wait for container %s: %w", id, err)
	}
	return nil
}

// process returns the container's first process if it is alive, and otherwise nil.
func (r *Runtime) process(id string) (*process, error) {
	if !validID(id) {
		return nil, nil
	}
	text, err := os.ReadFile(r.pidFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.pidFile(id), err)
	}
	return openProcess(pid, r.cgroup(id))
}

// process is a process that cannot be mistaken for a later one of the same number.
type process struct {
	pid int
	fd  *os.File // a pidfd
}

// openProcess returns the process of that number if it is alive and in the cgroup, and otherwise nil: the number may
// have been given to another one.
func openProcess(pid int, cgroup string) (*process, error) {
	// Not blocking is what makes Go wait for it without a thread.
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", pid, err)
	}
	p := &process{pid: pid, fd: os.NewFile(uintptr(fd), "pidfd")}
	// In this order: what is read after the pidfd was opened is about the same process, or the process has ended.
	ours, err := inCgroup(pid, cgroup)
	if err != nil || !ours || p.ended() {
		p.close()
		return nil, err
	}
	return p, nil
}

func inCgroup(pid int, cgroup string) (bool, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(text)) {
		// By its end: within a cgroup namespace the start of the path is another one.
		if strings.HasSuffix(strings.TrimSuffix(line, "\n"), cgroup) {
			return true, nil
		}
	}
	return false, nil
}

func (p *process) close() { _ = p.fd.Close() }

func (p *process) signal(sig syscall.Signal) error {
	err := unix.PidfdSendSignal(int(p.fd.Fd()), sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// ended tells whether the process is gone or a zombie.
func (p *process) ended() bool {
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return true
	}
	ended := false
	err = raw.Control(func(fd uintptr) { ended = pollIn(fd) })
	return err != nil || ended
}

func pollIn(fd uintptr) bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return n > 0
}

// wait returns when the process has ended, and reaps it in case it is a child of this one.
func (p *process) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.fd.SetReadDeadline(time.Unix(0, 1)) })
	defer stop()
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(pollIn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) {
		// It fails when the process is no child, which is the usual case.
		_ = unix.Waitid(unix.P_PIDFD, int(fd), nil, unix.WEXITED|unix.WNOHANG, nil)
	})
}
