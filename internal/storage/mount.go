package storage

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mountEntry is one line of /proc/self/mountinfo.
type mountEntry struct {
	point, fsType, source string
}

// mountAt returns the topmost mount at exactly that path.
func mountAt(path string) (mountEntry, bool, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return mountEntry{}, false, err
	}
	defer func() { _ = f.Close() }()
	var top mountEntry
	found := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		m, ok := parseMount(lines.Text())
		if ok && m.point == path {
			top, found = m, true // later lines lie on top
		}
	}
	return top, found, nil
}

// parseMount reads "36 35 98:0 /sub /point opts [tags] - type source superopts".
func parseMount(line string) (mountEntry, bool) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 6 || len(right) < 2 {
		return mountEntry{}, false
	}
	return mountEntry{point: unescape(left[4]), fsType: right[0], source: unescape(right[1])}, true
}

// unescape undoes the octal escapes that the kernel writes for blanks and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// sameDevice tells whether two paths are of one block device, whatever it is called. There is none without a name.
func sameDevice(a, b string) bool {
	var infos [2]unix.Stat_t
	for i, path := range [2]string{a, b} {
		if path == "" || unix.Stat(path, &infos[i]) != nil || infos[i].Mode&unix.S_IFMT != unix.S_IFBLK {
			return false
		}
	}
	return infos[0].Rdev == infos[1].Rdev
}

// mountBtrfs mounts device without access times: every read would otherwise un-share a block of a fork. The kernel
// adds discard=async where the device can discard, which for an image gives the space of deleted volumes back to the
// file system below it.
func mountBtrfs(device, path string) error {
	err := unix.Mount(device, path, "btrfs", unix.MS_NOATIME|unix.MS_NOSUID|unix.MS_NODEV, "")
	switch {
	case errors.Is(err, unix.EIO), errors.Is(err, unix.EUCLEAN):
		return fmt.Errorf("mount %s: its btrfs is damaged, or the disk below it cannot be read: the kernel's log says where, and Tine can use it when it can be mounted again: %w", device, err)
	case err != nil:
		return fmt.Errorf("mount %s: %w", device, err)
	}
	return nil
}

// needBtrfs fails if the kernel cannot mount a btrfs, so that nothing is made in vain.
func needBtrfs(ctx context.Context) error {
	if ok, err := kernelHas("btrfs"); ok || err != nil {
		return err
	}
	// Its result does not matter: what the kernel then says does.
	_ = exec.CommandContext(ctx, "modprobe", "btrfs").Run()
	ok, err := kernelHas("btrfs")
	if err == nil && !ok {
		err = errors.New("this machine's kernel has no btrfs: install a kernel with it, or the module that is missing")
	}
	return err
}

func kernelHas(fsType string) (bool, error) {
	list, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return false, err
	}
	return slices.Contains(strings.Fields(string(list)), fsType), nil
}

// hasBtrfs tells whether there is a complete btrfs on a device or in a file: mkfs.btrfs writes the magic last.
func hasBtrfs(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	magic := make([]byte, len(superMagic))
	_, err = f.ReadAt(magic, superMagicOffset)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read superblock of %s: %w", path, err)
	}
	return string(magic) == superMagic, nil
}

// nodeSize is that of the metadata's blocks. The first change of a block that a fork shares with its source makes a copy of it, and a reference to each extent that it names, in
// blocks of their own: the smaller the blocks, the less of all of that is written. See docs/decisions/0025-small-blocks-of-metadata.md.
const nodeSize = "4096"

func mkfs(ctx context.Context, path string) error {
	tool, err := findTool("mkfs.btrfs")
	if err != nil {
		return err
	}
	// Its own choice for metadata is two copies, which on one disk protect against a damaged sector.
	out, err := exec.CommandContext(ctx, tool, "--quiet", "--label", "tine", "--nodesize", nodeSize, path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make a btrfs on %s: %s: %w", path, strings.TrimSpace(string(out)), err)
	}
	return nil
}

// findTool finds a command for administrators, also when PATH is that of an ordinary user.
func findTool(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("the command %s is missing: install the package btrfs-progs", name)
}
