package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// heading says under which conditions the numbers were measured.
func heading(o Options, out io.Writer) error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return fmt.Errorf("ask for the kernel: %w", err)
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return fmt.Errorf("ask for the load: %w", err)
	}
	_, err = fmt.Fprintf(out, "# Tine %s, %s\n\n%d CPUs (%s), %s of memory, Linux %s; load average before the run %s.\n"+
		"The pool is an image on a loop device in %s. Clusters have the plan %s unless said otherwise.%s\n"+
		"Times are what a user waits: from the POST until a find on a new connection through the gateway is answered.\n\n",
		o.Version, time.Now().UTC().Format(time.RFC3339), runtime.NumCPU(), cpuModel(), humanBytes(memory()), unix.ByteSliceToString(uts.Release[:]),
		strings.Join(strings.Fields(string(load))[:3], " "), o.Dir, plan, sharedMemory())
	if err != nil {
		return fmt.Errorf("write heading: %w", err)
	}
	return nil
}

// plan is that of harness.CreateRequest.
const plan = "db-s-1vcpu-1gb"

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown model"
}

// sharedMemory says in which sizes the kernel gives out shared memory, if these are not pages: how long a recovery takes depends on it.
func sharedMemory() string {
	paths, _ := filepath.Glob("/sys/kernel/mm/transparent_hugepage/hugepages-*/shmem_enabled")
	var said strings.Builder
	for _, path := range paths {
		policy, _ := os.ReadFile(path)
		if text := string(policy); strings.Contains(text, "[always]") || strings.Contains(text, "[within_size]") {
			said.WriteString(" Shared memory comes in " + strings.TrimPrefix(filepath.Base(filepath.Dir(path)), "hugepages-") + ".")
		}
	}
	return said.String()
}

func memory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// poolUsed is what is occupied in the pool, metadata and their copies included, once everything is written.
func (b *bench) poolUsed() (int64, error) {
	dir, err := os.Open(b.tine.PoolDir())
	if err != nil {
		return 0, fmt.Errorf("open pool: %w", err)
	}
	defer func() { _ = dir.Close() }()
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return 0, fmt.Errorf("sync pool: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return 0, fmt.Errorf("ask for the pool's space: %w", err)
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize, nil
}

// exclusive is what the files of a node's volume do not share with any other: not even with its own first restore point.
func (b *bench) exclusive(ctx context.Context, node string) (int64, error) {
	path := filepath.Join(b.tine.PoolDir(), "volumes", node)
	out, err := exec.CommandContext(ctx, "btrfs", "filesystem", "du", "--raw", "-s", path).Output()
	if err != nil {
		return 0, fmt.Errorf("ask for the bytes of %s: %w", path, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	fields := strings.Fields(lines[len(lines)-1])
	const column = 1 // total, exclusive, set shared, name
	if len(fields) <= column {
		return 0, fmt.Errorf("ask for the bytes of %s: cannot read %q", path, out)
	}
	return strconv.ParseInt(fields[column], 10, 64)
}
