package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// Config says where a Runtime keeps what it must know about its containers.
type Config struct {
	// Dir is the Runtime's own directory, made with mode 0700 if it is missing.
	Dir string
	// Runc is the path of runc; "" looks it up in PATH.
	Runc string
	// CgroupParent is the name of the cgroup that all containers' cgroups lie in, unique per Dir; "" is "tine".
	CgroupParent string
}

// Runtime starts and stops containers.
type Runtime struct {
	runc         string
	state        string // runc's own
	bundles      string // one directory per container
	cgroupParent string
	oomScore     *int
	maxFiles     uint64
}

// Status is what is known about a container. The zero Status stands for one that is not known at all.
type Status struct {
	ID      string
	Running bool
	// PID is the host's number of the container's first process, 0 if it is not running.
	PID int
}

// ErrRunning is the error of Run for a container that is running already.
var ErrRunning = errors.New("the container is running already")

// New returns a Runtime on the containers of cfg.Dir, whoever started them. The error can be shown to the operator.
func New(cfg Config) (*Runtime, error) {
	runc, err := findRunc(cfg.Runc)
	if err != nil {
		return nil, err
	}
	parent := cfg.CgroupParent
	if parent == "" {
		parent = "tine"
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("sandbox in %s: %w", cfg.Dir, err)
	}
	if !validID(parent) {
		return nil, fmt.Errorf("sandbox in %s: %q cannot be the name of a cgroup", dir, parent)
	}
	r := &Runtime{
		runc: runc, state: filepath.Join(dir, "runc"), bundles: filepath.Join(dir, "containers"),
		cgroupParent: parent, oomScore: oomScore(), maxFiles: maxFiles(),
	}
	for _, d := range []string{r.state, r.bundles} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("sandbox in %s: %w", dir, err)
		}
	}
	return r, nil
}

func findRunc(path string) (string, error) {
	if path != "" {
		return path, nil
	}
	for _, candidate := range []string{"runc", "/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc"} {
		if found, err := exec.LookPath(candidate); err == nil {
			return found, nil
		}
	}
	return "", errors.New("the command runc is missing: install the package runc")
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

func validID(id string) bool { return idPattern.MatchString(id) }

func (r *Runtime) bundle(id string) string { return filepath.Join(r.bundles, id) }

// cgroup returns the path of a container's cgroup within every hierarchy. It is absolute, so that a container is not
// in the cgroup of the service that starts it, and does not die with it.
func (r *Runtime) cgroup(id string) string { return "/" + r.cgroupParent + "/" + id }

// Run starts a container and returns when its process has been executed. A dead container of the same ID is removed
// first; a running one is ErrRunning. When Run fails, for whatever reason, no container of that ID is left.
func (r *Runtime) Run(ctx context.Context, spec Spec) error {
	if err := spec.validate(); err != nil {
		return fmt.Errorf("run container %q: %w", spec.ID, err)
	}
	if err := r.run(ctx, spec); err != nil {
		return fmt.Errorf("run container %s: %w", spec.ID, err)
	}
	return nil
}

func (r *Runtime) run(ctx context.Context, spec Spec) error {
	lock, err := r.lock(ctx, spec.ID)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	status, err := r.Status(ctx, spec.ID)
	if err != nil {
		return err
	}
	if status.Running {
		return ErrRunning
	}
	if err := r.clear(ctx, spec.ID); err != nil {
		return err
	}
	err = r.start(ctx, spec, lock)
	if err != nil {
		// Whatever ended ctx must not keep half a container alive.
		err = errors.Join(err, r.remove(context.WithoutCancel(ctx), spec.ID))
	}
	return err
}

// start writes the bundle and lets runc start it. runc inherits the lock: should this process be killed, the next
// one waits until that runc is done.
func (r *Runtime) start(ctx context.Context, spec Spec, lock *os.File) error {
	if err := writeBundle(r.bundle(spec.ID), r.ociSpec(spec)); err != nil {
		return err
	}
	log, err := os.OpenFile(spec.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()

	unlock, err := r.lockParent(unix.LOCK_SH)
	if err != nil {
		return err
	}
	defer unlock()
	// No keyring: it may not be used, and the kernel lets a user have few of them. What this call takes, 35 to 50 ms on
	// a 2-core machine, is three executions of runc; leaving out seccomp, namespaces or limits changes it by less than
	// its spread.
	cmd := r.command(ctx, spec.ID, "run", "--detach", "--no-new-keyring",
		"--bundle", r.bundle(spec.ID), "--pid-file", r.pidFile(spec.ID), spec.ID)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock}
	return r.exec(ctx, cmd, spec.ID)
}

// command makes a call of runc, with its own messages in the bundle. Its environment is empty: some variables, such
// as NOTIFY_SOCKET, change what runc does.
func (r *Runtime) command(ctx context.Context, id string, args ...string) *exec.Cmd {
	args = append([]string{"--root", r.state, "--log", r.runcLog(id), "--log-format", "json"}, args...)
	cmd := exec.CommandContext(ctx, r.runc, args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Dir = "/"
	// Not in our session: what a terminal sends to this process is not meant for the container.
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	return cmd
}

func (r *Runtime) exec(ctx context.Context, cmd *exec.Cmd, id string) error {
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("runc: %s: %w", lastMessage(r.runcLog(id)), err)
	}
	return nil
}

// Remove kills the container's processes if there are any, and removes the container, its directory and its
// cgroups. When it returns nil no process of the container is left. An unknown container is no error.
func (r *Runtime) Remove(ctx context.Context, id string) error {
	if !validID(id) {
		return fmt.Errorf("remove container %q: not an ID", id)
	}
	if _, err := os.Stat(r.bundle(id)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := r.lock(ctx, id)
	if err != nil {
		return fmt.Errorf("remove container %s: %w", id, err)
	}
	defer func() { _ = lock.Close() }()
	if err := r.remove(ctx, id); err != nil {
		return fmt.Errorf("remove container %s: %w", id, err)
	}
	return nil
}

// remove removes a container and, last, the directory that stands for it.
func (r *Runtime) remove(ctx context.Context, id string) error {
	if err := r.clear(ctx, id); err != nil {
		return err
	}
	if err := os.RemoveAll(r.bundle(id)); err != nil {
		return err
	}
	return r.removeParent()
}

// removeParent removes the cgroup that all containers' cgroups lie in, if it was the last one's.
func (r *Runtime) removeParent() error {
	unlock, err := r.lockParent(unix.LOCK_EX | unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil // a container is being started in it
	}
	if err != nil {
		return err
	}
	defer unlock()
	return removeCgroups("/" + r.cgroupParent)
}

// clear removes all of a container but its locked directory.
func (r *Runtime) clear(ctx context.Context, id string) error {
	if err := killCgroup(ctx, r.cgroup(id)); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(r.state, id)); err == nil {
		cmd := r.command(ctx, id, "delete", "--force", id)
		if err := r.exec(ctx, cmd, id); err != nil {
			return err
		}
	}
	if err := removeCgroups(r.cgroup(id)); err != nil {
		return err
	}
	// All of it: runc makes its pid file under another name, which must not exist.
	files, err := os.ReadDir(r.bundle(id))
	for _, file := range files {
		err = errors.Join(err, os.Remove(filepath.Join(r.bundle(id), file.Name())))
	}
	return err
}

// List returns the status of all containers, dead ones included, in the order of their IDs.
func (r *Runtime) List(ctx context.Context) ([]Status, error) {
	entries, err := os.ReadDir(r.bundles)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var list []Status
	for _, e := range entries {
		s, err := r.Status(ctx, e.Name())
		if err != nil {
			return nil, err
		}
		if s != (Status{}) {
			list = append(list, s)
		}
	}
	return list, nil
}

func (r *Runtime) pidFile(id string) string { return filepath.Join(r.bundle(id), "pid") }
func (r *Runtime) runcLog(id string) string { return filepath.Join(r.bundle(id), "runc.log") }

// oomScore returns what the kernel's choice of a victim adds for a container's first process: it should rather kill
// one of its children, from whose death a database recovers by itself. Lowering it is a privilege that not every
// root has.
func oomScore() *int {
	const capSysResource = 24
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	_, after, _ := strings.Cut(string(status), "CapEff:\t")
	var effective uint64
	if _, err := fmt.Sscanf(after, "%x", &effective); err != nil || effective>>capSysResource&1 == 0 {
		return nil
	}
	score := -500
	return &score
}

// maxFiles returns how many files a process in a container may open: no more than this process, since raising that is
// the same privilege.
func maxFiles() uint64 {
	const enough = 65536
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil {
		return 1024
	}
	return min(enough, own.Max)
}
