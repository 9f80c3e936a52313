package storage

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// driver is what the layers above rely on. Whatever else keeps volumes one day must pass testContract as well.
type driver interface {
	Path() string
	VolumePath(name string) string
	Create(ctx context.Context, name string) error
	Snapshot(ctx context.Context, src, dst string) error
	Clone(ctx context.Context, src, dst string) error
	Delete(ctx context.Context, name string) error
	Exists(name string) (bool, error)
	List(dir string) ([]string, error)
	Usage(ctx context.Context, name string) (Usage, error)
	Space() (Space, error)
	Sync(ctx context.Context) error
}

var _ driver = (*Pool)(nil)

// contract is what each clause of it is given.
type contract struct {
	t *testing.T
	d driver
}

func testContract(t *testing.T, open func(t *testing.T) driver) {
	t.Helper()
	for name, test := range map[string]func(contract){
		"create makes an empty directory and its parents":          contractCreate,
		"a name that exists is refused and kept":                   contractExisting,
		"a missing source is refused and leaves nothing":           contractMissingSource,
		"names that lead out of the pool are refused":              contractNames,
		"a snapshot keeps the moment and cannot be written":        contractSnapshot,
		"a clone and its source do not see each other's writes":    contractClone,
		"a clone outlives its source":                              contractOutlives,
		"a snapshot holds what was written and not flushed":        contractUnflushed,
		"delete removes volumes of both kinds and may be repeated": contractDelete,
		"delete refuses what is not a volume":                      contractDeletePlain,
		"list names the volumes of one directory":                  contractList,
		"usage tells shared from exclusive":                        contractUsage,
		"usage counts a file of two names once":                    contractUsageHardLink,
		"space adds up":                                            contractSpace,
		"a context that has ended makes nothing":                   contractContext,
		"snapshots at once from many callers are all complete":     contractConcurrent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(contract{t, open(t)})
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func wantExists(t *testing.T, d driver, name string, want bool) {
	t.Helper()
	got, err := d.Exists(name)
	must(t, err)
	if got != want {
		t.Fatalf("Exists(%s) = %v, want %v", name, got, want)
	}
}

func write(t *testing.T, d driver, volume, file, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(d.VolumePath(volume), file), []byte(text), 0o600))
}

func wantFile(t *testing.T, d driver, volume, file, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(d.VolumePath(volume), file))
	must(t, err)
	if string(got) != want {
		t.Fatalf("%s/%s holds %q, want %q", volume, file, got, want)
	}
}

func contractCreate(c contract) {
	t, d := c.t, c.d
	wantExists(t, d, "a/b/c", false)
	must(t, d.Create(t.Context(), "a/b/c"))
	wantExists(t, d, "a/b/c", true)
	wantExists(t, d, "a/b", false)
	entries, err := os.ReadDir(d.VolumePath("a/b/c"))
	must(t, err)
	if len(entries) != 0 {
		t.Fatalf("a new volume holds %v", entries)
	}
}

func contractExisting(c contract) {
	t, d := c.t, c.d
	must(t, d.Create(t.Context(), "v"))
	must(t, d.Create(t.Context(), "w"))
	write(t, d, "v", "f", "kept")
	wantIs(t, d.Create(t.Context(), "v"), fs.ErrExist)
	wantIs(t, d.Snapshot(t.Context(), "w", "v"), fs.ErrExist)
	wantIs(t, d.Clone(t.Context(), "w", "v"), fs.ErrExist)
	wantFile(t, d, "v", "f", "kept")
}

func contractMissingSource(c contract) {
	t, d := c.t, c.d
	wantIs(t, d.Snapshot(t.Context(), "none", "s"), fs.ErrNotExist)
	wantIs(t, d.Clone(t.Context(), "none", "s"), fs.ErrNotExist)
	wantExists(t, d, "s", false)
	must(t, os.Mkdir(d.VolumePath("plain"), 0o700))
	if err := d.Snapshot(t.Context(), "plain", "s"); err == nil {
		t.Fatal("a plain directory was snapshotted")
	}
	wantExists(t, d, "s", false)
}

func contractNames(c contract) {
	t, d := c.t, c.d
	must(t, d.Create(t.Context(), "v"))
	for _, name := range []string{"", ".", "..", "../x", "/x", "a/../../x", "a//b", "a/"} {
		if d.Create(t.Context(), name) == nil || d.Snapshot(t.Context(), "v", name) == nil ||
			d.Snapshot(t.Context(), name, "s") == nil || d.Delete(t.Context(), name) == nil {
			t.Errorf("the name %q was accepted", name)
		}
		if _, err := d.Exists(name); err == nil {
			t.Errorf("the name %q was looked for", name)
		}
		if rel, err := filepath.Rel(d.Path(), d.VolumePath(name)); err != nil || !filepath.IsLocal(rel) {
			t.Errorf("VolumePath(%q) = %s leads out of the pool", name, d.VolumePath(name))
		}
	}
}

func contractSnapshot(c contract) {
	t, d := c.t, c.d
	must(t, d.Create(t.Context(), "v"))
	write(t, d, "v", "f", "before")
	must(t, d.Snapshot(t.Context(), "v", "points/1"))
	write(t, d, "v", "f", "after")
	wantFile(t, d, "points/1", "f", "before")
	err := os.WriteFile(filepath.Join(d.VolumePath("points/1"), "g"), nil, 0o600)
	if err == nil {
		t.Fatal("a snapshot was written to")
	}
}

func contractClone(c contract) {
	t, d := c.t, c.d
	must(t, d.Create(t.Context(), "v"))
	write(t, d, "v", "f", "one")
	must(t, d.Snapshot(t.Context(), "v", "s"))
	for _, src := range []string{"v", "s"} {
		must(t, d.Clone(t.Context(), src, "c-"+src))
		write(t, d, "c-"+src, "f", "two")
		wantFile(t, d, src, "f", "one")
	}
	write(t, d, "v", "f", "three")
	wantFile(t, d, "c-v", "f", "two")
}

func contractOutlives(c contract) {
	t, d := c.t, c.d
	must(t, d.Create(t.Context(), "v"))
	write(t, d, "v", "f", "text")
	must(t, d.Snapshot(t.Context(), "v", "s"))
	must(t, d.Clone(t.Context(), "s", "c"))
	must(t, d.Delete(t.Context(), "v"))
	must(t, d.Delete(t.Context(), "s"))
	wantFile(t, d, "c", "f", "text")
}

func contractUnflushed(c contract) {
	t, d := c.t, c.d
	must(t, d.Create(t.Context(), "v"))
	text := string(bytes.Repeat([]byte("x"), 5<<20))
	write(t, d, "v", "f", text)
	must(t, d.Snapshot(t.Context(), "v", "s"))
	wantFile(t, d, "s", "f", text)
}

func contractDelete(c contract) {
	t, d := c.t, c.d
	must(t, d.Create(t.Context(), "a/v"))
	write(t, d, "a/v", "f", "text")
	must(t, d.Snapshot(t.Context(), "a/v", "a/s"))
	for _, name := range []string{"a/v", "a/s"} {
		must(t, d.Delete(t.Context(), name))
		wantExists(t, d, name, false)
		must(t, d.Delete(t.Context(), name))
	}
	must(t, d.Delete(t.Context(), "no/such/volume"))
	must(t, d.Create(t.Context(), "a/v"))
}

func contractDeletePlain(c contract) {
	t, d := c.t, c.d
	must(t, os.Mkdir(d.VolumePath("plain"), 0o700))
	must(t, os.WriteFile(d.VolumePath("file"), nil, 0o600))
	for _, name := range []string{"plain", "file"} {
		if d.Delete(t.Context(), name) == nil {
			t.Errorf("%s was deleted as a volume", name)
		}
		_, err := os.Stat(d.VolumePath(name))
		must(t, err)
	}
}

func contractList(c contract) {
	t, d := c.t, c.d
	for _, name := range []string{"x/b", "x/a", "x/y/c", "top"} {
		must(t, d.Create(t.Context(), name))
	}
	must(t, os.WriteFile(d.VolumePath("x/file"), nil, 0o600))
	must(t, os.Symlink("a", d.VolumePath("x/link")))
	for dir, want := range map[string][]string{"x": {"a", "b"}, "x/y": {"c"}, ".": {"top"}, "none": nil, "none/x": nil} {
		got, err := d.List(dir)
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("List(%s) = %v, want %v", dir, got, want)
		}
	}
	if _, err := d.List("../x"); err == nil {
		t.Error("a directory out of the pool was listed")
	}
}

func wantUsage(t *testing.T, d driver, name string, want Usage) {
	t.Helper()
	got, err := d.Usage(t.Context(), name)
	must(t, err)
	if got != want {
		t.Fatalf("usage of %s is %+v, want %+v", name, got, want)
	}
}

const mib = 1 << 20

func contractUsage(c contract) {
	t, d := c.t, c.d
	must(t, d.Create(t.Context(), "v"))
	write(t, d, "v", "a", string(bytes.Repeat([]byte("a"), 4*mib)))
	write(t, d, "v", "b", string(bytes.Repeat([]byte("b"), mib)))
	must(t, d.Sync(t.Context()))
	wantUsage(t, d, "v", Usage{Exclusive: 5 * mib})
	must(t, d.Clone(t.Context(), "v", "c"))
	wantUsage(t, d, "v", Usage{Shared: 5 * mib})
	write(t, d, "c", "b", string(bytes.Repeat([]byte("c"), 2*mib)))
	must(t, d.Sync(t.Context()))
	wantUsage(t, d, "c", Usage{Exclusive: 2 * mib, Shared: 4 * mib})
	wantUsage(t, d, "v", Usage{Exclusive: mib, Shared: 4 * mib})
	_, err := d.Usage(t.Context(), "none")
	wantIs(t, err, fs.ErrNotExist)
}

func contractUsageHardLink(c contract) {
	t, d := c.t, c.d
	must(t, d.Create(t.Context(), "v"))
	write(t, d, "v", "a", string(bytes.Repeat([]byte("a"), mib)))
	must(t, os.Link(filepath.Join(d.VolumePath("v"), "a"), filepath.Join(d.VolumePath("v"), "b")))
	must(t, d.Sync(t.Context()))
	wantUsage(t, d, "v", Usage{Exclusive: mib})
}

func contractSpace(c contract) {
	t, d := c.t, c.d
	s, err := d.Space()
	must(t, err)
	if s.Total <= 0 || s.Free <= 0 || s.Used < 0 || s.Used+s.Free > s.Total {
		t.Fatalf("space is %+v", s)
	}
}

func contractContext(c contract) {
	t, d := c.t, c.d
	must(t, d.Create(t.Context(), "v"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{
		d.Create(ctx, "x"), d.Snapshot(ctx, "v", "x"), d.Clone(ctx, "v", "x"), d.Delete(ctx, "v"), d.Sync(ctx),
	} {
		wantIs(t, err, context.Canceled)
	}
	wantExists(t, d, "x", false)
	wantExists(t, d, "v", true)
}

func contractConcurrent(c contract) {
	t, d := c.t, c.d
	must(t, d.Create(t.Context(), "v"))
	write(t, d, "v", "f", "text")
	names := []string{"s/0", "s/1", "s/2", "s/3", "s/4", "s/5", "s/6", "s/7"}
	errs := make([]error, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() { errs[i] = d.Snapshot(t.Context(), "v", name) })
	}
	group.Wait()
	must(t, errors.Join(errs...))
	for _, name := range names {
		wantFile(t, d, name, "f", "text")
	}
}
