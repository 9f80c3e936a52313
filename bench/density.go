package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sys/unix"

	"tine/e2e/harness"
)

const (
	densityActive = 20 // forks that are not suspended
	densityEnds   = 10 // forks at the beginning and at the end whose times are compared
	densityWakes  = 20
)

// density makes many forks of one source, of which most are suspended, and wakes some.
func (b *bench) density(ctx context.Context) error {
	src, err := b.quietSource(ctx, "dense", int64(b.opts.DensityMB)*megabyte)
	if err != nil {
		return err
	}
	defer func() { _ = src.client.Disconnect(context.WithoutCancel(ctx)) }()
	if err := b.settle(ctx, src); err != nil {
		return err
	}
	if err := b.waitForCleaner(ctx); err != nil {
		return err
	}
	before, err := b.footprint()
	if err != nil {
		return err
	}
	d, err := b.makeDense(ctx, src)
	if err != nil {
		return err
	}
	if err := b.waitForCleaner(ctx); err != nil {
		return err
	}
	after, err := b.footprint()
	if err != nil {
		return err
	}
	logged := len(b.tine.LogText())
	fresh, idle, err := b.wakeSome(ctx, d.asleep)
	if err != nil {
		return err
	}
	if err := b.densityTables(d, before, after, fresh, idle); err != nil {
		return err
	}
	if err := wakeBreakdown(b.tine.LogText()[logged:]).write(b.out); err != nil {
		return err
	}
	for _, c := range append(d.asleep, d.awake...) {
		if err := b.tine.Remove(ctx, c.ID); err != nil {
			return err
		}
	}
	return nil
}

// dense are the forks, and how long each took.
type dense struct {
	asleep, awake []*godo.Database
	samples       []sample
}

func (b *bench) makeDense(ctx context.Context, src *source) (d dense, err error) {
	for i := range b.opts.Density {
		first, last := i < densityEnds, b.opts.Density-i <= densityEnds
		if first || last {
			if err := b.awaitRest(ctx, len(d.awake)+1); err != nil {
				return d, err
			}
		}
		s, c, err := b.makeOnce(ctx, harness.ForkRequest(src.cluster.Name, b.newName("dense"), time.Time{}))
		if err != nil {
			return d, err
		}
		d.samples = append(d.samples, s)
		if !first && len(d.awake) < densityActive {
			d.awake = append(d.awake, c)
			continue
		}
		d.asleep = append(d.asleep, c)
		if err := b.tine.Suspend(ctx, c.ID); err != nil {
			return d, err
		}
		if (i+1)%densityActive == 0 {
			b.progress("density: %d of %d forks", i+1, b.opts.Density)
		}
	}
	return d, nil
}

// awaitRest waits until no more nodes of clusters run than that, and what the last one has left is on the disk: else the suspension of one fork goes on beside the making
// of the next.
func (b *bench) awaitRest(ctx context.Context, most int) error {
	if err := b.awaitNodes(ctx, most); err != nil {
		return err
	}
	pool, err := os.Open(b.tine.PoolDir())
	if err != nil {
		return fmt.Errorf("sync the pool: %w", err)
	}
	if err := errors.Join(unix.Syncfs(int(pool.Fd())), pool.Close()); err != nil {
		return fmt.Errorf("sync the pool: %w", err)
	}
	return nil
}

// awaitNodes waits until no more nodes of clusters run than that.
func (b *bench) awaitNodes(ctx context.Context, most int) error {
	for {
		running, err := b.tine.Nodes()
		if err != nil || running <= most {
			return err
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// wakeSome measures the wakes of suspended clusters: by a client that connects, and by one that has been connected all the time.
func (b *bench) wakeSome(ctx context.Context, asleep []*godo.Database) (fresh, idle []time.Duration, err error) {
	for i := range min(densityWakes, len(asleep)) {
		c := asleep[i]
		begin := time.Now()
		if err := find(ctx, c.Connection.URI); err != nil {
			return nil, nil, err
		}
		fresh = append(fresh, time.Since(begin))
		took, err := b.wakeConnected(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		idle = append(idle, took)
	}
	return fresh, idle, nil
}

func (b *bench) wakeConnected(ctx context.Context, c *godo.Database) (took time.Duration, err error) {
	client, err := mongo.Connect(options.Client().ApplyURI(c.Connection.URI))
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	if err := documents(client).FindOne(ctx, bson.D{}).Err(); err != nil {
		return 0, fmt.Errorf("find: %w", err)
	}
	if err := b.tine.Suspend(ctx, c.ID); err != nil {
		return 0, err
	}
	if err := wait(ctx, time.Second); err != nil { // the node is stopped after the row says so
		return 0, err
	}
	begin := time.Now()
	if err := documents(client).FindOne(ctx, bson.D{}).Err(); err != nil {
		return 0, fmt.Errorf("find: %w", err)
	}
	took = time.Since(begin)
	return took, b.tine.Suspend(ctx, c.ID)
}

// footprint is what a Tine takes of its machine.
type footprint struct {
	nodes     int
	nodeBytes int64 // proportional share of memory of all nodes' processes
	tineBytes int64 // of tine up
	poolBytes int64
}

func (b *bench) footprint() (f footprint, err error) {
	if f.poolBytes, err = b.poolUsed(); err != nil {
		return f, err
	}
	if f.tineBytes, err = proportional(b.tine.PID()); err != nil {
		return f, err
	}
	namespaces, err := b.namespaces()
	if err != nil {
		return f, err
	}
	f.nodes = len(namespaces)
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return f, fmt.Errorf("list processes: %w", err)
	}
	for _, dir := range processes {
		namespace, err := os.Readlink(filepath.Join(dir, "ns", "pid"))
		if err != nil || !namespaces[namespace] {
			continue // gone, or not of a node
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		bytes, err := proportional(pid)
		if err != nil {
			return f, err
		}
		f.nodeBytes += bytes
	}
	return f, nil
}

// namespaces are those of the nodes' processes, but for the control plane's own node.
func (b *bench) namespaces() (map[string]bool, error) {
	files, err := filepath.Glob(filepath.Join(b.tine.DataDir(), "sandbox", "containers", "*", "pid"))
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	all := map[string]bool{}
	for _, file := range files {
		if filepath.Base(filepath.Dir(file)) == "control" {
			continue
		}
		pid, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		if namespace, err := os.Readlink(filepath.Join("/proc", strings.TrimSpace(string(pid)), "ns", "pid")); err == nil {
			all[namespace] = true
		}
	}
	return all, nil
}

// proportional is a process's memory, with its share of what it has together with others; 0 if it has ended.
func proportional(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if errors.Is(err, fs.ErrNotExist) || len(b) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Pss:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, nil
}

func (b *bench) densityTables(d dense, before, after footprint, fresh, idle []time.Duration) error {
	ends := min(densityEnds, len(d.samples))
	times := found(d.samples)
	err := table{
		title:  fmt.Sprintf("Density: %d forks of a source of %s, %d of them active", len(times), humanBytes(int64(b.opts.DensityMB)*megabyte), len(d.awake)),
		header: timeHeader(),
		rows: [][]string{
			timeRow(fmt.Sprintf("fork, the first %d", ends), times[:ends], ""),
			timeRow(fmt.Sprintf("fork, the last %d", ends), times[len(times)-ends:], "as the first"),
			timeRow("wake: connect, log in, find", fresh, ""),
			timeRow("wake: find of a client that is connected", idle, "300 ms"),
		},
		notes: []string{"Before each of the first and the last forks the suspension of the one before is over, and what it has left is on the disk."},
	}.write(b.out)
	if err != nil {
		return err
	}
	err = errors.Join(breakdown("The first forks: where the time goes", d.samples[:ends]).write(b.out),
		breakdown("The last forks: where the time goes", d.samples[len(times)-ends:]).write(b.out))
	if err != nil {
		return err
	}
	return table{
		title:  "What they take",
		header: []string{"what", "before", "with them", "more"},
		rows: [][]string{
			{"nodes that run", strconv.Itoa(before.nodes), strconv.Itoa(after.nodes), strconv.Itoa(after.nodes - before.nodes)},
			bytesRow("memory of the nodes", before.nodeBytes, after.nodeBytes),
			bytesRow("memory of tine up", before.tineBytes, after.tineBytes),
			bytesRow("used in the pool", before.poolBytes, after.poolBytes),
		},
		notes: []string{"Memory is the proportional share (PSS) of all processes. The source's own node is in all columns, the control plane's in none."},
	}.write(b.out)
}

// wakeBreakdown says where the time of the wakes in a log went, in medians. What follows "gateway" nobody waits for.
func wakeBreakdown(log string) table {
	line := regexp.MustCompile(`msg="step done".* operation=wake step=(\S+) duration=(\S+)`)
	byStep, order := map[string][]time.Duration{}, []string{}
	for _, match := range line.FindAllStringSubmatch(log, -1) {
		taken, err := time.ParseDuration(match[2])
		if err != nil {
			continue
		}
		if byStep[match[1]] == nil {
			order = append(order, match[1])
		}
		byStep[match[1]] = append(byStep[match[1]], taken)
	}
	t := table{title: "Wake: where the time goes", header: []string{"part", "p50", "p95"}}
	for _, name := range order {
		t.rows = append(t.rows, []string{"host: " + name, human(quantile(byStep[name], median)), human(quantile(byStep[name], high))})
	}
	return t
}

func bytesRow(what string, before, after int64) []string {
	return []string{what, humanBytes(before), humanBytes(after), humanBytes(after - before)}
}
