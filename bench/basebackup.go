package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// peer is what people do today, for one source.
type peer struct {
	bench *bench
	src   *source
	dir   string // everything is below it; it goes with the instance
	first string // the segment of WAL that is the first one a recovery needs
}

func (b *bench) newPeer(ctx context.Context, src *source) (*peer, error) {
	p := &peer{bench: b, src: src, dir: filepath.Join(b.tine.Dir, "peer-"+src.cluster.Name)}
	for _, dir := range []string{p.dir, p.path("run"), p.path("archive")} {
		if err := makeDir(dir); err != nil {
			return nil, err
		}
	}
	if err := b.allowBackup(ctx, src); err != nil {
		return nil, err
	}
	var err error
	p.first, err = b.ask(ctx, src, "SELECT pg_walfile_name(pg_current_wal_lsn())")
	return p, err
}

func (p *peer) path(name string) string { return filepath.Join(p.dir, name) }

// engineID is the number of engineUser.
const engineID = 27017

func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if err := os.Chown(path, engineID, engineID); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return nil
}

// allowBackup lets pg_basebackup in, which Tine has no use for. The socket is in a directory of the node's user alone.
func (b *bench) allowBackup(ctx context.Context, src *source) error {
	path := filepath.Join(b.tine.PoolDir(), "volumes", src.node, "pgdata", "pg_hba.conf")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("allow base backups: %w", err)
	}
	_, err = f.WriteString("local replication postgres trust\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("allow base backups: %w", err)
	}
	_, err = b.ask(ctx, src, "SELECT pg_reload_conf()")
	return err
}

// baseBackup makes one and says how long it took.
func (p *peer) baseBackup(ctx context.Context, dir string) (time.Duration, error) {
	if err := makeDir(dir); err != nil {
		return 0, err
	}
	e := inEngine{
		root: p.bench.tine.EngineDir, user: engineUser,
		binds: []string{p.bench.socketDir(p.src.node), "/run/tine", dir, "/data"},
	}
	begin := time.Now()
	_, err := e.run(ctx, "pg_basebackup", "-h", "/run/tine", "-U", "postgres", "-D", "/data/pgdata", "-X", "stream", "-c", "fast")
	return time.Since(begin), err
}

// archive copies the source's WAL to where an archive_command of today would have put it.
func (p *peer) archive(ctx context.Context) error {
	last, err := p.bench.ask(ctx, p.src, "SELECT pg_walfile_name(pg_switch_wal())")
	if err != nil {
		return err
	}
	const patience, interval = 30 * time.Second, 100 * time.Millisecond
	for begin := time.Now(); ; {
		if _, err := os.Stat(filepath.Join(p.walDir(), last)); err == nil {
			break
		}
		if time.Since(begin) > patience {
			return fmt.Errorf("segment %s of WAL does not come to the history", last)
		}
		if err := wait(ctx, interval); err != nil {
			return err
		}
	}
	segments, err := p.segments(p.walDir())
	if err != nil {
		return err
	}
	for i := range segments {
		segments[i] = filepath.Join(p.walDir(), segments[i])
	}
	return copyAll(ctx, p.path("archive"), segments...)
}

// walDir is where Tine keeps the source's WAL.
func (p *peer) walDir() string {
	return filepath.Join(p.bench.tine.PoolDir(), "history", p.src.history, "wal")
}

// volume is the source's.
func (p *peer) volume() string { return filepath.Join(p.bench.tine.PoolDir(), "volumes", p.src.node) }

// segments are those in a directory that a recovery of a backup may need.
func (p *peer) segments(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list WAL: %w", err)
	}
	for _, e := range entries {
		if len(e.Name()) == len(p.first) && e.Name() >= p.first {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// copyTree copies in full what is in a directory into another one that is the node's user's then.
func copyTree(ctx context.Context, from, to string) error {
	if err := copyAll(ctx, to, from+"/."); err != nil {
		return err
	}
	return os.Chown(to, engineID, engineID)
}

// copyAll copies files and directories in full into a directory.
func copyAll(ctx context.Context, to string, from ...string) error {
	args := append(append([]string{"-a", "--reflink=never"}, from...), to)
	out, err := exec.CommandContext(ctx, "cp", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy to %s: %w: %s", to, err, out)
	}
	return nil
}

// chownTree gives all of a directory to the node's user.
func chownTree(ctx context.Context, dir string) error {
	out, err := exec.CommandContext(ctx, "chown", "-R", engineUser, dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("give %s to the node's user: %w: %s", dir, err, out)
	}
	return nil
}

// restore copies the base backup and recovers it to a moment.
func (p *peer) restore(ctx context.Context, at time.Time) (copying, all time.Duration, err error) {
	dir := p.path("restored")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	begin := time.Now()
	if err := makeDir(dir); err != nil {
		return 0, 0, err
	}
	if err := copyTree(ctx, p.path("base"), dir); err != nil {
		return 0, 0, err
	}
	copying = time.Since(begin)
	all, err = p.recover(ctx, dir, at)
	return copying, copying + all, err
}

// recover brings a copy of a base backup to a moment.
func (p *peer) recover(ctx context.Context, dir string, at time.Time) (taken time.Duration, err error) {
	begin := time.Now()
	if err := os.WriteFile(filepath.Join(dir, "pgdata", "recovery.signal"), nil, 0o644); err != nil {
		return 0, fmt.Errorf("ask for recovery: %w", err)
	}
	err = p.whenReady(ctx, func() { taken = time.Since(begin) }, p.engine(dir),
		"-c", "restore_command=cp /mnt/%f %p",
		"-c", "recovery_target_time="+moment(at),
		"-c", "recovery_target_action=promote")
	return taken, err
}

// moment is a time as PostgreSQL reads it.
func moment(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05.999999-07:00") }

// engine is where a copy of the source is started, with the archive beside it.
func (p *peer) engine(dir string) inEngine {
	return inEngine{
		root: p.bench.tine.EngineDir, user: engineUser,
		binds: []string{p.path("run"), "/run/tine", dir, "/data", p.path("archive"), "/mnt"},
	}
}

// copyLatest makes a base backup and starts it.
func (p *peer) copyLatest(ctx context.Context) (copying, all time.Duration, err error) {
	dir := p.path("copied")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	begin := time.Now()
	if copying, err = p.baseBackup(ctx, dir); err != nil {
		return 0, 0, err
	}
	err = p.whenReady(ctx, func() { all = time.Since(begin) }, p.engine(dir))
	return copying, all, err
}

// whenReady starts a PostgreSQL, calls do as soon as it is a primary that answers, and ends it.
func (p *peer) whenReady(ctx context.Context, do func(), e inEngine, args ...string) error {
	log, err := os.Create(p.path("log"))
	if err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := e.command(ctx, append([]string{"postgres", "-D", "/data/pgdata", "-c", "archive_mode=off"}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	// A signal for the benchmark, by the terminal, shall not reach it before its time.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a peer: %w", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	defer func() { _, _ = cmd.Process.Signal(syscall.SIGQUIT), <-exited }()
	if err := p.waitReady(ctx, exited); err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w\n%s", err, tail(string(text)))
	}
	do()
	return nil
}

func (p *peer) waitReady(ctx context.Context, exited chan error) error {
	const interval = 10 * time.Millisecond
	for {
		answer, err := query(ctx, p.bench.tine.EngineDir, p.path("run"), "SELECT pg_is_in_recovery()")
		if err == nil && answer == "f" {
			return nil
		}
		select {
		case err := <-exited:
			exited <- err
			return fmt.Errorf("the peer ended: %w", err)
		default:
		}
		if err := wait(ctx, interval); err != nil {
			return err
		}
	}
}
