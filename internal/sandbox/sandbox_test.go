package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// engineRoot returns a root file system with a shell: that of the engine.
func engineRoot(tb testing.TB) string {
	tb.Helper()
	dir := os.Getenv("TINE_ENGINE_DIR")
	if dir == "" {
		dir = "/var/lib/tine/engine"
	}
	if _, err := os.Stat(filepath.Join(dir, "bin/sh")); err != nil {
		tb.Fatalf("there is no engine in %s: run `make engine` or `tine engine install`", dir)
	}
	return dir
}

// bundle is what a test works with: a Runtime of its own and a Spec that its cases change.
type bundle struct {
	*Runtime
	cfg  Config
	spec Spec
	dir  string // mounted at /data, writable for the container
}

func newBundle(tb testing.TB) *bundle {
	tb.Helper()
	base := tb.TempDir()
	// The container's user must be able to reach nothing but the mounted directory itself.
	dir := filepath.Join(base, "data")
	mustMake(tb, os.Mkdir(dir, 0o700))
	mustMake(tb, os.Chown(dir, 27017, 27017))
	cfg := Config{Dir: filepath.Join(base, "sandbox"), CgroupParent: fmt.Sprintf("tine-test-%d-%s", os.Getpid(), filepath.Base(filepath.Dir(base)))}
	r, err := New(cfg)
	mustMake(tb, err)
	b := &bundle{Runtime: r, cfg: cfg, dir: dir, spec: Spec{
		ID: "node-1", Root: engineRoot(tb), Mounts: []Mount{{Source: dir, Target: "/data"}},
		Args: []string{"/bin/sleep", "1000"}, UID: 27017, GID: 27017, LogPath: filepath.Join(base, "log"),
	}}
	tb.Cleanup(func() { b.removeAll(tb) })
	return b
}

func mustMake(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// removeAll removes all containers and checks that nothing of them is left.
func (b *bundle) removeAll(tb testing.TB) {
	tb.Helper()
	ctx := context.Background() // the test's own has ended
	list, err := b.List(ctx)
	mustMake(tb, err)
	for _, s := range list {
		mustMake(tb, b.Remove(ctx, s.ID))
	}
	points, err := hierarchies()
	mustMake(tb, err)
	for _, point := range points {
		if _, err := os.Stat(filepath.Join(point, b.cgroupParent)); len(list) > 0 && err == nil {
			tb.Errorf("the cgroup %s is left in %s", b.cgroupParent, point)
		}
	}
	for _, dir := range []string{b.state, b.bundles} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			tb.Errorf("%s holds %v, %v", dir, left, err)
		}
	}
}

// shell makes the container run a script.
func (b *bundle) shell(script string) { b.spec.Args = []string{"/bin/sh", "-c", script} }

// output runs the container to its end and returns what it printed.
func (b *bundle) output(t *testing.T) string {
	t.Helper()
	mustMake(t, b.Run(t.Context(), b.spec))
	mustMake(t, b.Wait(t.Context(), b.spec.ID))
	text, err := os.ReadFile(b.spec.LogPath)
	mustMake(t, err)
	return string(text)
}

func (b *bundle) wantRunning(t *testing.T, want bool) Status {
	t.Helper()
	s, err := b.Status(t.Context(), b.spec.ID)
	mustMake(t, err)
	if s.Running != want || (s.PID != 0) != want {
		t.Fatalf("status is %+v, want running %v", s, want)
	}
	return s
}

func TestRunSignalWaitRemove(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	mustMake(t, b.Run(t.Context(), b.spec))
	s := b.wantRunning(t, true)
	list, err := b.List(t.Context())
	mustMake(t, err)
	if !slices.Equal(list, []Status{s}) {
		t.Fatalf("list is %v, want %v", list, s)
	}
	if err := b.Run(t.Context(), b.spec); !errors.Is(err, ErrRunning) {
		t.Fatalf("a second Run gave %v", err)
	}
	if now := b.wantRunning(t, true); now != s {
		t.Fatalf("a refused Run changed %v to %v", s, now)
	}
	mustMake(t, b.Signal(t.Context(), b.spec.ID, syscall.SIGKILL))
	mustMake(t, b.Wait(t.Context(), b.spec.ID))
	b.wantRunning(t, false)
	if err := b.Signal(t.Context(), b.spec.ID, syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("a signal to a dead container gave %v", err)
	}

	mustMake(t, b.Run(t.Context(), b.spec)) // over the dead one
	b.wantRunning(t, true)
	mustMake(t, b.Remove(t.Context(), b.spec.ID))
	status, err := b.Status(t.Context(), b.spec.ID)
	if err != nil || status != (Status{}) {
		t.Fatalf("status after Remove is %v, %v", status, err)
	}
	mustMake(t, b.Remove(t.Context(), b.spec.ID))
	mustMake(t, b.Wait(t.Context(), b.spec.ID))
}

func TestContainerIsAdoptedByALaterRuntime(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	mustMake(t, b.Run(t.Context(), b.spec))
	later, err := New(b.cfg)
	mustMake(t, err)
	s, err := later.Status(t.Context(), b.spec.ID)
	mustMake(t, err)
	if !s.Running {
		t.Fatal("the later runtime does not see the container")
	}
	waited := make(chan error, 1)
	go func() { waited <- later.Wait(t.Context(), b.spec.ID) }()
	mustMake(t, later.Signal(t.Context(), b.spec.ID, syscall.SIGKILL))
	mustMake(t, <-waited)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	mustMake(t, b.Run(t.Context(), b.spec))
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() { waited <- b.Wait(ctx, b.spec.ID) }()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Fatalf("Wait returned %v", err)
	}
	b.wantRunning(t, true)
}

func TestRemoveLeavesNoProcess(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.shell("setsid sleep 1000 & trap '' TERM INT; touch /data/ready; while :; do sleep 1000; done")
	mustMake(t, b.Run(t.Context(), b.spec))
	pids, err := readPIDs(filepath.Join(cgroupOf(t), b.cgroup(b.spec.ID), "cgroup.procs"))
	mustMake(t, err)
	mustMake(t, b.Remove(t.Context(), b.spec.ID))
	for _, pid := range pids {
		if ours, err := inCgroup(pid, b.cgroup(b.spec.ID)); ours || err != nil {
			t.Errorf("process %d is left", pid)
		}
	}
}

// cgroupOf returns a hierarchy in which containers are.
func cgroupOf(t *testing.T) string {
	t.Helper()
	points, err := hierarchies()
	mustMake(t, err)
	if i := slices.IndexFunc(points, func(p string) bool { return strings.HasSuffix(p, "/pids") }); i >= 0 {
		return points[i]
	}
	return points[0]
}

func TestFailedRunLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Spec)
		want   string
	}{
		"a program that is missing": {func(s *Spec) { s.Args = []string{"/no/such/program"} }, "no such file"},
		"a mount that is missing":   {func(s *Spec) { s.Mounts[0].Source = "/no/such/dir" }, "no such file"},
		"a target that is missing":  {func(s *Spec) { s.Mounts[0].Target = "/not/in/root" }, "has no /not/in/root"},
		"a root that is missing":    {func(s *Spec) { s.Root = "/no/such/root" }, "no such file"},
		"root":                      {func(s *Spec) { s.UID = 0 }, "may not run as root"},
		"a bad ID":                  {func(s *Spec) { s.ID = "../x" }, "the ID must be"},
		"no program":                {func(s *Spec) { s.Args = nil }, "no program"},
		"a relative path":           {func(s *Spec) { s.Args[0] = "sleep" }, "not absolute"},
		"a negative limit":          {func(s *Spec) { s.PIDs = -1 }, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			test.change(&b.spec)
			err := b.Run(t.Context(), b.spec)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v, want one with %q", err, test.want)
			}
			s, err := b.Status(t.Context(), b.spec.ID)
			if err != nil || s != (Status{}) {
				t.Fatalf("status is %v, %v", s, err)
			}
		})
	}
}

func TestRunThatIsCancelledLeavesNothing(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond) // in the middle of runc
	defer cancel()
	err := b.Run(ctx, b.spec)
	if err == nil {
		t.Skip("runc was faster")
	}
	s, err := b.Status(t.Context(), b.spec.ID)
	if err != nil || s != (Status{}) {
		t.Fatalf("status is %v, %v", s, err)
	}
}

// As when both runc and its caller were killed after the process was started and before its number was written down.
func TestContainerWithoutPIDFileIsReplaced(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	mustMake(t, b.Run(t.Context(), b.spec))
	lost := b.wantRunning(t, true)
	mustMake(t, os.Rename(b.pidFile(b.spec.ID), filepath.Join(b.Runtime.bundle(b.spec.ID), ".pid")))
	b.wantRunning(t, false)
	mustMake(t, b.Run(t.Context(), b.spec))
	if now := b.wantRunning(t, true); now.PID == lost.PID {
		t.Fatal("the lost container was not replaced")
	}
	if alive, err := inCgroup(lost.PID, b.cgroup(b.spec.ID)); alive || err != nil {
		t.Fatal("the lost process is still there")
	}
}

// A number that the kernel gave to another process after a restart of the machine is not the container.
func TestForeignPIDIsNotTheContainer(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	mustMake(t, os.Mkdir(b.Runtime.bundle(b.spec.ID), 0o700))
	mustMake(t, os.WriteFile(b.pidFile(b.spec.ID), fmt.Append(nil, os.Getpid()), 0o600))
	b.wantRunning(t, false)
	mustMake(t, b.Wait(t.Context(), b.spec.ID))
	mustMake(t, b.Remove(t.Context(), b.spec.ID))
}

func TestRunWaitsForARuncWhoseCallerWasKilled(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	lock, err := b.lock(t.Context(), b.spec.ID)
	mustMake(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx, b.spec) }()
	cancel()
	if err := <-ran; !errors.Is(err, context.Canceled) {
		t.Fatalf("Run returned %v", err)
	}
	mustMake(t, lock.Close())
	mustMake(t, b.Run(t.Context(), b.spec))
}

func TestRunsOfOneIDAtOnceStartOneContainer(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	errs := make([]error, 4)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { errs[i] = b.Run(t.Context(), b.spec) })
	}
	group.Wait()
	refused := 0
	for _, err := range errs {
		if errors.Is(err, ErrRunning) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	if refused != len(errs)-1 {
		t.Fatalf("%d of %d were refused", refused, len(errs))
	}
}

func TestManyContainersComeAndGoAtOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			spec := b.spec
			spec.ID = fmt.Sprintf("node-%d", i)
			for range 2 {
				if err := errors.Join(b.Run(t.Context(), spec), b.Remove(t.Context(), spec.ID)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func TestContainerIsConfined(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.spec.Env = []string{"GREETING=hello"}
	b.spec.ShmBytes = 3 << 20
	secret := filepath.Join(filepath.Dir(b.dir), "log")
	b.shell(`
		try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name: yes"; else echo "$name: no"; fi; }
		echo "id: $(id -u):$(id -g)"
		echo "pid: $$"
		echo "env: $GREETING"
		grep -h -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\t'
		echo "interfaces: $(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' \n')"
		echo "shm: $(df -k --output=size /dev/shm | tail -1 | tr -d ' ')"
		echo "processes: $(ls -d /proc/[0-9]* | wc -l | tr -d ' ')"
		try "write data" touch /data/file
		try "write tmp" touch /tmp/file
		try "write shm" touch /dev/shm/file
		try "write root" touch /file
		try "write etc" touch /etc/file
		try "write sys" sh -c 'echo 1 > /proc/sys/vm/drop_caches'
		cp /bin/true /data/true
		try "execute data" /data/true
		try "mount" mount -t tmpfs x /tmp
		try "user namespace" unshare -U true
		try "host file" test -e ` + secret + `
		try "host disk" head -c 1 /dev/vda
		try "read keys" grep -q . /proc/keys
	`)
	got := b.output(t)
	for _, want := range []string{
		"id: 27017:27017", "pid: 1", "env: hello", "CapEff:0000000000000000", "CapBnd:0000000000000000", "NoNewPrivs:1",
		"Seccomp:2", "interfaces: lo", "shm: 3072",
		"write data: yes", "write tmp: yes", "write shm: yes", "write root: no", "write etc: no", "write sys: no",
		"execute data: no", "mount: no", "user namespace: no", "host file: no", "host disk: no", "read keys: no",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%q is missing in the output", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
	info, err := os.Stat(b.spec.LogPath)
	mustMake(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the log has mode %o", info.Mode().Perm())
	}
}

func TestReadOnlyMount(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.spec.Mounts[0].ReadOnly = true
	b.shell("touch /data/file || echo refused")
	if got := b.output(t); !strings.HasSuffix(got, "refused\n") {
		t.Fatalf("output is %q", got)
	}
}

func TestLogIsAppendedTo(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.shell("echo out; echo err >&2")
	b.output(t)
	if got := b.output(t); got != "out\nerr\nout\nerr\n" {
		t.Fatalf("the log holds %q", got)
	}
}

// The kernel kills a child that takes too much memory, not the container.
func TestMemoryLimitKillsTheGreedyChild(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.spec.MemoryBytes = 48 << 20
	b.shell(`perl -e '$x = "x" x (200 << 20); print "survived\n"'; echo "child: $?"`)
	if got := b.output(t); !strings.Contains(got, "child: 137\n") || strings.Contains(got, "survived") {
		t.Fatalf("output is %q", got)
	}
}

func TestProcessLimit(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.spec.PIDs = 5
	b.shell(`for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo started`)
	if got := b.output(t); strings.Contains(got, "started") {
		t.Fatalf("output is %q", got)
	}
}

func TestCPULimitIsSet(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.spec.CPUs = 1.5
	mustMake(t, b.Run(t.Context(), b.spec))
	got := b.cgroupValues(t, "cpu.cfs_quota_us", "cpu.max")
	if !slices.Contains(got, "150000") && !slices.Contains(got, "150000 100000") {
		t.Fatalf("the limits are %q", got)
	}
}

// A weight alone is no limit, and a limit that is set later brings its own weight.
func TestCPUWeightLastsUntilTheLimit(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.spec.CPUWeight = 16
	mustMake(t, b.Run(t.Context(), b.spec))
	heavy := b.cgroupValues(t, "cpu.shares", "cpu.weight")
	limits := b.cgroupValues(t, "cpu.cfs_quota_us", "cpu.max")
	if !slices.Contains(limits, "-1") && !slices.Contains(limits, "max 100000") {
		t.Errorf("the limits are %q", limits)
	}
	mustMake(t, b.LimitCPUs(t.Context(), b.spec.ID, 1))
	light := b.cgroupValues(t, "cpu.shares", "cpu.weight")
	if len(heavy) != 1 || len(light) != 1 || atoi(t, heavy[0]) < 8*atoi(t, light[0]) {
		t.Errorf("the weight is %q at first and %q behind the limit", heavy, light)
	}
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	mustMake(t, err)
	return n
}

// cgroupValues reads files of the container's cgroup, wherever they are.
func (b *bundle) cgroupValues(t *testing.T, files ...string) (values []string) {
	t.Helper()
	points, err := hierarchies()
	mustMake(t, err)
	for _, point := range points {
		for _, file := range files {
			if text, err := os.ReadFile(filepath.Join(point, b.cgroup(b.spec.ID), file)); err == nil {
				values = append(values, strings.TrimSpace(string(text)))
			}
		}
	}
	return values
}

func TestContainerSurvivesSignalsToItsCallersGroup(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	mustMake(t, b.Run(t.Context(), b.spec))
	s := b.wantRunning(t, true)
	own, err := unix.Getsid(0)
	mustMake(t, err)
	its, err := unix.Getsid(s.PID)
	mustMake(t, err)
	if own == its {
		t.Fatal("the container is in the session of its caller")
	}
}

var update = flag.Bool("update", false, "rewrite the golden files")

func TestOCISpecIsAsReviewed(t *testing.T) {
	t.Parallel()
	score := -500
	r := &Runtime{cgroupParent: "tine-0", oomScore: &score, maxFiles: 65536}
	got, err := json.MarshalIndent(r.ociSpec(Spec{
		ID: "node-1", Root: "/engine", Args: []string{"/bin/postgres", "-D", "/data/pgdata"}, Env: []string{"TZ=UTC"},
		Mounts: []Mount{{Source: "/pool/v", Target: "/data"}, {Source: "/conf", Target: "/conf", ReadOnly: true}},
		UID:    27017, GID: 27017, MemoryBytes: 1 << 30, CPUs: 0.5, PIDs: 300, ShmBytes: 1 << 20, LogPath: "/log",
	}), "", "\t")
	mustMake(t, err)
	got = append(got, '\n')
	const file = "testdata/config.golden.json"
	if *update {
		mustMake(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	mustMake(t, err)
	if string(got) != string(want) {
		t.Fatalf("the configuration changed; look at it, then run with -update:\n%s", got)
	}
}

// BenchmarkRun measures the start of a container; compare BenchmarkDirect.
func BenchmarkRun(b *testing.B) {
	f := newBundle(b)
	f.spec.MemoryBytes, f.spec.CPUs, f.spec.PIDs = 1<<30, 1, 300
	for b.Loop() {
		mustMake(b, f.Run(b.Context(), f.spec))
		b.StopTimer()
		mustMake(b, f.Remove(b.Context(), f.spec.ID))
		b.StartTimer()
	}
}

// BenchmarkRemove measures the removal of a running container.
func BenchmarkRemove(b *testing.B) {
	f := newBundle(b)
	for b.Loop() {
		b.StopTimer()
		mustMake(b, f.Run(b.Context(), f.spec))
		b.StartTimer()
		mustMake(b, f.Remove(b.Context(), f.spec.ID))
	}
}

// BenchmarkDirect measures the start of the same program without a container.
func BenchmarkDirect(b *testing.B) {
	for b.Loop() {
		p, err := os.StartProcess("/bin/sleep", []string{"sleep", "0"}, &os.ProcAttr{})
		mustMake(b, err)
		b.StopTimer()
		_, err = p.Wait()
		mustMake(b, err)
		b.StartTimer()
	}
}
