package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// hierarchies returns the mount points of all cgroup hierarchies: one with version 2, one per controller with
// version 1, and both with a mixture.
func hierarchies() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var points []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if len(fields) > 4 && (strings.HasPrefix(after, "cgroup ") || strings.HasPrefix(after, "cgroup2 ")) {
			points = append(points, fields[4])
		}
	}
	return points, nil
}

// killCgroup kills every process in the cgroup and returns when all have ended.
func killCgroup(ctx context.Context, cgroup string) error {
	points, err := hierarchies()
	if err != nil {
		return err
	}
	for _, point := range points {
		if err := killProcs(ctx, filepath.Join(point, cgroup, "cgroup.procs"), cgroup); err != nil {
			return err
		}
	}
	return nil
}

// killProcs kills the processes in one list until it is empty: a process may fork while the list is read.
func killProcs(ctx context.Context, list, cgroup string) error {
	for {
		pids, err := readPIDs(list)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := killProcess(ctx, pid, cgroup); err != nil {
				return fmt.Errorf("kill process %d: %w", pid, err)
			}
		}
	}
}

func readPIDs(list string) ([]int, error) {
	text, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

func killProcess(ctx context.Context, pid int, cgroup string) error {
	p, err := openProcess(pid, cgroup)
	if p == nil || err != nil {
		return err
	}
	defer p.close()
	if err := p.signal(unix.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.wait(ctx)
}

// removeCgroups removes a cgroup from all hierarchies, where it exists and has no others in it.
func removeCgroups(cgroup string) error {
	points, err := hierarchies()
	if err != nil {
		return err
	}
	for _, point := range points {
		err := unix.Rmdir(filepath.Join(point, cgroup))
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) {
			return fmt.Errorf("remove cgroup %s of %s: %w", cgroup, point, err)
		}
	}
	return nil
}
