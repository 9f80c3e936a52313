package engine

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/internal/sandbox"
	"tine/internal/storage"
)

//go:embed golden.sql
var goldenSQL string

//go:embed postgresql.conf
var postgresqlConf []byte

//go:embed pg_hba.conf
var pgHBAConf []byte

//go:embed pg_ident.conf
var pgIdentConf []byte

const (
	// draftVolume and draftNode are where the golden volume is made. There is one of each per pool and Runtime, so
	// that the next build removes what a killed one has left.
	draftVolume = "golden-draft"
	draftNode   = "golden-draft"

	// stateShutDown is the control file's word for a server that ended in order.
	stateShutDown = 1

	// goldenPatience is how long the new server may take to stop, which it does in less than a second.
	goldenPatience = time.Minute
)

// GoldenVolume returns the name of the golden volume that BuildGolden makes: another engine or another
// configuration has another one.
func (r *Root) GoldenVolume() string {
	h := sha256.New()
	parts := [][]byte{[]byte(goldenSQL), postgresqlConf, pgHBAConf, pgIdentConf}
	all, _ := migrations(schemaFiles) // what is wrong with the files is BuildGolden's to say
	for _, m := range all {
		parts = append(parts, []byte(m.sql))
	}
	for _, part := range parts {
		h.Write(part)
		h.Write([]byte{0})
	}
	return "golden/" + r.Version() + "-" + hex.EncodeToString(h.Sum(nil))[:8]
}

// BuildGolden makes the golden volume, of which every new cluster is a clone, unless the pool has it already, and
// returns its name. It is a read-only snapshot of a volume on which initdb, our configuration, golden.sql and the
// migrations were applied and which was shut down in order; it appears as the last step, complete and durable.
//
// workDir holds the sockets and the log of the server meanwhile, and is left without them. Builds with the same
// workDir wait for each other; two builds in one pool must not use different ones.
func (r *Root) BuildGolden(
	ctx context.Context, pool *storage.Pool, rt *sandbox.Runtime, workDir string,
) (volume string, err error) {
	name := r.GoldenVolume()
	if err := r.buildGolden(ctx, pool, rt, workDir, name); err != nil {
		return "", fmt.Errorf("build golden volume %s: %w", name, err)
	}
	return name, nil
}

func (r *Root) buildGolden(
	ctx context.Context, pool *storage.Pool, rt *sandbox.Runtime, workDir, name string,
) (err error) {
	if err := os.MkdirAll(workDir, 0o700); err != nil {
		return err
	}
	unlock, err := lockDir(ctx, workDir)
	if err != nil {
		return err
	}
	defer unlock()
	if ok, err := pool.Exists(name); ok || err != nil {
		return err
	}
	b := &goldenBuild{root: r, pool: pool, runtime: rt, dir: filepath.Join(workDir, draftNode)}
	if b.migrations, err = migrations(schemaFiles); err != nil {
		return err
	}
	if err := b.clean(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.clean(context.WithoutCancel(ctx))) }()
	if err := b.fill(ctx); err != nil {
		return fmt.Errorf("%w; the server said: %s", err, b.lastLog())
	}
	return pool.Snapshot(ctx, draftVolume, name)
}

// goldenBuild is one attempt at a golden volume.
type goldenBuild struct {
	root    *Root
	pool    *storage.Pool
	runtime *sandbox.Runtime
	dir     string

	migrations []migration
}

func (b *goldenBuild) volume() string  { return b.pool.VolumePath(draftVolume) }
func (b *goldenBuild) pgData() string  { return filepath.Join(b.volume(), dirData) }
func (b *goldenBuild) logPath() string { return filepath.Join(b.dir, "log") }

// clean removes whatever this or an earlier build has left.
func (b *goldenBuild) clean(ctx context.Context) error {
	if err := b.runtime.Remove(ctx, draftNode); err != nil {
		return err
	}
	if err := b.pool.Delete(ctx, draftVolume); err != nil {
		return err
	}
	return os.RemoveAll(b.dir)
}

// fill makes the draft volume into what a new cluster starts from.
func (b *goldenBuild) fill(ctx context.Context) error {
	if err := b.makePlaces(ctx); err != nil {
		return err
	}
	if err := b.initDB(ctx); err != nil {
		return err
	}
	if err := b.configure(); err != nil {
		return err
	}
	if err := b.runSQL(ctx); err != nil {
		return err
	}
	return b.tidy()
}

func (b *goldenBuild) makePlaces(ctx context.Context) error {
	if err := b.pool.Create(ctx, draftVolume); err != nil {
		return err
	}
	if err := own(b.volume(), 0o700); err != nil {
		return err
	}
	return os.MkdirAll(b.dir, 0o700)
}

// own gives a file or directory to the node's user.
func own(path string, mode fs.FileMode) error {
	if err := os.Chown(path, UserID, UserID); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// initDB runs initdb without flushing: the snapshot at the end does that. It runs in the same container as nodes do,
// under a shell that leaves a mark if it succeeded.
func (b *goldenBuild) initDB(ctx context.Context) error {
	const script = binDir + "/initdb -D /data/" + dirData + " -U postgres --locale-provider=builtin --builtin-locale=C.UTF-8" +
		" --locale=C -E UTF8 -k --auth=peer --no-sync --no-instructions && touch /data/initdb.done"
	err := b.runtime.Run(ctx, sandbox.Spec{
		ID: draftNode, Root: b.root.Dir(), Mounts: []sandbox.Mount{{Source: b.volume(), Target: "/data"}},
		Args: []string{"/bin/sh", "-c", script}, Env: []string{"TZ=UTC"}, UID: UserID, GID: UserID, LogPath: b.logPath(),
	})
	if err != nil {
		return err
	}
	if err := b.runtime.Wait(ctx, draftNode); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(b.volume(), "initdb.done")); err != nil {
		return fmt.Errorf("initdb failed: %w", err)
	}
	return nil
}

// configure replaces what initdb chose by what all nodes have, and makes the directories next to PGDATA.
func (b *goldenBuild) configure() error {
	for file, text := range configuration() {
		path := filepath.Join(b.pgData(), file)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
		if err := own(path, 0o600); err != nil {
			return err
		}
	}
	for _, dir := range []string{ArchiveDir(b.volume()), RestoreDir(b.volume())} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := own(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// runSQL starts the server, runs golden.sql and the migrations, and shuts the server down in order.
func (b *goldenBuild) runSQL(ctx context.Context) error {
	node := NewNode(NodeConfig{
		ID: draftNode, Root: b.root, Runtime: b.runtime,
		Volume: b.volume(), SocketDir: filepath.Join(b.dir, "run"), LogPath: b.logPath(),
	})
	// Not safe, and need not be: a volume that was not shut down in order never becomes golden.
	conn, err := node.StartFresh(ctx, Recovery{})
	if err != nil {
		return err
	}
	if err := execute(ctx, node, conn, goldenSQL); err != nil {
		return err
	}
	if err := b.finishSQL(ctx, node); err != nil {
		return err
	}
	if err := node.Stop(ctx, goldenPatience); err != nil {
		return err
	}
	state, err := controlState(b.volume())
	if err == nil && state != stateShutDown {
		err = fmt.Errorf("the server was not shut down in order: its state is %d", state)
	}
	return err
}

// finishSQL brings the schema to its newest version and writes everything.
func (b *goldenBuild) finishSQL(ctx context.Context, node *Node) error {
	conn, err := node.Connect(ctx, RoleSuperuser)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := migrate(ctx, conn, b.migrations); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "CHECKPOINT")
	return err
}

// execute runs statements one by one, as superuser: extensions connect to the server themselves, and would not see
// what an uncommitted script has made. Since they connect as the user who logged in, whatever the session has become
// meanwhile, SET and RESET SESSION AUTHORIZATION are carried out by a login as that role.
// It closes conn.
func execute(ctx context.Context, node *Node, conn *pgx.Conn, script string) error {
	defer func() { _ = conn.Close(ctx) }() // whichever is the last
	for _, statement := range statements(script) {
		role, isLogin := sessionRole(statement)
		if isLogin {
			_ = conn.Close(ctx)
			next, err := node.Connect(ctx, role)
			if err != nil {
				return err
			}
			conn = next
			continue
		}
		if _, err := conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			first, _, _ := strings.Cut(statement, "\n")
			return fmt.Errorf("run %q: %w", first, err)
		}
	}
	return nil
}

// sessionRole returns the role that a statement makes the session's, if it is such a statement.
func sessionRole(statement string) (role string, ok bool) {
	statement = strings.TrimSuffix(statement, ";")
	if statement == "RESET SESSION AUTHORIZATION" {
		return RoleSuperuser, true
	}
	return strings.CutPrefix(statement, "SET SESSION AUTHORIZATION ")
}

// statements splits a script that follows two rules: a statement ends with a semicolon at the end of a line, unless
// that is between two $$; and a comment is a line of its own.
func statements(script string) []string {
	var list []string
	var current strings.Builder
	quoted := false
	for line := range strings.Lines(script) {
		if trimmed := strings.TrimSpace(line); !quoted && (trimmed == "" || strings.HasPrefix(trimmed, "--")) {
			continue
		}
		quoted = quoted != (strings.Count(line, "$$")%2 == 1)
		current.WriteString(line)
		if !quoted && strings.HasSuffix(strings.TrimSpace(line), ";") {
			list = append(list, strings.TrimSpace(current.String()))
			current.Reset()
		}
	}
	if rest := strings.TrimSpace(current.String()); rest != "" {
		list = append(list, rest)
	}
	return list
}

// tidy removes what belongs to the server that was, not to its copies: the WAL it archived, its settings, its files.
func (b *goldenBuild) tidy() error {
	if err := emptyDir(ArchiveDir(b.volume())); err != nil {
		return err
	}
	for _, file := range []string{
		filepath.Join(b.volume(), fileConf), filepath.Join(b.pgData(), "postmaster.pid"), filepath.Join(b.pgData(), "postmaster.opts"),
	} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// lastLog returns the last lines of the server's log.
func (b *goldenBuild) lastLog() string {
	const enough = 5
	text, err := os.ReadFile(b.logPath())
	if err != nil || len(text) == 0 {
		return "nothing"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-enough):], " | ")
}

// binDir is where Debian's PostgreSQL is in the engine.
const binDir = "/usr/lib/postgresql/18/bin"
