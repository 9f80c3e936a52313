package engine

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// socketFile is the name PostgreSQL gives its socket for the port that golden sets.
const socketFile = ".s.PGSQL.5432"

// Dialer connects to the node whose socket directory is dir, whatever network and address it is asked for, so that
// it can stand in pgconn.Config.DialFunc. A path to a Unix socket is limited to 107 bytes, which a data directory
// soon exceeds; the way through /proc/self/fd is short wherever the directory is.
func Dialer(dir string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open socket directory %s: %w", dir, err)
		}
		defer func() { _ = unix.Close(fd) }()
		var d net.Dialer
		return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", fd, socketFile))
	}
}
