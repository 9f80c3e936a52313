package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeInstaller is an installer whose mmdebstrap is a shell script; "$root" in it is where to put the packages.
func fakeInstaller(t *testing.T, script string) (i *installer, said func() []string) {
	t.Helper()
	command := filepath.Join(t.TempDir(), "mmdebstrap")
	text := "#!/bin/sh\nwhile [ \"$1\" != sid ]; do shift; done\nroot=$2\n" + script
	noError(t, os.WriteFile(command, []byte(text), 0o700))
	var mu sync.Mutex
	var lines []string
	i = &installer{
		command: command, mirror: "http://mirror.test/debian",
		now: func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) },
		progress: func(line string) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, line)
		},
	}
	return i, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(lines)
	}
}

// goodScript makes what Install looks at in the result of mmdebstrap.
const goodScript = `
echo "I: downloading packages with apt..." >&2
mkdir -p "$root/etc" "$root/var/lib/dpkg"
echo "root:x:0:0::/root:/bin/sh" > "$root/etc/passwd"
echo "root:x:0:" > "$root/etc/group"
printf 'Package: postgresql-18\nStatus: installed\nVersion: 18.6-3\n\nPackage: postgresql-18-documentdb\nVersion: 1:1.0-0-1\n' > "$root/var/lib/dpkg/status"
`

func engineDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "with blank", "engine")
}

// wantNoDraft fails if an unfinished install is left next to dir.
func wantNoDraft(t *testing.T, dir string) {
	t.Helper()
	left, err := filepath.Glob(dir + ".tmp-*")
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func wantNotInstalled(t *testing.T, dir string) {
	t.Helper()
	_, err := Open(dir)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "tine engine install") {
		t.Errorf("Open gave %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s exists", dir)
	}
}

func TestInstallMakesAnEngineOnce(t *testing.T) {
	t.Parallel()
	i, said := fakeInstaller(t, goodScript)
	dir := engineDir(t)
	noError(t, i.install(t.Context(), dir))
	r, err := Open(dir)
	noError(t, err)
	if r.Version() != "18.6-1.0-0" || r.Dir() != dir {
		t.Errorf("installed %s in %s", r.Version(), r.Dir())
	}
	for file, want := range map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\ntine:x:27017:27017:Tine node:/data:/usr/sbin/nologin\n",
		"etc/group":  "root:x:0:\ntine:x:27017:\n",
		manifestFile: "{\n  \"postgresql\": \"18.6\",\n  \"documentdb\": \"1.0-0\",\n  \"installed_at\": \"2026-11-22T10:00:00Z\"\n}\n",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", file, got, err)
		}
	}
	for _, mountPoint := range []string{"data", "run/tine"} {
		if _, err := os.Stat(filepath.Join(dir, mountPoint)); err != nil {
			t.Error(err)
		}
	}
	want := []string{
		"fetching packages from http://mirror.test/debian", "downloading the base system",
		"installed PostgreSQL 18.6 with DocumentDB 1.0-0",
	}
	if got := said(); !slices.Equal(got, want) {
		t.Errorf("progress was %q", got)
	}
	wantNoDraft(t, dir)

	i.command = "/bin/false" // a second install must not need it
	noError(t, i.install(t.Context(), dir))
}

func TestFailedInstallLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ script, want string }{
		"at once":                     {"echo 'E: no route to mirror' >&2; exit 1", "no route to mirror"},
		"half-way":                    {goodScript + "echo 'E: disk full' >&2; exit 1", "disk full"},
		"without the packages":        {`cd "$root"; mkdir -p etc var/lib/dpkg; touch etc/passwd etc/group var/lib/dpkg/status`, "are not in"},
		"without anything in the end": {"exit 0", "no such file"},
		"after a very long line":      {"head -c 300000 /dev/zero | tr '\\0' x >&2; exit 1", "exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, _ := fakeInstaller(t, test.script)
			dir := engineDir(t)
			err := i.install(t.Context(), dir)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v, want one with %q", err, test.want)
			}
			wantNotInstalled(t, dir)
			wantNoDraft(t, dir)
		})
	}
}

func TestInstallWithoutMmdebstrapSaysSo(t *testing.T) {
	t.Parallel()
	i, _ := fakeInstaller(t, "")
	i.command = "/no/such/mmdebstrap"
	dir := engineDir(t)
	if err := i.install(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "install the package mmdebstrap") {
		t.Fatalf("error is %v", err)
	}
	wantNotInstalled(t, dir)
}

// startedScript mounts something, leaves a child behind and hangs, having told so through a file.
const startedScript = goodScript + `
mkdir -p "$root/proc" && mount -t tmpfs tmpfs "$root/proc"
sleep 1000 &
echo "I: extracting archives" >&2
wait
`

// startInstall runs an install until its mmdebstrap hangs.
func startInstall(t *testing.T, dir string) (cancel func(), done chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	i, _ := fakeInstaller(t, startedScript)
	hangs := make(chan struct{})
	i.progress = func(line string) {
		if strings.HasPrefix(line, "unpacking") {
			close(hangs)
		}
	}
	done = make(chan error, 1)
	go func() { done <- i.install(ctx, dir) }()
	select {
	case <-hangs:
	case err := <-done:
		t.Fatal(err)
	}
	return cancel, done
}

func TestCancelledInstallLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := engineDir(t)
	cancel, done := startInstall(t, dir)
	wantNotInstalled(t, dir)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("install returned %v", err)
	}
	wantNotInstalled(t, dir)
	wantNoDraft(t, dir)
}

func TestInstallWaitsForAnother(t *testing.T) {
	t.Parallel()
	dir := engineDir(t)
	cancel, done := startInstall(t, dir)
	second, _ := fakeInstaller(t, goodScript)
	ctx, giveUp := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() { waited <- second.install(ctx, dir) }()
	giveUp()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Fatalf("the second install returned %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("the first install returned %v", err)
	}
	noError(t, second.install(t.Context(), dir))
}

const helperDir = "TINE_TEST_INSTALL_DIR"

// TestHelperInstall is not a test but the process that the next test kills.
func TestHelperInstall(t *testing.T) {
	t.Parallel()
	dir := os.Getenv(helperDir)
	if dir == "" {
		return
	}
	_, done := startInstall(t, dir)
	_, err := os.Stdout.WriteString("hangs")
	noError(t, err)
	noError(t, <-done)
}

func TestKilledInstallIsCleanedUpByTheNext(t *testing.T) {
	t.Parallel()
	dir := engineDir(t)
	noError(t, os.MkdirAll(filepath.Dir(dir), 0o755))
	read, write, err := os.Pipe()
	noError(t, err)
	helper, err := os.StartProcess("/proc/self/exe", []string{"engine.test", "-test.run=^TestHelperInstall$"}, &os.ProcAttr{
		Env: append(os.Environ(), helperDir+"="+dir), Files: []*os.File{nil, write, nil},
	})
	noError(t, err)
	noError(t, write.Close())
	_, err = read.Read(make([]byte, 1)) // "hangs", or the helper's end
	noError(t, err)
	noError(t, helper.Kill())
	_, err = helper.Wait()
	noError(t, err)
	wantNotInstalled(t, dir)

	i, _ := fakeInstaller(t, goodScript)
	noError(t, i.install(t.Context(), dir))
	wantNoDraft(t, dir)
	noError(t, read.Close())
	waitForNoProcess(t, dir+".tmp-")
}

// waitForNoProcess returns when no process has the text in its arguments: those of a killed install end by the
// kernel's doing, a moment after it.
func waitForNoProcess(t *testing.T, text string) {
	t.Helper()
	for {
		commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
		noError(t, err)
		if !slices.ContainsFunc(commands, func(file string) bool {
			command, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(command), text)
		}) {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("a process of the killed install lives on")
		}
	}
}

// An old mmdebstrap, or one started by hand, may leave the machine's own directories mounted in its tree.
func TestLeftoversAreUnmountedBeforeTheyAreRemoved(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "link")
	noError(t, os.Symlink(t.TempDir(), link))
	for name, dir := range map[string]string{"in its place": engineDir(t), "behind a link": filepath.Join(link, "engine")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			precious := t.TempDir()
			noError(t, os.WriteFile(filepath.Join(precious, "file"), nil, 0o600))
			point := dir + ".tmp-123/dev"
			noError(t, os.MkdirAll(point, 0o755))
			noError(t, unix.Mount(precious, point, "", unix.MS_BIND, ""))
			t.Cleanup(func() { _ = unix.Unmount(point, unix.MNT_DETACH) })

			i, _ := fakeInstaller(t, goodScript)
			noError(t, i.install(t.Context(), dir))
			wantNoDraft(t, dir)
			if _, err := os.Stat(filepath.Join(precious, "file")); err != nil {
				t.Fatal("what was mounted was removed")
			}
		})
	}
}

func TestInstallKeepsWhatIsNotAnEngine(t *testing.T) {
	t.Parallel()
	i, _ := fakeInstaller(t, goodScript)
	dir := t.TempDir()
	noError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	if err := i.install(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "not an engine") {
		t.Fatalf("error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	noError(t, i.install(t.Context(), empty))
}

// The engine on this machine, made by the real mmdebstrap.
func TestInstalledEngineIsComplete(t *testing.T) {
	t.Parallel()
	r := installedRoot(t)
	if !strings.HasPrefix(r.Version(), "18.") {
		t.Errorf("the version is %s", r.Version())
	}
	for _, file := range []string{
		"usr/lib/postgresql/18/bin/postgres", "usr/lib/postgresql/18/lib/pg_documentdb.so", "data", "run/tine", "usr/bin/apt-get",
	} {
		if _, err := os.Stat(filepath.Join(r.Dir(), file)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(r.Dir(), "var/lib/postgresql/18/main")); err == nil {
		t.Error("Debian's package has made a server of its own in it")
	}
}
