package sandbox

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// seccomp denies the system calls by which a process could reach beyond its container through the kernel. It is a list
// of what is denied, not of what is allowed: without capabilities and as an unprivileged user most of it fails
// anyway, this removes the code behind it from reach, and a denied call that a later PostgreSQL needs is less likely
// than an allowed one that is missing from a list. Names that a kernel does not know are ignored. Programs of another
// architecture (32 bits) cannot make any call.
func seccomp() *specs.LinuxSeccomp {
	eperm, enosys, family := uint(unix.EPERM), uint(unix.ENOSYS), uint(unix.EAFNOSUPPORT)
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Syscalls: []specs.LinuxSyscall{
			{Names: deniedCalls(), Action: specs.ActErrno, ErrnoRet: &eperm},
			// Its flags cannot be looked at; the C library then uses clone, whose flags can.
			{Names: []string{"clone3"}, Action: specs.ActErrno, ErrnoRet: &enosys},
			{
				Names: []string{"clone"}, Action: specs.ActErrno, ErrnoRet: &eperm,
				Args: []specs.LinuxSeccompArg{masked(unix.CLONE_NEWUSER)},
			},
			// Some families, such as AF_VSOCK, know no network namespaces.
			{
				Names: []string{"socket", "socketpair"}, Action: specs.ActErrno, ErrnoRet: &family,
				Args: []specs.LinuxSeccompArg{{Index: 0, Value: unix.AF_UNIX, Op: specs.OpNotEqual}},
			},
		},
	}
}

// masked matches calls with that bit set in their first argument.
func masked(bit uint64) specs.LinuxSeccompArg {
	return specs.LinuxSeccompArg{Index: 0, Value: bit, ValueTwo: bit, Op: specs.OpMaskedEqual}
}

func deniedCalls() []string {
	return []string{
		// Namespaces, mounts, roots.
		"unshare", "setns", "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig",
		"fsmount", "fspick", "pivot_root", "chroot", "name_to_handle_at", "open_by_handle_at", "quotactl", "quotactl_fd",
		// The kernel's own programs, modules, logs and keys.
		"bpf", "perf_event_open", "userfaultfd", "init_module", "finit_module", "delete_module", "create_module",
		"kexec_load", "kexec_file_load", "reboot", "syslog", "keyctl", "add_key", "request_key", "lookup_dcookie",
		"io_uring_setup", "io_uring_enter", "io_uring_register", "fanotify_init", "acct", "swapon", "swapoff",
		// Other processes.
		"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
		// The machine.
		"settimeofday", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex", "stime",
		"iopl", "ioperm", "modify_ldt", "vm86", "vm86old", "sethostname", "setdomainname", "vhangup",
		"move_pages", "mbind", "migrate_pages", "set_mempolicy", "personality", "nfsservctl", "uselib", "ustat", "sysfs",
	}
}
