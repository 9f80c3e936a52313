package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// backrest is pgBackRest as Debian has it, for one source. It lives in a layer over the engine, which is left as it is, and has every advantage
// that a file system of its own host can give: a repository on the same disk, without compression, and a process for each CPU.
type backrest struct {
	peer    *peer
	version string
}

const (
	backrestLayer = "backrest"
	backrestRepo  = "repository"
)

// installBackrest is run in the layer.
const installBackrest = `
apt-get -qq -o Acquire::Check-Valid-Until=false update
DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends -o DPkg::Options::=--force-unsafe-io -o Dpkg::Use-Pty=0 install pgbackrest >&2
chmod -R a+rwX /etc/pgbackrest.conf /var/spool/pgbackrest
pgbackrest version`

func (p *peer) newBackrest(ctx context.Context) (*backrest, error) {
	r := &backrest{peer: p}
	for _, dir := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(p.path(backrestLayer), dir), 0o755); err != nil {
			return nil, fmt.Errorf("make a layer for pgBackRest: %w", err)
		}
	}
	if err := makeDir(p.path(backrestRepo)); err != nil {
		return nil, err
	}
	p.bench.progress("installing pgBackRest in a layer over the engine")
	e := r.engine(rootUser, "/etc/resolv.conf", "/etc/resolv.conf", "/dev/null", "/dev/null")
	out, err := e.run(ctx, "/bin/sh", "-ec", installBackrest)
	if err != nil {
		return nil, fmt.Errorf("install pgBackRest: %w", err)
	}
	r.version = out
	_, err = r.asRoot(ctx, "stanza-create")
	return r, err
}

func (r *backrest) engine(user string, binds ...string) inEngine {
	return inEngine{root: r.peer.bench.tine.EngineDir, user: user, layer: r.peer.path(backrestLayer), binds: binds}
}

// arguments are those of every call of pgbackrest.
func (r *backrest) arguments(more ...string) []string {
	return append([]string{
		"/usr/bin/pgbackrest", "--stanza=main", "--repo1-path=/mnt", "--pg1-path=/data/pgdata", "--log-level-file=off", "--log-level-console=off", "--log-level-stderr=warn",
	}, more...)
}

// asRoot is for what connects to the source, as root may.
func (r *backrest) asRoot(ctx context.Context, args ...string) (string, error) {
	p := r.peer
	e := r.engine(rootUser, p.bench.socketDir(p.src.node), "/run/tine", p.volume(), "/data", p.path(backrestRepo), "/mnt")
	return e.run(ctx, r.arguments(append([]string{"--allow-root", "--pg1-socket-path=/run/tine", "--pg1-user=postgres"}, args...)...)...)
}

// backup makes a full one and says how long it took.
func (r *backrest) backup(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	// The source archives for Tine: its segments are pushed when they are all there.
	_, err := r.asRoot(ctx, "--type=full", "--start-fast", "--no-archive-check", "--compress-type=none", "--repo1-retention-full=1", processes(), "backup")
	taken := time.Since(begin)
	return taken, errors.Join(err, chownTree(ctx, r.peer.path(backrestRepo)))
}

func processes() string { return "--process-max=" + strconv.Itoa(runtime.NumCPU()) }

// push gives the repository the segments in the peer's archive, as an archive_command would have.
func (r *backrest) push(ctx context.Context) error {
	segments, err := r.peer.segments(r.peer.path("archive"))
	if err != nil {
		return err
	}
	e := r.engine(engineUser, r.peer.path("archive"), "/srv", r.peer.volume(), "/data", r.peer.path(backrestRepo), "/mnt")
	const each = `for segment in $segments; do "$@" "/srv/$segment"; done`
	args := append([]string{"/bin/sh", "-ec", "segments='" + strings.Join(segments, " ") + "'\n" + each, "sh"}, r.arguments("--compress-type=none", "archive-push")...)
	_, err = e.run(ctx, args...)
	return err
}

// restore restores the backup and recovers it to a moment.
func (r *backrest) restore(ctx context.Context, at time.Time) (copying, all time.Duration, err error) {
	p := r.peer
	dir := p.path("restored")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	begin := time.Now()
	if err := errors.Join(makeDir(dir), makeDir(filepath.Join(dir, "pgdata"))); err != nil {
		return 0, 0, err
	}
	e := r.engine(engineUser, dir, "/data", p.path(backrestRepo), "/mnt")
	_, err = e.run(ctx, r.arguments(processes(), "--type=time", "--target="+moment(at), "--target-action=promote", "restore")...)
	if err != nil {
		return 0, 0, err
	}
	copying = time.Since(begin)
	e = r.engine(engineUser, p.path("run"), "/run/tine", dir, "/data", p.path(backrestRepo), "/mnt")
	err = p.whenReady(ctx, func() { all = time.Since(begin) }, e)
	return copying, all, err
}
