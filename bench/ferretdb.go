package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// ferretDB is a FerretDB on the engine of a cluster of Tine's.
type ferretDB struct {
	client  *mongo.Client
	process *exec.Cmd
	stdin   io.Closer // it ends with its input
}

// errNoFerretDB says why there is nothing to compare with.
var errNoFerretDB = errors.New("FerretDB cannot be built")

// buildFerretDB builds it from the module beside this package, which needs a checkout and, the first time, the Go module proxy.
func buildFerretDB(ctx context.Context, dir string) (string, error) {
	top, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "tine").Output()
	if err != nil {
		return "", fmt.Errorf("%w: not in a checkout of Tine: %w", errNoFerretDB, err)
	}
	binary := filepath.Join(dir, "ferretdb")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	cmd.Dir = filepath.Join(strings.TrimSpace(string(top)), "bench", "ferretdb")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %w: %s", errNoFerretDB, err, tail(string(out)))
	}
	return binary, nil
}

// startFerretDB runs it on the PostgreSQL whose socket is in a directory.
func startFerretDB(ctx context.Context, binary, dir, socketDir string) (*ferretDB, error) {
	state := filepath.Join(dir, "ferretdb-state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("start FerretDB: %w", err)
	}
	cmd := exec.CommandContext(ctx, binary, "-postgres", "postgres:///postgres?user=postgres&host="+socketDir, "-state", state)
	cmd.Env = append(os.Environ(), "DO_NOT_TRACK=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start FerretDB: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start FerretDB: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start FerretDB: %w", err)
	}
	f := &ferretDB{process: cmd, stdin: stdin}
	uri, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start FerretDB: %w", err), f.stop(ctx))
	}
	f.client, err = mongo.Connect(options.Client().ApplyURI(strings.TrimSpace(uri)))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to FerretDB: %w", err), f.stop(ctx))
	}
	return f, nil
}

func (f *ferretDB) stop(ctx context.Context) error {
	var err error
	if f.client != nil {
		err = f.client.Disconnect(ctx)
	}
	_ = f.stdin.Close()
	return errors.Join(err, f.process.Wait())
}
