package storage

import (
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What is free is what btrfs itself counts, metadata included.
func TestSpaceIsWhatBtrfsCounts(t *testing.T) {
	t.Parallel()
	p := testPool(t)
	must(t, os.WriteFile(filepath.Join(p.Path(), "f"), make([]byte, 10*mib), 0o600))
	must(t, p.Sync(t.Context()))
	s, err := p.Space()
	must(t, err)
	out, err := exec.CommandContext(t.Context(), "btrfs", "filesystem", "usage", "--raw", p.Path()).CombinedOutput()
	if err != nil {
		t.Fatal(err, string(out))
	}
	free := number(t, string(out), "Free (estimated):")
	if s.Free != free {
		t.Errorf("%d bytes are free, want %d\n%s", s.Free, free, out)
	}
	// What is not allocated yet could become metadata, in two copies.
	unallocated, reserve := number(t, string(out), "Device unallocated:"), number(t, string(out), "Global reserve:")
	total, used := between(t, string(out), "Metadata,DUP: Size:", ","), between(t, string(out), "Metadata,DUP: Size:"+strconv.FormatInt(between(t, string(out), "Metadata,DUP: Size:", ","), 10)+", Used:", " ")
	if want := (Part{Total: total + unallocated/2 - reserve, Free: total - used + unallocated/2 - reserve}); s.Metadata != want {
		t.Errorf("metadata is %+v, want %+v\n%s", s.Metadata, want, out)
	}
}

// number is the first number after a label.
func number(t *testing.T, text, label string) int64 {
	t.Helper()
	_, rest, ok := strings.Cut(text, label)
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		t.Fatalf("%q is not in\n%s", label, text)
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	must(t, err)
	return n
}

func between(t *testing.T, text, begin, end string) int64 {
	t.Helper()
	_, rest, ok := strings.Cut(text, begin)
	digits, _, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%q is not in\n%s", begin, text)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	must(t, err)
	return n
}

func TestFreeShareIsThatOfTheScarcer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		allocation allocation
		want       float64
	}{
		{allocation{data: group{total: 60, used: 30, copies: 1}, metadata: group{total: 10, used: 5, copies: 2}, unallocated: 40}, 0.7},
		{allocation{data: group{total: 90, used: 10, copies: 1}, metadata: group{total: 10, used: 8, copies: 2}, reserve: 2}, 0},
		{allocation{data: group{total: 90, used: 10, copies: 1}, metadata: group{total: 10, used: 6, copies: 2}, reserve: 2}, 0.25},
		{allocation{data: group{total: 90, used: 90, copies: 1}, metadata: group{total: 10, used: 0, copies: 2}}, 0},
	} {
		if got := test.allocation.space().FreeShare(); got != test.want {
			t.Errorf("%+v: %v is free, want %v", test.allocation, got, test.want)
		}
	}
}

// A full pool says so, and has space again when what was deleted is gone.
func TestSpaceOfDeletedVolumesComesBack(t *testing.T) {
	t.Parallel()
	p := testPool(t)
	must(t, p.Create(t.Context(), "v"))
	before := fill(t, p, "v")
	s, err := p.Space()
	must(t, err)
	if s.FreeShare() > 0.05 {
		t.Errorf("%v of a full pool is free: %+v", s.FreeShare(), s)
	}
	must(t, p.Delete(t.Context(), "v"))
	deadline := time.Now().Add(20 * time.Second) // the kernel would look after 30 s by itself
	for {
		n, err := p.Reclaim(t.Context())
		must(t, err)
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d volumes are still being deleted", n)
		}
	}
	after, err := p.Space()
	must(t, err)
	if after.FreeShare() < 0.9*before.FreeShare() {
		t.Errorf("%v is free, and was %v before", after.FreeShare(), before.FreeShare())
	}
}

// fill writes to a volume until nothing more fits, and returns what was free before.
func fill(t *testing.T, p *Pool, name string) Space {
	t.Helper()
	before, err := p.Space()
	must(t, err)
	block := make([]byte, mib)
	_, _ = rand.Read(block)
	for i := 0; ; i++ {
		err := os.WriteFile(filepath.Join(p.VolumePath(name), strconv.Itoa(i)), block, 0o600)
		if err == nil {
			err = p.Sync(t.Context())
		}
		if errors.Is(err, unix.ENOSPC) {
			return before
		}
		must(t, err)
	}
}
