package sandbox

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Mount shows the host's Source, a file or directory, at Target in the container, without anything that is mounted
// below it. Programs on it cannot be executed.
type Mount struct {
	Source, Target string
	ReadOnly       bool
}

// Spec describes a container. All paths are absolute.
type Spec struct {
	// ID is unique within the Runtime: up to 128 letters, digits, hyphens, periods and underscores.
	ID string
	// Root is the root file system, which any number of containers may share.
	Root   string
	Mounts []Mount
	// Args is the program, as a path in the container, and its arguments.
	Args []string
	// Env is the whole environment, apart from PATH, which has a default.
	Env []string
	// UID and GID are the same in the container and on the host, and not 0.
	UID, GID int
	// MemoryBytes limits memory including the page cache, which gives way; swap is not limited. 0 is no limit.
	MemoryBytes int64
	// CPUs limits processor time, in processors, and is the container's weight when there is not enough. 0 is no limit.
	CPUs float64
	// CPUWeight is the container's weight when there is not enough processor time, in processors; 0 is that of CPUs. LimitCPUs replaces it.
	CPUWeight float64
	// PIDs limits the number of processes and threads. 0 is no limit.
	PIDs int64
	// ShmBytes is the size of /dev/shm; 0 is 64 MiB. It counts as memory when it is used.
	ShmBytes int64
	// LogPath is a file to which what the process writes to standard output and error is appended. It is made with
	// mode 0600 if it is missing, and given to UID.
	LogPath string
}

const defaultShm = 64 << 20

func (s Spec) validate() error {
	switch {
	case !validID(s.ID):
		return errors.New("the ID must be 1 to 128 letters, digits, hyphens, periods or underscores")
	case len(s.Args) == 0:
		return errors.New("there is no program to run")
	case s.UID <= 0 || s.GID <= 0:
		return errors.New("it may not run as root")
	case s.MemoryBytes < 0 || s.CPUs < 0 || s.CPUWeight < 0 || s.PIDs < 0 || s.ShmBytes < 0:
		return errors.New("a limit is negative")
	}
	paths := []string{s.Root, s.LogPath, s.Args[0]}
	for _, m := range s.Mounts {
		paths = append(paths, m.Source, m.Target)
	}
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("the path %q is not absolute", path)
		}
	}
	return s.checkTargets()
}

// checkTargets refuses what runc would make in the root file system, which others share.
func (s Spec) checkTargets() error {
	targets := []string{"/proc", "/dev", "/tmp"}
	for _, m := range s.Mounts {
		targets = append(targets, m.Target)
	}
	for _, target := range targets {
		if _, err := os.Lstat(filepath.Join(s.Root, target)); err != nil {
			return fmt.Errorf("the root file system has no %s to mount at: %w", target, err)
		}
	}
	return nil
}

// ociSpec translates a Spec to the form that runc reads, of the version that runc 1.1 implements.
func (r *Runtime) ociSpec(s Spec) *specs.Spec {
	return &specs.Spec{
		Version: "1.0.2",
		Process: &specs.Process{
			User:            specs.User{UID: uint32(s.UID), GID: uint32(s.GID)},
			Args:            s.Args,
			Env:             s.environment(),
			Cwd:             "/",
			Capabilities:    &specs.LinuxCapabilities{},
			Rlimits:         r.rlimits(),
			NoNewPrivileges: true,
			OOMScoreAdj:     r.oomScore,
		},
		Root:     &specs.Root{Path: s.Root, Readonly: true},
		Hostname: "node",
		Mounts:   mounts(s),
		Linux: &specs.Linux{
			CgroupsPath:   r.cgroup(s.ID),
			Namespaces:    namespaces(),
			Resources:     resources(s),
			Seccomp:       seccomp(),
			MaskedPaths:   maskedPaths(),
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

func (s Spec) environment() []string {
	if slices.ContainsFunc(s.Env, func(v string) bool { return strings.HasPrefix(v, "PATH=") }) {
		return s.Env
	}
	return slices.Concat([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, s.Env)
}

func (r *Runtime) rlimits() []specs.POSIXRlimit {
	return []specs.POSIXRlimit{
		{Type: "RLIMIT_NOFILE", Hard: r.maxFiles, Soft: r.maxFiles},
		{Type: "RLIMIT_CORE", Hard: 0, Soft: 0}, // a core would hold users' documents
	}
}

func mounts(s Spec) []specs.Mount {
	shm := s.ShmBytes
	if shm == 0 {
		shm = defaultShm
	}
	list := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536"}},
		memoryMount("/dev/shm", shm),
		memoryMount("/tmp", defaultShm),
	}
	for _, m := range s.Mounts {
		options := []string{"bind", "private", "nosuid", "noexec", "nodev"}
		if m.ReadOnly {
			options = append(options, "ro")
		}
		list = append(list, specs.Mount{Destination: m.Target, Type: "bind", Source: m.Source, Options: options})
	}
	return list
}

func memoryMount(target string, bytes int64) specs.Mount {
	return specs.Mount{
		Destination: target, Type: "tmpfs", Source: "tmpfs",
		Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=" + strconv.FormatInt(bytes, 10)},
	}
}

func namespaces() []specs.LinuxNamespace {
	return []specs.LinuxNamespace{
		{Type: specs.PIDNamespace},
		{Type: specs.MountNamespace},
		{Type: specs.IPCNamespace},
		{Type: specs.UTSNamespace},
		{Type: specs.NetworkNamespace},
	}
}

// resources gives limits in the terms of cgroup version 1; runc translates them where version 2 is in use.
func resources(s Spec) *specs.LinuxResources {
	r := &specs.LinuxResources{
		// runc adds those that every container has: null, zero, full, random, urandom, tty.
		Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}},
	}
	if s.MemoryBytes > 0 {
		r.Memory = &specs.LinuxMemory{Limit: &s.MemoryBytes}
	}
	if s.CPUs > 0 {
		quota, shares := cpuLimit(s.CPUs)
		r.CPU = &specs.LinuxCPU{Quota: &quota, Period: new(uint64(cpuPeriod)), Shares: &shares}
	}
	if s.CPUWeight > 0 {
		if r.CPU == nil {
			r.CPU = new(specs.LinuxCPU)
		}
		_, shares := cpuLimit(s.CPUWeight)
		r.CPU.Shares = &shares
	}
	if s.PIDs > 0 {
		r.Pids = &specs.LinuxPids{Limit: &s.PIDs}
	}
	return r
}

// cpuPeriod is in which the quota of processor time is spent, in microseconds.
const cpuPeriod = 100_000

// cpuLimit gives a number of processors in the kernel's terms: microseconds a period, and a weight.
func cpuLimit(cpus float64) (quota int64, shares uint64) {
	return max(int64(math.Round(cpus*cpuPeriod)), 1000), max(uint64(math.Round(cpus*1024)), 2)
}

// maskedPaths are the files of /proc that tell about the host or can change it.
func maskedPaths() []string {
	return []string{
		"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
	}
}
