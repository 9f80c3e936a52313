package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/xdg-go/scram"
	"golang.org/x/sys/unix"
)

const (
	idleConnections = 5000
	idlePlan        = "db-s-16vcpu-64gb" // may have more than that
	idleDialers     = 16
	idleWarmup      = 50 // connections before the first measurement
	idleFiles       = 4 * idleConnections
	// idleSettle is how long the connections have said nothing when they are measured; the garbage collector runs at least every two
	// minutes, and gives memory back for some time after that.
	idleSettle = 3 * time.Minute
)

// idle measures what connections that say nothing cost the gateway.
func (b *bench) idle(ctx context.Context) error {
	if err := allowFiles(idleFiles); err != nil {
		return err
	}
	t := table{
		title:  "Idle connections on one cluster",
		header: []string{"connections", "process before", "right after", "idle for " + idleSettle.String(), "cost of all", "of one", "aim for all"},
		notes: []string{
			"Resident memory of tine up, of which the gateway is a part. Each connection has said hello, logged in and found one document before it fell silent; " +
				strconv.Itoa(idleWarmup) + " others had come and gone before the first measurement. The kernel's buffers are not in it.",
		},
	}
	for _, secure := range []bool{false, true} {
		row, err := b.idleRow(ctx, secure)
		if err != nil {
			return err
		}
		t.rows = append(t.rows, row)
	}
	return t.write(b.out)
}

// allowFiles lets this process, and what it starts, have that many files open.
func allowFiles(most uint64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("ask for the limit of open files: %w", err)
	}
	if limit.Cur >= most {
		return nil
	}
	limit.Cur, limit.Max = most, max(limit.Max, most)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise the limit of open files to %d: %w", most, err)
	}
	return nil
}

// idleRow measures in a process that has done nothing else.
func (b *bench) idleRow(ctx context.Context, secure bool) (row []string, err error) {
	if err := b.restart(ctx, true); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.restart(context.WithoutCancel(ctx), false)) }()
	src, err := b.emptySourceOf(ctx, "idle", idlePlan)
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = src.client.Disconnect(ctx)
		err = errors.Join(err, b.tine.Remove(ctx, src.cluster.ID))
	}()
	dial, err := b.idleDial(src, secure)
	if err != nil {
		return nil, err
	}
	warm, err := connectMany(ctx, idleWarmup, dial)
	closeAll(warm)
	if err != nil {
		return nil, err
	}
	name := "plain text"
	if secure {
		name = "TLS"
	}
	before, err := residentMemory(b.tine.PID())
	if err != nil {
		return nil, err
	}
	b.progress("idle: connecting %d clients by %s", idleConnections, name)
	clients, err := connectMany(ctx, idleConnections, dial)
	defer closeAll(clients)
	if err != nil {
		return nil, err
	}
	after, settled, err := b.memoryOfIdle(ctx)
	if err != nil {
		return nil, err
	}
	cost := settled - before
	return []string{
		strconv.Itoa(len(clients)) + ", " + name, humanBytes(before), humanBytes(after), humanBytes(settled), humanBytes(cost),
		humanBytes(cost / int64(len(clients))), "< 100 MB",
	}, nil
}

// memoryOfIdle measures at once and when the connections have been idle for a while.
func (b *bench) memoryOfIdle(ctx context.Context) (now, later int64, err error) {
	if now, err = residentMemory(b.tine.PID()); err != nil {
		return 0, 0, err
	}
	b.progress("idle: waiting for %s", idleSettle)
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-time.After(idleSettle):
	}
	later, err = residentMemory(b.tine.PID())
	return now, later, err
}

// idleDial returns what connects to a cluster once.
func (b *bench) idleDial(src *source, secure bool) (func(context.Context) (*wireClient, error), error) {
	c := src.cluster.Connection
	user, err := scram.SHA256.NewClient(c.User, c.Password, "")
	if err != nil {
		return nil, fmt.Errorf("prepare the log-in: %w", err)
	}
	var trust *tls.Config
	if secure {
		ca, err := os.ReadFile(filepath.Join(b.tine.DataDir(), "ca.crt"))
		if err != nil {
			return nil, fmt.Errorf("read CA: %w", err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		trust = &tls.Config{RootCAs: roots, ServerName: c.Host, MinVersion: tls.VersionTLS12}
	}
	address := net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
	return func(ctx context.Context) (*wireClient, error) { return dialWire(ctx, address, trust, user) }, nil
}

// connectMany connects so many clients, some at a time. Also with an error it returns those that it has connected.
func connectMany(ctx context.Context, count int, dial func(context.Context) (*wireClient, error)) (clients []*wireClient, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var wg sync.WaitGroup
	tickets := make(chan struct{}, count)
	for range count {
		tickets <- struct{}{}
	}
	close(tickets)
	for range idleDialers {
		wg.Go(func() {
			for range tickets {
				c, err := dial(ctx)
				if err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				clients = append(clients, c)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return clients, context.Cause(ctx)
}

func closeAll(clients []*wireClient) {
	for _, c := range clients {
		_ = c.Close()
	}
}

// residentMemory is what a process has of the machine's memory.
func residentMemory(pid int) (int64, error) {
	path := "/proc/" + strconv.Itoa(pid) + "/status"
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("ask for the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			const unit = 1024
			return kib * unit, err
		}
	}
	return 0, fmt.Errorf("%s does not say", path)
}
