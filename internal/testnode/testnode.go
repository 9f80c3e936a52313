// Package testnode gives tests of other packages a real node: PostgreSQL with DocumentDB, in the sandbox, on a volume
// of its own that is a clone of the golden volume.
//
// What is expensive is shared by all test processes of a machine: a pool and the golden volume in it live in one
// directory (TINE_TEST_DIR, by default tine-test in the directory for temporary files), where the first process makes
// them while the others wait. What belongs to one test is removed when the test ends. A process that was killed
// cannot do that: the next one removes what it left.
//
// The shared pool stays mounted between runs, which saves seconds; `make test` ends with Teardown, after which
// nothing is left. Teardown must not run while tests do. Only tests may import this package. It needs root, and the
// engine in TINE_ENGINE_DIR (by default /var/lib/tine/engine).
package testnode

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tine/internal/engine"
	"tine/internal/sandbox"
	"tine/internal/storage"
)

// poolSize is the size of the sparse image that all tests share.
const poolSize = 8 << 30

// volumes is the directory of the tests' volumes in the pool.
const volumes = "volumes"

// Node is a running node.
type Node struct {
	// SocketDir is where its socket is: see engine.Dialer.
	SocketDir string
	// VolumePath is the host's path of its volume.
	VolumePath string
}

// Shared is what the tests of a machine have in common. Who makes volumes or containers with it must give them names
// by Name and remove them.
type Shared struct {
	Root    *engine.Root
	Pool    *storage.Pool
	Runtime *sandbox.Runtime
	// Golden is the name of the golden volume.
	Golden string

	dir string
}

// Start starts a node, which accepts writes when Start returns. It runs with fsync off. It is removed with its volume
// when the test ends; if the test failed, its log is in the test's output.
func Start(tb testing.TB) *Node {
	tb.Helper()
	s := Open(tb)
	id := Name(tb)
	volume := volumes + "/" + id
	socketDir := filepath.Join(s.dir, "run", id)
	logPath := filepath.Join(s.dir, "run", id+".log")
	tb.Cleanup(func() { s.discard(tb, id, logPath) })
	if err := s.Pool.Clone(tb.Context(), s.Golden, volume); err != nil {
		tb.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(logPath), 0o700); err != nil {
		tb.Fatal(err)
	}
	node := engine.NewNode(engine.NodeConfig{
		ID: id, Root: s.Root, Runtime: s.Runtime, Volume: s.Pool.VolumePath(volume), SocketDir: socketDir, LogPath: logPath,
	})
	conn, err := node.StartFresh(tb.Context(), engine.Recovery{})
	if err != nil {
		tb.Fatal(err)
	}
	if err := conn.Close(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return &Node{SocketDir: socketDir, VolumePath: node.Volume()}
}

// discard removes what Start made.
func (s *Shared) discard(tb testing.TB, id, logPath string) {
	tb.Helper()
	if tb.Failed() {
		text, _ := os.ReadFile(logPath)
		tb.Logf("log of node %s:\n%s", id, text)
	}
	if err := s.remove(context.WithoutCancel(tb.Context()), id); err != nil {
		tb.Error(err)
	}
}

// remove removes a test's container, volume and files.
func (s *Shared) remove(ctx context.Context, id string) error {
	return errors.Join(
		s.Runtime.Remove(ctx, id),
		s.Pool.Delete(ctx, volumes+"/"+id),
		os.RemoveAll(filepath.Join(s.dir, "run", id)),
		os.RemoveAll(filepath.Join(s.dir, "run", id+".log")),
	)
}

// Name returns a name for a container or a volume that no other test has, and by which a later process can tell that
// its owner is gone.
func Name(tb testing.TB) string {
	tb.Helper()
	sum := sha256.Sum256([]byte(tb.TempDir())) // the one thing of a test that is unique within the machine
	return "t" + strconv.Itoa(os.Getpid()) + "-" + hex.EncodeToString(sum[:4])
}

// Open opens the shared pool with the golden volume in it, making both if they are missing.
func Open(tb testing.TB) *Shared {
	tb.Helper()
	s, err := open(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func open(ctx context.Context) (*Shared, error) {
	s := &Shared{dir: Dir()}
	var err error
	if s.Root, err = engine.Open(engineDir()); err != nil {
		return nil, fmt.Errorf("a test needs the engine, run `make engine` first: %w", err)
	}
	if s.Pool, err = storage.OpenPool(ctx, s.poolConfig()); err != nil {
		return nil, err
	}
	if s.Runtime, err = s.runtime(); err != nil {
		return nil, err
	}
	if err := s.sweep(ctx); err != nil {
		return nil, err
	}
	s.Golden, err = s.Root.BuildGolden(ctx, s.Pool, s.Runtime, filepath.Join(s.dir, "work"))
	return s, err
}

// Dir returns the directory that tests share.
func Dir() string {
	if dir := os.Getenv("TINE_TEST_DIR"); dir != "" {
		return dir
	}
	return filepath.Join(os.TempDir(), "tine-test")
}

func engineDir() string {
	if dir := os.Getenv("TINE_ENGINE_DIR"); dir != "" {
		return dir
	}
	return "/var/lib/tine/engine"
}

func (s *Shared) poolConfig() storage.PoolConfig {
	return storage.PoolConfig{
		Path: filepath.Join(s.dir, "pool"), Image: filepath.Join(s.dir, "pool.img"), ImageSize: poolSize,
	}
}

func (s *Shared) runtime() (*sandbox.Runtime, error) {
	sum := sha256.Sum256([]byte(s.dir))
	return sandbox.New(sandbox.Config{
		Dir: filepath.Join(s.dir, "sandbox"), CgroupParent: "tine-test-" + hex.EncodeToString(sum[:4]),
	})
}

// sweep removes what processes have left that are gone.
func (s *Shared) sweep(ctx context.Context) error {
	containers, err := s.Runtime.List(ctx)
	if err != nil {
		return err
	}
	names, err := s.Pool.List(volumes)
	if err != nil {
		return err
	}
	for _, c := range containers {
		names = append(names, c.ID)
	}
	for _, name := range names {
		if ownerIsGone(name) {
			if err := s.remove(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// ownerIsGone tells whether a name was given by a process that has ended.
func ownerIsGone(name string) bool {
	number, _, _ := strings.Cut(strings.TrimPrefix(name, "t"), "-")
	pid, err := strconv.Atoi(number)
	return err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

// Teardown removes everything that tests share: containers, volumes, the pool, the directory. It is nil if there is
// nothing.
func Teardown(ctx context.Context) error {
	s := &Shared{dir: Dir()}
	cfg := s.poolConfig()
	if _, err := os.Stat(cfg.Image); errors.Is(err, fs.ErrNotExist) {
		return s.removeFiles()
	}
	runtime, err := s.runtime()
	if err != nil {
		return err
	}
	containers, err := runtime.List(ctx)
	if err != nil {
		return err
	}
	for _, c := range containers {
		if err := runtime.Remove(ctx, c.ID); err != nil {
			return err
		}
	}
	// Opening it mounts it if it is not mounted, which costs little and spares telling the two cases apart.
	pool, err := storage.OpenPool(ctx, cfg)
	if err != nil {
		return err
	}
	if err := pool.Close(ctx); err != nil {
		return err
	}
	return s.removeFiles()
}

// removeFiles removes what this package makes, and nothing else: the directory is the user's choice.
func (s *Shared) removeFiles() error {
	cfg := s.poolConfig()
	// Not with what is in it: if it were still mounted, that would be everything.
	if err := os.Remove(cfg.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the tests' directory: %w", err)
	}
	for _, name := range []string{"pool.img", "pool.img.new", "sandbox", "work", "run"} {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			return fmt.Errorf("remove the tests' directory: %w", err)
		}
	}
	if err := os.Remove(s.dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("remove the tests' directory: %w", err)
	}
	return nil
}
