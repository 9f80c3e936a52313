package storage

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fillRandom writes files that nothing can compress.
func fillRandom(t *testing.T, p *Pool, volume string, seed uint64, files, size int) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{byte(seed)})
	for i := range files {
		b := make([]byte, size)
		_, _ = random.Read(b)
		must(t, os.MkdirAll(filepath.Join(p.VolumePath(volume), "dir"), 0o700))
		must(t, os.WriteFile(filepath.Join(p.VolumePath(volume), "dir", fmt.Sprintf("%d-%02d", seed, i)), b, 0o640))
	}
}

// content is what a volume's files hold, with their modes and owners.
func content(t *testing.T, p *Pool, volume string) string {
	t.Helper()
	var b strings.Builder
	root := p.VolumePath(volume)
	must(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		fmt.Fprintf(&b, "%s %o %d", name, st.Mode, st.Uid)
		if entry.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", sha256.Sum256(text))
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

// counter counts what was passed on, and ends the sending when it is more than most.
type counter struct{ sent, most int }

var errEnough = errors.New("enough")

func (c *counter) pace(_ context.Context, n int) error {
	if c.sent += n; c.most > 0 && c.sent > c.most {
		return errEnough
	}
	return nil
}

func wantNothingElse(t *testing.T, p *Pool) {
	t.Helper()
	for _, dir := range []string{partsDir, incoming} {
		entries, err := os.ReadDir(filepath.Join(p.Path(), dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			t.Errorf("%s is left in %s of %s", e.Name(), dir, p.Path())
		}
	}
}

func TestSendMakesACopyInAnotherPool(t *testing.T) {
	t.Parallel()
	from, to := testPool(t), testPool(t)
	must(t, from.Create(t.Context(), "live"))
	fillRandom(t, from, "live", 1, 20, mib)
	must(t, from.Snapshot(t.Context(), "live", "points/a"))
	var first counter
	s := Sending{From: from, To: to, Volume: "points/a", As: "points/a", Pace: first.pace}
	size, err := from.SendSize("points/a", "")
	must(t, err)
	must(t, Send(t.Context(), s))
	if content(t, to, "points/a") != content(t, from, "points/a") {
		t.Error("the copy is different")
	}
	if size < 20*mib || first.sent < int(size) || first.sent > int(size)+mib {
		t.Errorf("%d bytes were passed on, %d were expected", first.sent, size)
	}

	// What was sent before is a parent for what comes after it: shared blocks stay shared.
	must(t, os.Remove(filepath.Join(from.VolumePath("live"), "dir", "1-00")))
	fillRandom(t, from, "live", 2, 2, mib)
	must(t, from.Snapshot(t.Context(), "live", "points/b"))
	var second counter
	size, err = from.SendSize("points/b", "points/a")
	must(t, err)
	must(t, Send(t.Context(), Sending{From: from, To: to, Volume: "points/b", As: "points/b", Parent: "points/a", Pace: second.pace}))
	if content(t, to, "points/b") != content(t, from, "points/b") {
		t.Error("the second copy is different")
	}
	if second.sent < 2*mib || second.sent > 3*mib || size < 2*mib || size > 3*mib {
		t.Errorf("%d bytes were passed on for 2 new MiB, %d were expected", second.sent, size)
	}
	if u, err := to.Usage(t.Context(), "points/b"); err != nil || u.Shared < 19*mib {
		t.Errorf("the second copy shares %+v, %v", u, err)
	}

	// A file that is deleted while it is open is removed from a snapshot later, by whoever looks at it first. That says nothing of what is new in the next one.
	open, err := os.OpenFile(filepath.Join(from.VolumePath("live"), "open"), os.O_CREATE|os.O_RDWR, 0o600)
	must(t, err)
	t.Cleanup(func() { _ = open.Close() })
	_, err = open.Write(make([]byte, mib))
	must(t, errors.Join(err, open.Sync(), os.Remove(open.Name())))
	must(t, from.Snapshot(t.Context(), "live", "points/c"))
	fillRandom(t, from, "live", 3, 3, mib)
	must(t, from.Snapshot(t.Context(), "live", "points/d"))
	_, err = from.List("points")
	must(t, errors.Join(err, from.Sync(t.Context())))
	if size, err = from.SendSize("points/d", "points/c"); err != nil || size < 3*mib || size > 4*mib {
		t.Errorf("%d bytes were expected for 3 new MiB, %v", size, err)
	}

	// What is there is not sent again.
	again := counter{most: 1}
	s.Pace = again.pace
	must(t, Send(t.Context(), s))
	if err := os.WriteFile(filepath.Join(to.VolumePath("points/a"), "new"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("the copy can be written to: %v", err)
	}
	must(t, to.Clone(t.Context(), "points/b", "live"))
	must(t, os.WriteFile(filepath.Join(to.VolumePath("live"), "new"), nil, 0o600))
	wantNothingElse(t, from)
	wantNothingElse(t, to)
}

func TestSendGoesOnAfterAnInterruption(t *testing.T) {
	t.Parallel()
	const part = 8 * mib
	from, to := testPool(t), testPool(t)
	must(t, from.Create(t.Context(), "live"))
	fillRandom(t, from, "live", 1, 40, mib)
	must(t, os.Symlink("1-00", filepath.Join(from.VolumePath("live"), "dir", "link")))
	must(t, from.Snapshot(t.Context(), "live", "state"))
	stopped := counter{most: 21 * mib} // in the third part
	s := Sending{From: from, To: to, Volume: "state", As: "arrived/state", partSize: part, Pace: stopped.pace}
	if err := Send(t.Context(), s); !errors.Is(err, errEnough) {
		t.Fatalf("Send = %v, want the error of Pace", err)
	}
	if there, err := to.Exists("arrived/state"); there || err != nil {
		t.Fatalf("half a volume has its name: %v", err)
	}
	// As if it had been killed right after a part had arrived.
	must(t, to.Create(t.Context(), incoming+"/arrived.state/2"))
	kept, err := s.Kept()
	must(t, err)
	if kept < 16*mib || kept > 17*mib {
		t.Errorf("%d bytes count as sent, want 16 MiB", kept)
	}
	var rest counter
	s.Pace = rest.pace
	must(t, Send(t.Context(), s))
	if content(t, to, "arrived/state") != content(t, from, "state") {
		t.Error("the copy is different")
	}
	if rest.sent < 23*mib || rest.sent > 26*mib {
		t.Errorf("%d bytes were passed on after the interruption, want the 24 MiB of three parts", rest.sent)
	}
	wantNothingElse(t, from)
	wantNothingElse(t, to)
}

func TestASendingThatIsNotWantedLeavesNothing(t *testing.T) {
	t.Parallel()
	from, to := testPool(t), testPool(t)
	must(t, from.Create(t.Context(), "live"))
	fillRandom(t, from, "live", 1, 24, mib)
	must(t, from.Snapshot(t.Context(), "live", "state"))
	stopped := counter{most: 12 * mib}
	s := Sending{From: from, To: to, Volume: "state", As: "arrived", partSize: 8 * mib, Pace: stopped.pace}
	if err := Send(t.Context(), s); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	must(t, s.Forget(t.Context()))
	wantNothingElse(t, from)
	wantNothingElse(t, to)
	if err := Send(t.Context(), Sending{From: from, To: to, Volume: "none", As: "arrived"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Send of what is not there = %v", err)
	}
	if err := Send(t.Context(), Sending{From: from, To: to, Volume: "live", As: "arrived"}); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("Send of a volume that may change = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.Pace = func(context.Context, int) error { cancel(); return nil }
	if err := Send(ctx, s); !errors.Is(err, context.Canceled) {
		t.Errorf("Send that was cancelled = %v", err)
	}
	must(t, s.Forget(t.Context()))
	wantNothingElse(t, to)
}

// Pools may be directories of one file system, or of one that has more mounted than its top.
func TestSendBetweenDirectories(t *testing.T) {
	t.Parallel()
	p, other := testPool(t), testPool(t)
	must(t, os.Mkdir(filepath.Join(other.Path(), "deep"), 0o700))
	for _, path := range []string{filepath.Join(p.Path(), "b"), filepath.Join(other.Path(), "deep", "b")} {
		a := openTestPool(t, PoolConfig{Path: filepath.Join(p.Path(), "a")})
		b := openTestPool(t, PoolConfig{Path: path})
		must(t, a.Create(t.Context(), "live"))
		fillRandom(t, a, "live", 1, 10, mib)
		must(t, a.Snapshot(t.Context(), "live", "one"))
		fillRandom(t, a, "live", 2, 1, mib)
		must(t, a.Snapshot(t.Context(), "live", "two"))
		must(t, Send(t.Context(), Sending{From: a, To: b, Volume: "one", As: "x/one"}))
		var second counter
		must(t, Send(t.Context(), Sending{From: a, To: b, Volume: "two", As: "x/two", Parent: "one", Pace: second.pace}))
		if content(t, b, "x/two") != content(t, a, "two") || second.sent > 2*mib {
			t.Errorf("the copy is different, or %d bytes were passed on", second.sent)
		}
		for _, name := range []string{"live", "one", "two"} {
			must(t, a.Delete(t.Context(), name))
		}
	}
}
