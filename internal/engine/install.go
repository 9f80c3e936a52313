package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// manifestFile stands in every complete engine, and in nothing else: it is written before the engine gets its name.
const manifestFile = "tine-engine.json"

// manifest says what an engine consists of.
type manifest struct {
	PostgreSQL  string    `json:"postgresql"` // as "18.6"
	DocumentDB  string    `json:"documentdb"` // as "1.0-0"
	InstalledAt time.Time `json:"installed_at"`
}

// Root is an installed engine: a root file system with PostgreSQL and DocumentDB. It is never written to again, and
// any number of nodes run on it.
type Root struct {
	dir      string
	manifest manifest
}

// Dir returns the absolute path of the root file system.
func (r *Root) Dir() string { return r.dir }

// Version returns the versions of PostgreSQL and DocumentDB as in "18.6-1.0-0".
func (r *Root) Version() string { return r.manifest.PostgreSQL + "-" + r.manifest.DocumentDB }

// Open returns the engine that was installed in dir. If there is none, the error says how to get one.
func Open(dir string) (*Root, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no engine in %s; run `tine engine install`: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	r := &Root{dir: dir}
	if err := json.Unmarshal(text, &r.manifest); err != nil {
		return nil, fmt.Errorf("open engine: read %s in %s: %w", manifestFile, dir, err)
	}
	return r, nil
}

// Install makes the engine in dir from Debian packages, which takes a minute and 500 MB, and tells progress in short
// lines. Nothing is installed on the machine itself. An engine that is there already is kept. The engine appears in
// dir at once and complete; until then it is in a directory dir.tmp-*, of which the next Install removes what a
// killed one has left. Installs into the same parent directory wait for each other.
func Install(ctx context.Context, dir string, progress func(string)) error {
	i := installer{command: "mmdebstrap", mirror: "http://deb.debian.org/debian", now: time.Now, progress: progress}
	return i.install(ctx, dir)
}

// installer is Install with what tests replace.
type installer struct {
	command  string // mmdebstrap
	mirror   string
	now      func() time.Time
	progress func(string)
}

func (i *installer) install(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("install engine: %w", err)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("install engine in %s: this needs root", dir)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("install engine: %w", err)
	}
	unlock, err := lockDir(ctx, filepath.Dir(dir))
	if err != nil {
		return fmt.Errorf("install engine: %w", err)
	}
	defer unlock()
	if err := i.installLocked(ctx, dir); err != nil {
		return fmt.Errorf("install engine in %s: %w", dir, err)
	}
	return nil
}

func (i *installer) installLocked(ctx context.Context, dir string) error {
	if err := removeLeftovers(dir); err != nil {
		return err
	}
	if r, err := Open(dir); err == nil {
		i.progress("the engine is installed: " + r.describe())
		return nil
	}
	// An empty directory may wait here for the engine; anything else is somebody's.
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("what is there is not an engine, move it away: %w", err)
	}
	draft, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".tmp-")
	if err != nil {
		return err
	}
	r, err := i.build(ctx, draft)
	if err != nil {
		return errors.Join(err, removeTree(draft))
	}
	if err := publish(draft, dir); err != nil {
		return err
	}
	i.progress("installed " + r.describe())
	return nil
}

func (r *Root) describe() string {
	return fmt.Sprintf("PostgreSQL %s with DocumentDB %s", r.manifest.PostgreSQL, r.manifest.DocumentDB)
}

// build makes a complete engine, manifest included, in draft.
func (i *installer) build(ctx context.Context, draft string) (*Root, error) {
	if err := i.bootstrap(ctx, draft); err != nil {
		return nil, err
	}
	if err := addNodeParts(draft); err != nil {
		return nil, err
	}
	m, err := packageVersions(filepath.Join(draft, "var/lib/dpkg/status"))
	if err != nil {
		return nil, err
	}
	m.InstalledAt = i.now().UTC().Truncate(time.Second)
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(draft, manifestFile), append(text, '\n'), 0o644); err != nil {
		return nil, err
	}
	return &Root{dir: draft, manifest: m}, nil
}

// addNodeParts adds the user that nodes run as, and the places where their volume and their socket are mounted.
func addNodeParts(root string) error {
	id := fmt.Sprint(UserID)
	for file, line := range map[string]string{
		"etc/passwd": "tine:x:" + id + ":" + id + ":Tine node:/data:/usr/sbin/nologin\n",
		"etc/group":  "tine:x:" + id + ":\n",
	} {
		if err := appendTo(filepath.Join(root, file), line); err != nil {
			return err
		}
	}
	for _, dir := range []string{"data", "run/tine"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func appendTo(path, line string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

// packageVersions reads the upstream versions of the engine's packages from dpkg's database.
func packageVersions(status string) (manifest, error) {
	text, err := os.ReadFile(status)
	if err != nil {
		return manifest{}, err
	}
	versions := map[string]string{}
	name := ""
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Package":
			name = value
		case "Version":
			versions[name] = upstream(value)
		}
	}
	m := manifest{PostgreSQL: versions["postgresql-18"], DocumentDB: versions["postgresql-18-documentdb"]}
	if m.PostgreSQL == "" || m.DocumentDB == "" {
		return manifest{}, fmt.Errorf("the packages of PostgreSQL and DocumentDB are not in %s", status)
	}
	return m, nil
}

// upstream removes from a Debian version what Debian added: "1:18.6-3" is "18.6".
func upstream(version string) string {
	if _, after, ok := strings.Cut(version, ":"); ok {
		version = after
	}
	if i := strings.LastIndexByte(version, '-'); i >= 0 {
		version = version[:i]
	}
	return version
}

// publish gives a complete engine its name, after all of it is on disk.
func publish(draft, dir string) error {
	if err := os.Chmod(draft, 0o755); err != nil {
		return err
	}
	if err := syncFileSystem(draft); err != nil {
		return err
	}
	if err := os.Rename(draft, dir); err != nil {
		return err
	}
	return syncFileSystem(filepath.Dir(dir))
}

// syncFileSystem flushes the file system that dir is on: an engine has 20,000 files.
func syncFileSystem(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
