package gateway_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tine/internal/gateway"
)

// sockets is both ends of a connection: ours, and the peer's.
func sockets(t *testing.T) (ours, peer net.Conn) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	peer, err = new(net.Dialer).DialContext(t.Context(), "unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	ours, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	ours = gateway.NewSocket(ours)
	return ours, peer
}

// Far more than the kernel buffers goes both ways at once.
func TestSocketMovesEveryByte(t *testing.T) {
	t.Parallel()
	ours, peer := sockets(t)
	data := make([]byte, 5<<20)
	_, _ = rand.Read(data)
	go func() { _, _ = io.Copy(peer, peer) }() // an echo
	failed := make(chan error, 1)
	go func() {
		_, err := ours.Write(data)
		failed <- err
	}()
	got := make([]byte, len(data))
	if _, err := io.ReadFull(ours, got); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Error("other bytes came back")
	}
	if n, err := ours.Read(nil); n != 0 || err != nil {
		t.Errorf("a read of nothing returned %d, %v", n, err)
	}
}

func TestSocketEndsAsConnectionsDo(t *testing.T) {
	t.Parallel()
	one := make([]byte, 1)
	for name, test := range map[string]struct {
		end  func(ours, peer net.Conn)
		do   func(ours net.Conn) error
		want error
	}{
		"the peer closes": {
			func(_, peer net.Conn) { _ = peer.Close() },
			func(ours net.Conn) error { _, err := ours.Read(one); return err }, io.EOF,
		},
		"we close while we read": {
			func(ours, _ net.Conn) { go func() { _ = ours.Close() }() },
			func(ours net.Conn) error { _, err := ours.Read(one); return err }, net.ErrClosed,
		},
		"the deadline of a read": {
			func(ours, _ net.Conn) { _ = ours.SetReadDeadline(time.Now().Add(time.Millisecond)) },
			func(ours net.Conn) error { _, err := ours.Read(one); return err }, os.ErrDeadlineExceeded,
		},
		"the deadline of a write to a peer that does not read": {
			func(ours, _ net.Conn) { _ = ours.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)) },
			func(ours net.Conn) error { _, err := ours.Write(make([]byte, 10<<20)); return err }, os.ErrDeadlineExceeded,
		},
		"we close while we write": {
			func(ours, _ net.Conn) { go func() { _ = ours.Close() }() },
			func(ours net.Conn) error { _, err := ours.Write(make([]byte, 10<<20)); return err }, net.ErrClosed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, peer := sockets(t)
			test.end(ours, peer)
			if err := test.do(ours); !errors.Is(err, test.want) {
				t.Errorf("error is %v, want %v", err, test.want)
			}
		})
	}
}

func TestSocketSaysWhyAWriteFailed(t *testing.T) {
	t.Parallel()
	ours, peer := sockets(t)
	_ = peer.Close()
	if _, err := ours.Write([]byte("x")); err == nil {
		t.Error("a write to nobody succeeded")
	}
}
