package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sending is a read-only volume that is sent from one pool to another.
type Sending struct {
	From, To *Pool
	Volume   string // in From
	As       string // its name in To
	// Parent is a volume in From of which To has a copy that was sent there, whatever its name: only what is different from it goes. Empty: all does.
	Parent string
	// Pace is called before so many bytes are passed on, and may wait; an error ends the sending. Nil lets all pass.
	Pace func(ctx context.Context, bytes int) error

	partSize int64  // 0: the usual
	whole    string // of a part: the name in To of what it is a part of
}

// incoming is where volumes arrive; they get their name when they are whole.
const incoming = "incoming"

// Send makes To's volume As a copy of From's Volume. When it returns nil the copy is whole and durable; on error, and at every moment before, there is none of that
// name. A copy that is there already is not sent again. It may be interrupted anywhere, and repeated: a sending without a parent then goes on with the part that it had come
// to, see parts.go. Two sendings with the same As must not run at the same time.
func Send(ctx context.Context, s Sending) error {
	if err := s.send(ctx); err != nil {
		return fmt.Errorf("send volume %s from %s to %s as %s: %w", s.Volume, s.From.path, s.To.path, s.As, err)
	}
	return nil
}

func (s Sending) send(ctx context.Context) error {
	if err := needBtrfs(ctx); err != nil {
		return err
	}
	if ok, err := s.From.isReadOnly(s.Volume); err != nil {
		return err
	} else if !ok {
		return errors.New("it is not read-only")
	}
	if s.Pace == nil {
		s.Pace = func(context.Context, int) error { return nil }
	}
	there, err := s.To.Exists(s.As)
	if err != nil {
		return err
	}
	if !there && s.Parent == "" {
		s.Parent, err = s.sendParts(ctx)
	}
	if err == nil && !there {
		err = s.sendWhole(ctx)
	}
	if err != nil {
		return err
	}
	return s.Forget(ctx)
}

// sendWhole sends what is different from the parent, in one go.
func (s Sending) sendWhole(ctx context.Context) error {
	if err := s.clearIncoming(ctx); err != nil {
		return err
	}
	dir := s.To.VolumePath(s.incomingDir())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := s.pipe(ctx, dir); err != nil {
		return errors.Join(err, s.clearIncoming(context.WithoutCancel(ctx)))
	}
	// What was received is not on the disk yet; a snapshot of it is. It keeps the mark by which the next sending finds its parent.
	if err := s.To.Snapshot(ctx, s.incomingVolume(), s.As); err != nil {
		return err
	}
	return s.clearIncoming(ctx)
}

func (s Sending) incomingDir() string    { return incoming + "/" + s.key() }
func (s Sending) incomingVolume() string { return s.incomingDir() + "/" + path.Base(s.Volume) }

// key names what belongs to a sending. Its parts have the same: one after the other arrives at the same place.
func (s Sending) key() string {
	if s.whole != "" {
		return keyOf(s.whole)
	}
	return keyOf(s.As)
}

func keyOf(name string) string { return strings.ReplaceAll(name, "/", ".") }

func (s Sending) clearIncoming(ctx context.Context) error {
	return s.To.deleteAll(ctx, s.incomingDir())
}

// removeDir removes an empty directory; it may be gone.
func removeDir(dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// pipe runs both ends of a sending, and passes on what goes between them. None of the two is left when it returns, nor when this process is killed.
func (s Sending) pipe(ctx context.Context, dir string) error {
	asked := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := []string{"send", "-q"}
	if s.Parent != "" {
		args = append(args, "-p", s.From.VolumePath(s.Parent))
	}
	sender, receiver := newEnd(ctx, append(args, s.From.VolumePath(s.Volume))...), newEnd(ctx, "receive", "-q", dir)
	out, err := sender.StdoutPipe()
	if err != nil {
		return err
	}
	in, err := receiver.StdinPipe()
	if err != nil {
		return err
	}
	if err := receiver.start(); err != nil {
		return err
	}
	if err := sender.start(); err != nil {
		cancel()
		_ = receiver.Wait()
		return err
	}
	passed := s.pass(ctx, out, in)
	if passed != nil {
		cancel()
	}
	sent := sender.end()
	if sent != nil {
		cancel() // the receiver must not take the end of the stream for its completion
	}
	_ = in.Close()
	received := receiver.end()
	switch {
	case asked.Err() != nil:
		return context.Cause(asked)
	case passed != nil && !errors.Is(passed, unix.EPIPE): // the others were told to end
		return passed
	case received != nil && (sent == nil || receiver.said.Len() > 0):
		return received
	default:
		return sent
	}
}

// pass copies the stream at its pace.
func (s Sending) pass(ctx context.Context, from io.Reader, to io.Writer) error {
	const most = 128 << 10
	buffer := make([]byte, most)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if err := s.Pace(ctx, n); err != nil {
				return err
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// pipeEnd is a process at one end of a sending.
type pipeEnd struct {
	*exec.Cmd
	said bytes.Buffer
}

func newEnd(ctx context.Context, args ...string) *pipeEnd {
	e := &pipeEnd{Cmd: exec.CommandContext(ctx, "btrfs", args...)}
	e.Stderr = &e.said
	// The kernel ends it with this process. It counts the thread that starts it, which Go ends only together with a goroutine that is locked to it.
	e.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return e
}

// yielding is how nice both ends are to everybody else who wants the processor.
const yielding = 10

func (e *pipeEnd) start() error {
	if err := e.Start(); err != nil {
		return err
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, e.Process.Pid, yielding) // or it has ended already
	return nil
}

// end waits for the process, and says what it said if it failed.
func (e *pipeEnd) end() error {
	err := e.Wait()
	if err == nil {
		return nil
	}
	const most = 300
	text := strings.Join(strings.Fields(e.said.String()), " ")
	return fmt.Errorf("btrfs %s: %w: %s", e.Args[1], err, text[max(0, len(text)-most):])
}

// SendSize estimates how many bytes Send will pass on; the parent is a snapshot. It reads the metadata of what was written since that was made.
func (p *Pool) SendSize(volume, parent string) (bytes int64, err error) {
	since := uint64(0)
	if parent != "" {
		if since, err = p.madeIn(parent); err != nil {
			return 0, fmt.Errorf("size of volume %s: %w", parent, err)
		}
		since++
	}
	dir, err := p.openVolume(volume)
	if err != nil {
		return 0, fmt.Errorf("size of volume %s: %w", volume, err)
	}
	defer func() { _ = unix.Close(dir) }()
	const kindWritten, lengthAt = 1, 45 // of struct btrfs_file_extent_item, which begins with its generation
	err = search(dir, 0, itemExtent, since, func(item treeItem) {
		if len(item.data) < extentSize || binary.LittleEndian.Uint64(item.data) < since {
			return
		}
		if item.data[extentKind] == kindWritten && binary.LittleEndian.Uint64(item.data[extentStart:]) != 0 {
			bytes += int64(binary.LittleEndian.Uint64(item.data[lengthAt:]))
		}
	})
	if err != nil {
		return 0, fmt.Errorf("size of volume %s: %w", volume, err)
	}
	return bytes, nil
}

// isReadOnly says whether a volume can no longer change.
func (p *Pool) isReadOnly(volume string) (bool, error) {
	dir, err := p.openVolume(volume)
	if err != nil {
		return false, err
	}
	defer func() { _ = unix.Close(dir) }()
	var flags uint64
	if err := ioctl(dir, ioctlSubvolGetFlags, unsafe.Pointer(&flags)); err != nil {
		return false, fmt.Errorf("read flags: %w", err)
	}
	return flags&subvolReadOnly != 0, nil
}

// madeIn is the generation in which a volume was made. The one in which it was changed last may be later, also of a snapshot: whoever looks at it first removes
// files in it that were deleted while they were open.
func (p *Pool) madeIn(volume string) (uint64, error) {
	dir, err := p.openVolume(volume)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(dir) }()
	var info [subvolInfo]byte
	if err := ioctl(dir, ioctlSubvolInfo, unsafe.Pointer(&info)); err != nil {
		return 0, fmt.Errorf("read generation: %w", err)
	}
	const madeOff = 352 // otransid in struct btrfs_ioctl_get_subvol_info_args
	return binary.NativeEndian.Uint64(info[madeOff:]), nil
}
