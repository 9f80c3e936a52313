// Package harness runs a whole Tine, the binary that users run, on real parts: for the end-to-end tests and for the
// benchmarks. It knows Tine only from outside: its command line, its API and its clusters.
//
// A Tine has a data directory, ports and a pool of its own, so that several can run on a machine. Destroy leaves nothing of
// it, also after a crash; callers must always call it.
package harness

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/oauth2"
)

// Tine is an instance of Tine, which may be running or not.
type Tine struct {
	Binary    string
	EngineDir string
	Dir       string // data directory and everything else
	Listen    string
	Ports     string

	Quiet bool // starts it without its debug log

	transport func(http.RoundTripper) http.RoundTripper

	settings string // what the configuration file has for all of an instance's starts

	API *godo.Client // while it runs
	URL string       // of the API, while it runs
	Log *bytes.Buffer

	mu      sync.Mutex
	process *exec.Cmd
	exited  chan error
}

// Options are what callers may want different.
type Options struct {
	ImageGiB  int // of the pool; 0 means 20, of which only what is written is occupied
	ReplayMiB int // replay budget; 0 means Tine's default
	Clusters  int // how many there may be at a time; 0 means 100

	Pool map[string]string // more of what the configuration file says of the pool

	Binary    string // the tine to run; empty builds it, or takes TINE_BINARY
	EngineDir string // empty means that of EngineDir
	Config    string // more of the configuration file; see Configure

	// Transport wraps the transport of API, such as contract.Wrap; nil leaves it as it is.
	Transport func(http.RoundTripper) http.RoundTripper
	Parent    string // where the instance's directory is made; empty means the one for temporary files
}

// New prepares an instance; nothing runs yet.
func New(opts Options) (*Tine, error) {
	if err := opts.applyDefaults(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(opts.Parent, "tine-e2e-")
	if err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	t := &Tine{Binary: opts.Binary, EngineDir: opts.EngineDir, Dir: dir, Log: new(bytes.Buffer), transport: opts.Transport}
	if t.Listen, t.Ports, err = freePorts(opts.Clusters); err != nil {
		return nil, err
	}
	t.settings = fmt.Sprintf("history:\n  replay_mib: %d\npool:\n  image_gib: %d\n", opts.ReplayMiB, opts.ImageGiB)
	for name, value := range opts.Pool {
		t.settings += "  " + name + ": " + value + "\n"
	}
	return t, t.Configure(opts.Config)
}

// Configure sets, for the next start, what the configuration file has beside the pool and the history, in YAML.
func (t *Tine) Configure(more string) error {
	if err := os.WriteFile(t.config(), []byte(t.settings+more), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// Reconfigure is Configure for settings that take the place of the pool's and the history's; empty means those again.
func (t *Tine) Reconfigure(settings string) error {
	if settings == "" {
		return t.Configure("")
	}
	if err := os.WriteFile(t.config(), []byte(settings), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

func (o *Options) applyDefaults() (err error) {
	if o.Clusters == 0 {
		o.Clusters = 100
	}
	if o.ImageGiB == 0 {
		o.ImageGiB = 20
	}
	if o.Transport == nil {
		o.Transport = func(base http.RoundTripper) http.RoundTripper { return base }
	}
	if o.EngineDir == "" {
		o.EngineDir = EngineDir()
	}
	if o.Binary == "" {
		o.Binary, err = build()
	}
	return err
}

// EngineDir is where the engine is installed: TINE_ENGINE_DIR, or Tine's default.
func EngineDir() string {
	if dir := os.Getenv("TINE_ENGINE_DIR"); dir != "" {
		return dir
	}
	return "/var/lib/tine/engine"
}

func (t *Tine) config() string  { return filepath.Join(t.Dir, "config.yaml") }
func (t *Tine) dataDir() string { return filepath.Join(t.Dir, "data") }

// DataDir is the instance's data directory.
func (t *Tine) DataDir() string { return t.dataDir() }

// PoolDir is where the instance's pool is mounted while it runs.
func (t *Tine) PoolDir() string { return filepath.Join(t.dataDir(), "pool") }

// build builds the binary once a process, with the race detector if this process has it.
var build = sync.OnceValues(func() (string, error) {
	if binary := os.Getenv("TINE_BINARY"); binary != "" {
		return binary, nil
	}
	top, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "tine").Output()
	if err != nil {
		return "", fmt.Errorf("find module: %w", err)
	}
	binary := built()
	cmd := exec.Command("go", append(append([]string{"build"}, raceFlags()...), "-o", binary, "./cmd/tine")...)
	cmd.Dir = strings.TrimSpace(string(top))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tine: %w\n%s", err, out)
	}
	return binary, nil
})

// built is where build puts the binary of this process.
func built() string { return filepath.Join(os.TempDir(), fmt.Sprintf("tine-e2e-%d", os.Getpid())) }

// freePorts picks an address for the API and a range of ports for clusters that nobody uses now.
func freePorts(count int) (listen, ports string, err error) {
	var lc net.ListenConfig
	for first := 20000 + os.Getpid()%200*50; first < 60000; first += count + 1 {
		free := true
		for _, port := range []int{first, first + 1, first + count/2, first + count} {
			ln, err := lc.Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				free = false
				break
			}
			_ = ln.Close()
		}
		if free && claim(first) {
			return fmt.Sprintf("127.0.0.1:%d", first), fmt.Sprintf("%d-%d", first+1, first+count), nil
		}
	}
	return "", "", errors.New("no free ports")
}

var claimed sync.Map

// claim keeps two instances of this process apart.
func claim(port int) bool {
	_, taken := claimed.LoadOrStore(port, true)
	return !taken
}

// startPatience covers the making of the golden volume on a busy machine.
const startPatience = 2 * time.Minute

// Start runs tine up and returns when it serves. Environment variables may be added, such as TINE_FAILPOINT=fork/volume.
func (t *Tine) Start(ctx context.Context, env ...string) error {
	//nolint:noctx // it is to outlive the caller's context, as a service does
	cmd := exec.Command(t.Binary, "up", "--data-dir", t.dataDir(), "--engine-dir", t.EngineDir, "--listen", t.Listen,
		"--gateway-ports", t.Ports, "--config", t.config(), fmt.Sprintf("--debug=%t", !t.Quiet))
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start tine: %w", err)
	}
	cmd.Stderr = &lockedWriter{mu: &t.mu, w: t.Log}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start tine: %w", err)
	}
	exited := make(chan error, 1)
	ready := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		ready <- line
		_, _ = io.Copy(io.Discard, out)
		exited <- cmd.Wait()
	}()
	t.process, t.exited = cmd, exited
	select {
	case line := <-ready:
		if !strings.HasPrefix(line, "ready ") {
			t.process = nil
			return fmt.Errorf("tine did not start: %w\n%s", <-exited, t.LogText())
		}
		return t.connectAPI(strings.HasPrefix(line, "ready api=https:"))
	case <-time.After(startPatience):
		return fmt.Errorf("tine was not ready after %s\n%s", startPatience, t.LogText())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connectAPI makes the client; one that is secure trusts Tine's own CA.
func (t *Tine) connectAPI(secure bool) error {
	token, err := os.ReadFile(filepath.Join(t.dataDir(), "admin-token"))
	if err != nil {
		return fmt.Errorf("read token: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:errcheck // the library says so
	t.URL = "http://" + t.Listen
	if secure {
		t.URL = "https://" + t.Listen
		ca, err := os.ReadFile(filepath.Join(t.dataDir(), "ca.crt"))
		if err != nil {
			return fmt.Errorf("read CA: %w", err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	authorized := &oauth2.Transport{
		Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: strings.TrimSpace(string(token))}), Base: t.transport(transport),
	}
	t.API, err = godo.New(&http.Client{Transport: authorized}, godo.SetBaseURL(t.URL+"/"))
	if err != nil {
		return fmt.Errorf("make API client: %w", err)
	}
	return nil
}

// PID is the process of tine up while it runs.
func (t *Tine) PID() int { return t.process.Process.Pid }

// LogText is what tine up has logged so far.
func (t *Tine) LogText() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Log.String()
}

// Exited returns how tine up ended, when it has.
func (t *Tine) Exited(ctx context.Context) error {
	select {
	case err := <-t.exited:
		t.process = nil
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill ends tine up as kill -9 does; nodes live on.
func (t *Tine) Kill(ctx context.Context) error {
	if t.process == nil {
		return nil
	}
	_ = t.process.Process.Kill()
	if err := t.Exited(ctx); ctx.Err() != nil {
		return err
	}
	return nil
}

// Stop ends tine up with SIGTERM; nodes live on.
func (t *Tine) Stop(ctx context.Context) error {
	if t.process == nil {
		return nil
	}
	_ = t.process.Process.Signal(syscall.SIGTERM)
	if err := t.Exited(ctx); err != nil {
		return fmt.Errorf("stop tine: %w\n%s", err, t.LogText())
	}
	return nil
}

// Destroy ends everything and removes it: it starts Tine once more to have it stop its nodes and unmount its pool, as an
// operator would. It fails if anything is left, or if the race detector has found anything.
func (t *Tine) Destroy(ctx context.Context) error {
	if err := t.Kill(ctx); err != nil {
		return err
	}
	if _, err := os.Stat(t.dataDir()); err == nil {
		if err := t.Start(ctx, "TINE_STOP_NODES=true"); err != nil {
			return err
		}
		if err := t.Stop(ctx); err != nil {
			return err
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return fmt.Errorf("look for mounts: %w", err)
	}
	if bytes.Contains(mounts, []byte(t.Dir)) {
		return fmt.Errorf("something is still mounted below %s", t.Dir)
	}
	if _, race, found := strings.Cut(t.LogText(), "WARNING: DATA RACE"); found {
		return errors.Join(fmt.Errorf("data race in tine up: %s", race[:min(len(race), longestRace)]), os.RemoveAll(t.Dir))
	}
	return os.RemoveAll(t.Dir)
}

// longestRace is enough of a report to see who raced with whom.
const longestRace = 8 << 10

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// CreateRequest is a request for a small cluster.
func CreateRequest(name string) *godo.DatabaseCreateRequest {
	return &godo.DatabaseCreateRequest{
		Name: name, EngineSlug: "mongodb", Version: "8", NumNodes: 1, SizeSlug: "db-s-1vcpu-1gb", Region: "nyc1",
	}
}

// ForkRequest is a request for a fork of the cluster named source, at a moment or, if at is zero, at the latest.
func ForkRequest(source, name string, at time.Time) *godo.DatabaseCreateRequest {
	r := CreateRequest(name)
	r.BackupRestore = &godo.DatabaseBackupRestore{DatabaseName: source}
	if !at.IsZero() {
		r.BackupRestore.BackupCreatedAt = at.UTC().Format(time.RFC3339Nano)
	}
	return r
}

// Make asks for a cluster and returns it, with the connection of the answer to the request, when it is online.
func (t *Tine) Make(ctx context.Context, r *godo.DatabaseCreateRequest) (*godo.Database, error) {
	made, _, err := t.API.Databases.Create(ctx, r)
	if err != nil {
		return nil, err
	}
	return made, t.WaitOnline(ctx, made.ID)
}

// pause between two looks at something that takes about 100 ms.
const pause = 3 * time.Millisecond

// WaitOnline returns when a cluster is online; an error says why it never will be.
func (t *Tine) WaitOnline(ctx context.Context, id string) error {
	for {
		c, _, err := t.API.Databases.Get(ctx, id)
		if err != nil {
			return err
		}
		switch c.Status {
		case "online":
			return nil
		case "creating", "forking", "resizing", "migrating", "restoring", "swapping":
		default:
			return fmt.Errorf("cluster %s is %s", c.Name, c.Status)
		}
		if err := sleep(ctx); err != nil {
			return fmt.Errorf("wait for cluster %s: %w", c.Name, err)
		}
	}
}

// WaitGone returns when nothing is left of a cluster that is being destroyed. It is no longer found from the request on; its events
// tell when the work is done.
func (t *Tine) WaitGone(ctx context.Context, id string) error {
	return t.WaitEvents(ctx, id, "cluster_destroyed", 1)
}

// WaitEvents returns when a cluster's events tell of something that often.
func (t *Tine) WaitEvents(ctx context.Context, id, kind string, want int) error {
	for {
		count, err := t.count(ctx, id, kind)
		if err != nil || count >= want {
			return err
		}
		if err := sleep(ctx); err != nil {
			return fmt.Errorf("wait for event %s of cluster %s: %w", kind, id, err)
		}
	}
}

// NodePID is the first process of the instance's only node.
func (t *Tine) NodePID() (int, error) {
	pids, err := filepath.Glob(filepath.Join(t.dataDir(), "sandbox", "containers", "*", "pid"))
	if err != nil {
		return 0, err
	}
	pids = slices.DeleteFunc(pids, func(path string) bool { return filepath.Base(filepath.Dir(path)) == "control" })
	if len(pids) != 1 {
		return 0, fmt.Errorf("nodes %v are running, want one", pids)
	}
	b, err := os.ReadFile(pids[0])
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// Remove destroys a cluster and returns when it is gone.
func (t *Tine) Remove(ctx context.Context, id string) error {
	if _, err := t.API.Databases.Delete(ctx, id); err != nil {
		return err
	}
	return t.WaitGone(ctx, id)
}

func sleep(ctx context.Context) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Connect connects to a cluster with the official driver and makes sure that it answers.
func Connect(ctx context.Context, uri string) (*mongo.Client, error) {
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if err := client.Database("admin").RunCommand(ctx, bson.D{{Key: "ping", Value: 1}}).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("ping: %w", err), client.Disconnect(ctx))
	}
	return client, nil
}
