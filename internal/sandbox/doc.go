// Package sandbox runs one process and its children in an OCI container, by means of runc, such that it can do harm
// to nothing but what it was given.
//
// # What a process in a container has
//
// A root file system that it cannot write to; the mounts of its Spec; an empty /tmp and /dev/shm in memory; its own
// process, mount, IPC, host name and network namespaces, the last without any interface; no capability and no way to
// get one (no_new_privs); a user that is not root; system calls without those that reach beyond a container (see
// seccomp.go); memory, CPU and process limits by cgroups of version 1 or 2. It is process 1 of its namespace: when it
// ends, the kernel kills all that it started.
//
// # Life of a container
//
// Run starts it and returns as soon as the process was executed. It does not depend on the process that called Run:
// whoever makes a Runtime with the same Config later finds it by List, Status and Wait. A container whose process has
// ended stays, dead, until Remove or the next Run of the same ID.
//
// A directory below Config.Dir, one per container, holds its configuration and its process id; it exists before the
// first trace of the container does and is removed after the last one, so that no killed caller can lose a
// container. A lock on it, inherited by runc, keeps a second Run or Remove waiting until a runc has finished whose
// caller was killed.
//
// # What callers must not do
//
// They must not use runc on these containers themselves, and not place two Runtimes with different directories
// under one CgroupParent. The root file system needs the directories /proc, /dev, /tmp and those that are mount
// targets: nothing is made in it.
//
// If no process is the ancestor of the container that reaps orphans, its dead process stays as a zombie; every init
// does reap, and where the calling process is the init or a subreaper itself, Wait and Remove do.
//
// All methods of a Runtime are safe for concurrent use, also by several processes.
package sandbox
