package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what a container has taken.
type Usage struct {
	CPU         time.Duration // of processors, since it began
	MemoryBytes int64         // now, without cached files that nobody has read lately
}

// Usage reads what a container has taken. It costs a few small reads; ok is false if it does not run.
func (r *Runtime) Usage(id string) (u Usage, ok bool, err error) {
	points, err := hierarchies()
	if err != nil {
		return u, false, fmt.Errorf("read usage of container %s: %w", id, err)
	}
	for _, point := range points {
		dir := filepath.Join(point, r.cgroup(id))
		for _, read := range []func(string, *Usage) (bool, error){readCPU, readCPUv1, readMemory, readMemoryv1} {
			found, err := read(dir, &u)
			if err != nil {
				return u, false, fmt.Errorf("read usage of container %s: %w", id, err)
			}
			ok = ok || found
		}
	}
	return u, ok, nil
}

func readCPU(dir string, u *Usage) (bool, error) {
	n, ok, err := readKey(filepath.Join(dir, "cpu.stat"), "usage_usec") // version 1 has such a file, too, without the key
	if ok {
		u.CPU = time.Duration(n) * time.Microsecond
	}
	return ok, err
}

func readCPUv1(dir string, u *Usage) (bool, error) {
	n, ok, err := readNumber(filepath.Join(dir, "cpuacct.usage"))
	if ok {
		u.CPU = time.Duration(n)
	}
	return ok, err
}

func readMemory(dir string, u *Usage) (bool, error) {
	return readMemoryFiles(filepath.Join(dir, "memory.current"), filepath.Join(dir, "memory.stat"), "inactive_file", u)
}

func readMemoryv1(dir string, u *Usage) (bool, error) {
	return readMemoryFiles(filepath.Join(dir, "memory.usage_in_bytes"), filepath.Join(dir, "memory.stat"), "total_inactive_file", u)
}

func readMemoryFiles(current, stat, cached string, u *Usage) (bool, error) {
	n, ok, err := readNumber(current)
	if !ok || err != nil {
		return false, err
	}
	inactive, _, err := readKey(stat, cached)
	u.MemoryBytes = max(n-inactive, 0)
	return true, err
}

func readNumber(path string) (n int64, ok bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	n, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil, err
}

// readKey reads the number after a word at the beginning of a line.
func readKey(path, key string) (n int64, ok bool, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == key {
			n, err = strconv.ParseInt(value, 10, 64)
			return n, err == nil, err
		}
	}
	return 0, false, nil
}
