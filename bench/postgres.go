package bench

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// inEngine runs a program of the engine on directories of the host: a mount namespace of its own and chroot, no container,
// no limits. Peers get every advantage.
type inEngine struct {
	root  string
	user  string   // of the process, as chroot takes it
	layer string   // directory with an upper, a work and a root, of a file system over the engine; empty means the engine itself
	binds []string // host's directory, directory in the engine, and so on
}

const (
	engineUser = "27017:27017" // which nodes run as
	rootUser   = "0:0"
	binDir     = "/usr/lib/postgresql/18/bin/"
)

const enter = `
root=$1 user=$2 layer=$3; shift 3
if [ -n "$layer" ]; then
	mount -t overlay overlay -o "lowerdir=$root,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
	root=$layer/root
fi
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done; shift
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
exec chroot --userspec="$user" "$root" "$@"`

func (e inEngine) command(ctx context.Context, args ...string) *exec.Cmd {
	all := append([]string{"--mount", "sh", "-ec", enter, "sh", e.root, e.user, e.layer}, e.binds...)
	program := args[0]
	if !filepath.IsAbs(program) {
		program = binDir + program
	}
	all = append(append(all, "--", program), args[1:]...)
	cmd := exec.CommandContext(ctx, "unshare", all...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.Dir = "/"
	return cmd
}

func (e inEngine) run(ctx context.Context, args ...string) (string, error) {
	var stderr bytes.Buffer
	cmd := e.command(ctx, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// query asks the PostgreSQL whose socket is in a directory, as its superuser.
func query(ctx context.Context, engineDir, socketDir, sql string) (string, error) {
	e := inEngine{root: engineDir, user: rootUser, binds: []string{socketDir, "/run/tine"}}
	return e.run(ctx, "psql", "-X", "-A", "-t", "-q", "-h", "/run/tine", "-U", "postgres", "-d", "postgres", "-c", sql)
}

func (b *bench) socketDir(node string) string {
	return filepath.Join(b.tine.DataDir(), "sockets", node)
}

func (b *bench) ask(ctx context.Context, s *source, sql string) (string, error) {
	return query(ctx, b.tine.EngineDir, b.socketDir(s.node), sql)
}
