package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"github.com/jackc/pgx/v5"

	"tine/e2e/harness"
	"tine/internal/contract"
	"tine/internal/engine"
)

// concurrentRequests is how many requests arrive at the same moment.
const concurrentRequests = 200

// request is one of many that arrive together, and the statuses that it may be answered with: its own, or that it came too late.
type request struct {
	what    string
	allowed []int
	send    func(ctx context.Context) (*godo.Response, error)

	status int // of the answer
}

// crowd is what 200 requests at once are about: some clusters that each of them changes or forks, and names that several of them want.
type crowd struct {
	tine     *harness.Tine
	requests []*request

	tagged, guarded, growing *godo.Database   // whose tags and users, trusted sources, and storage are changed
	victims                  []*godo.Database // that are destroyed

	mu      sync.Mutex
	made    map[string][]*godo.Database // by name: what a request was told that it made
	storage uint64                      // the most that a resize was told that the cluster will have
}

// 200 creations, forks, changes, destructions and questions at once: no two clusters of a name, no update lost, none that was promised and not made,
// and in the end nothing left. `make race-api` runs it with the race detector in this process and in tine up.
func TestManyRequestsAtOnce(t *testing.T) { //nolint:paralleltest // it wants the machine for itself
	var pooled *http.Transport
	tine, err := harness.New(harness.Options{ImageGiB: 10, Transport: func(base http.RoundTripper) http.RoundTripper {
		pooled = base.(*http.Transport) //nolint:forcetypeassert,errcheck // the harness says so
		return contract.Wrap(base)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tine.Destroy(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	warmUp(t, tine) // what is made once and kept is no leak
	before := measureUse(t, tine, pooled)
	c := gather(t, tine)
	c.sendAll(t)
	c.check(t)
	c.destroyAll(t)
	wantClusters(t, tine, 0)
	wantNoRows(t, tine)
	wantFreePorts(t, tine)
	before.wantNoMore(t, tine, pooled)
}

// warmUp makes and destroys a cluster and a fork of it.
func warmUp(t *testing.T, tine *harness.Tine) {
	t.Helper()
	source, err := tine.Make(t.Context(), harness.CreateRequest("warm"))
	if err != nil {
		t.Fatal(err, lastLines(tine.LogText()))
	}
	fork, err := tine.Make(t.Context(), harness.ForkRequest("warm", "warm-fork", time.Time{}))
	if err != nil {
		t.Fatal(err, lastLines(tine.LogText()))
	}
	for _, c := range []*godo.Database{source, fork} {
		if err := tine.Remove(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// gather makes the clusters and the list of requests.
func gather(t *testing.T, tine *harness.Tine) *crowd {
	t.Helper()
	c := &crowd{tine: tine, made: map[string][]*godo.Database{}}
	for _, made := range []struct {
		name string
		to   func(*godo.Database)
	}{
		{"tagged", func(d *godo.Database) { c.tagged = d }},
		{"guarded", func(d *godo.Database) { c.guarded = d }},
		{"growing", func(d *godo.Database) { c.growing = d }},
		{"victim-a", func(d *godo.Database) { c.victims = append(c.victims, d) }},
		{"victim-b", func(d *godo.Database) { c.victims = append(c.victims, d) }},
	} {
		d, err := tine.Make(t.Context(), harness.CreateRequest(made.name))
		if err != nil {
			t.Fatal(err, lastLines(tine.LogText()))
		}
		made.to(d)
	}
	moment := time.Now().Truncate(time.Microsecond)
	c.addCreations()
	c.addForks(moment)
	c.addTags(t)
	c.addUsers()
	c.addSources()
	c.addResizes()
	c.addDestructions()
	for len(c.requests) < concurrentRequests {
		c.addQuestion(len(c.requests))
	}
	if len(c.requests) != concurrentRequests {
		t.Fatalf("there are %d requests, want %d", len(c.requests), concurrentRequests)
	}
	rand.Shuffle(len(c.requests), func(i, j int) { c.requests[i], c.requests[j] = c.requests[j], c.requests[i] })
	return c
}

func (c *crowd) add(what string, send func(context.Context) (*godo.Response, error), allowed ...int) {
	c.requests = append(c.requests, &request{what: what, send: send, allowed: allowed})
}

// create adds a request for a cluster.
func (c *crowd) create(r *godo.DatabaseCreateRequest, allowed ...int) {
	c.add("create "+r.Name, func(ctx context.Context) (*godo.Response, error) {
		made, response, err := c.tine.API.Databases.Create(ctx, r)
		if err == nil {
			c.mu.Lock()
			c.made[r.Name] = append(c.made[r.Name], made)
			c.mu.Unlock()
		}
		return response, err
	}, allowed...)
}

// addCreations adds six creations of each of four names.
func (c *crowd) addCreations() {
	const names, times = 4, 6
	for n := range names * times {
		c.create(harness.CreateRequest(fmt.Sprintf("new-%d", n%names)), http.StatusCreated, http.StatusUnprocessableEntity)
	}
}

// addForks adds four forks of each of four names, at the latest and at a moment, and forks of clusters that are destroyed at the same time.
func (c *crowd) addForks(moment time.Time) {
	const names, times = 4, 4
	for n := range names * times {
		at := moment
		if n%2 == 0 {
			at = time.Time{}
		}
		c.create(harness.ForkRequest(c.tagged.Name, fmt.Sprintf("fork-%d", n%names), at), http.StatusCreated, http.StatusUnprocessableEntity)
	}
	for n, victim := range c.victims {
		// Not found, or not online, is the victim; a name is unique.
		c.create(harness.ForkRequest(victim.Name, fmt.Sprintf("late-%d", n), time.Time{}),
			http.StatusCreated, http.StatusNotFound, http.StatusPreconditionFailed)
	}
}

// Tags that are there before are taken away one by one, others are added one by one.
const tagsEach = 20

func (c *crowd) addTags(t *testing.T) {
	t.Helper()
	resources := []godo.Resource{{ID: c.tagged.ID, Type: godo.DatabaseResourceType}, {ID: c.guarded.ID, Type: godo.DatabaseResourceType}}
	for n := range tagsEach {
		for _, name := range []string{fmt.Sprintf("old-%d", n), fmt.Sprintf("new-%d", n)} {
			if _, _, err := c.tine.API.Tags.Create(t.Context(), &godo.TagCreateRequest{Name: name}); err != nil {
				t.Fatal(err)
			}
		}
		old, added := fmt.Sprintf("old-%d", n), fmt.Sprintf("new-%d", n)
		if _, err := c.tine.API.Tags.TagResources(t.Context(), old, &godo.TagResourcesRequest{Resources: resources}); err != nil {
			t.Fatal(err)
		}
		order := slices.Clone(resources)
		if n%2 == 0 {
			slices.Reverse(order)
		}
		c.add("tag "+added, func(ctx context.Context) (*godo.Response, error) {
			return c.tine.API.Tags.TagResources(ctx, added, &godo.TagResourcesRequest{Resources: order})
		}, http.StatusNoContent)
		c.add("untag "+old, func(ctx context.Context) (*godo.Response, error) {
			return c.tine.API.Tags.UntagResources(ctx, old, &godo.UntagResourcesRequest{Resources: order})
		}, http.StatusNoContent)
	}
}

const usersEach = 6

// addUsers adds users of different names, and one name that several want.
func (c *crowd) addUsers() {
	create := func(name string, allowed ...int) {
		c.add("create user "+name, func(ctx context.Context) (*godo.Response, error) {
			_, response, err := c.tine.API.Databases.CreateUser(ctx, c.tagged.ID, &godo.DatabaseCreateUserRequest{Name: name})
			return response, err
		}, allowed...)
	}
	for n := range usersEach {
		create(fmt.Sprintf("user-%d", n), http.StatusCreated)
		create("wanted", http.StatusCreated, http.StatusUnprocessableEntity)
	}
}

const sourcesEach = 12

// addSources adds replacements of the trusted sources, each with two that belong together.
func (c *crowd) addSources() {
	for n := range sourcesEach {
		rules := []*godo.DatabaseFirewallRule{
			{Type: "ip_addr", Value: fmt.Sprintf("10.0.%d.1", n)}, {Type: "ip_addr", Value: fmt.Sprintf("10.0.%d.2", n)},
		}
		c.add("trusted sources", func(ctx context.Context) (*godo.Response, error) {
			return c.tine.API.Databases.UpdateFirewallRules(ctx, c.guarded.ID, &godo.DatabaseUpdateFirewallRulesRequest{Rules: rules})
		}, http.StatusNoContent)
	}
}

const resizes = 12

// addResizes adds requests for more and more storage; one that comes while another is carried out, or asks for less than there is by then, is refused.
func (c *crowd) addResizes() {
	for n := range resizes {
		storage := c.growing.StorageSizeMib + uint64(n)*10240
		size := "db-s-1vcpu-1gb"
		if n%4 == 3 {
			size = "db-s-1vcpu-2gb"
		}
		c.add("resize", func(ctx context.Context) (*godo.Response, error) {
			response, err := c.tine.API.Databases.Resize(ctx, c.growing.ID, &godo.DatabaseResizeRequest{
				SizeSlug: size, NumNodes: 1, StorageSizeMib: storage,
			})
			if err == nil {
				c.mu.Lock()
				c.storage = max(c.storage, storage)
				c.mu.Unlock()
			}
			return response, err
		}, http.StatusAccepted, http.StatusPreconditionFailed, http.StatusUnprocessableEntity)
	}
}

func (c *crowd) addDestructions() {
	const times = 4
	for n := range times * len(c.victims) {
		id := c.victims[n%len(c.victims)].ID
		c.add("destroy", func(ctx context.Context) (*godo.Response, error) { return c.tine.API.Databases.Delete(ctx, id) },
			http.StatusNoContent, http.StatusNotFound)
	}
}

func (c *crowd) addQuestion(n int) {
	api := c.tine.API.Databases
	switch ids := []string{c.tagged.ID, c.guarded.ID, c.growing.ID, c.victims[0].ID}; n % 3 {
	case 0:
		c.add("list", func(ctx context.Context) (*godo.Response, error) {
			_, response, err := api.List(ctx, &godo.ListOptions{PerPage: 200})
			return response, err
		}, http.StatusOK)
	default:
		c.add("get", func(ctx context.Context) (*godo.Response, error) {
			_, response, err := api.Get(ctx, ids[n%len(ids)])
			return response, err
		}, http.StatusOK, http.StatusNotFound)
	}
}

// sendAll sends all requests at the same moment and returns when all are answered.
func (c *crowd) sendAll(t *testing.T) {
	t.Helper()
	start := make(chan struct{})
	var running sync.WaitGroup
	for _, r := range c.requests {
		running.Go(func() {
			<-start
			response, err := r.send(t.Context())
			if response == nil {
				t.Errorf("%s: %v", r.what, err)
				return
			}
			r.status = response.StatusCode
			if !slices.Contains(r.allowed, r.status) {
				t.Errorf("%s is answered with %d, want one of %v: %v", r.what, r.status, r.allowed, err)
			}
		})
	}
	began := time.Now()
	close(start)
	running.Wait()
	counts := map[int]int{}
	for _, r := range c.requests {
		counts[r.status]++
	}
	t.Logf("%d requests at once were answered in %s: by status %v", len(c.requests), time.Since(began).Round(time.Millisecond), counts)
}

// check compares what the requests were told with what there is.
func (c *crowd) check(t *testing.T) {
	t.Helper()
	for name, made := range c.made {
		if len(made) != 1 {
			t.Errorf("%d requests were told that they had made %s", len(made), name)
		}
		for _, d := range made {
			if err := c.tine.WaitOnline(t.Context(), d.ID); err != nil {
				t.Error(err, lastLines(c.tine.LogText()))
			}
		}
	}
	for _, name := range []string{"new-0", "new-1", "new-2", "new-3", "fork-0", "fork-1", "fork-2", "fork-3"} {
		if len(c.made[name]) == 0 {
			t.Errorf("nobody could make %s", name)
		}
	}
	for _, victim := range c.victims {
		if err := c.tine.WaitGone(t.Context(), victim.ID); err != nil {
			t.Error(err)
		}
	}
	list, _, err := c.tine.API.Databases.List(t.Context(), &godo.ListOptions{PerPage: 200})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	ports := map[int]bool{}
	for _, d := range list {
		if names[d.Name] || ports[d.Connection.Port] {
			t.Errorf("two clusters have the name %s or the port %d", d.Name, d.Connection.Port)
		}
		names[d.Name], ports[d.Connection.Port] = true, true
	}
	if want := len(c.made) + 3; len(list) != want {
		t.Errorf("there are %d clusters, want %d: %v", len(list), want, names)
	}
	wantClusters(t, c.tine, len(list))
	c.checkTags(t)
	c.checkUsers(t)
	c.checkSources(t)
	c.checkStorage(t)
}

func (c *crowd) checkTags(t *testing.T) {
	t.Helper()
	var want []string
	for n := range tagsEach {
		want = append(want, fmt.Sprintf("new-%d", n))
	}
	slices.Sort(want)
	for _, id := range []string{c.tagged.ID, c.guarded.ID} {
		d, _, err := c.tine.API.Databases.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(d.Tags)
		if !slices.Equal(d.Tags, want) {
			t.Errorf("%s has the tags %v, want %v", d.Name, d.Tags, want)
		}
	}
}

func (c *crowd) checkUsers(t *testing.T) {
	t.Helper()
	users, _, err := c.tine.API.Databases.ListUsers(t.Context(), c.tagged.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(users) != usersEach+2 { // doadmin and the one that several wanted
		t.Errorf("%s has the users %v", c.tagged.Name, users)
	}
	created := 0
	for _, r := range c.requests {
		if r.what == "create user wanted" && r.status == http.StatusCreated {
			created++
		}
	}
	if created != 1 {
		t.Errorf("%d requests were told that they had made the user that all of them wanted", created)
	}
}

// checkSources wants the sources of one request, and no mixture of several.
func (c *crowd) checkSources(t *testing.T) {
	t.Helper()
	rules, _, err := c.tine.API.Databases.GetFirewallRules(t.Context(), c.guarded.ID)
	if err != nil || len(rules) != 2 {
		t.Fatalf("trusted sources %v, %v", rules, err)
	}
	first, second := strings.TrimSuffix(rules[0].Value, ".1"), strings.TrimSuffix(rules[1].Value, ".2")
	if first != second {
		t.Errorf("the trusted sources are of two requests: %s and %s", rules[0].Value, rules[1].Value)
	}
}

// checkStorage wants the most that was promised: what a later request was told must not undo what an earlier one was told.
func (c *crowd) checkStorage(t *testing.T) {
	t.Helper()
	if err := c.tine.WaitOnline(t.Context(), c.growing.ID); err != nil {
		t.Error(err)
	}
	d, _, err := c.tine.API.Databases.Get(t.Context(), c.growing.ID)
	if err != nil || c.storage == 0 || d.StorageSizeMib != c.storage {
		t.Errorf("the cluster has %d MiB of storage, want the %d that a request was promised, %v", d.StorageSizeMib, c.storage, err)
	}
}

// destroyAll destroys all clusters at once.
func (c *crowd) destroyAll(t *testing.T) {
	t.Helper()
	list, _, err := c.tine.API.Databases.List(t.Context(), &godo.ListOptions{PerPage: 200})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for _, d := range list {
		running.Go(func() {
			if err := c.tine.Remove(t.Context(), d.ID); err != nil {
				t.Errorf("destroy %s: %v", d.Name, err)
			}
		})
	}
	running.Wait()
}

// wantNoRows fails if the control plane still knows anything of any cluster, but for its events and its usage, which has ended.
func wantNoRows(t *testing.T, tine *harness.Tine) {
	t.Helper()
	cfg, err := pgx.ParseConfig("host=/run/tine user=postgres sslmode=disable dbname=tine")
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc = engine.Dialer(filepath.Join(tine.DataDir(), "sockets", "control"))
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for what, sql := range map[string]string{
		"clusters":        "SELECT count(*) FROM tine.clusters",
		"restore points":  "SELECT count(*) FROM tine.restore_points",
		"sinks":           "SELECT count(*) FROM tine.log_sinks",
		"running meters":  "SELECT count(*) FROM tine.usage WHERE to_at IS NULL",
		"discarded jobs":  "SELECT count(*) FROM tine.river_job WHERE state = 'discarded'",
		"unfinished jobs": `SELECT count(*) FROM tine.river_job WHERE kind LIKE 'cluster\_%' AND state NOT IN ('completed', 'cancelled', 'discarded')`,
	} {
		var n int
		// The job that removed the last row is complete a moment after it did.
		none := eventually(t, func() bool {
			if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
				t.Fatal(what, err)
			}
			return n == 0
		})
		if !none {
			t.Errorf("%d %s are left", n, what)
		}
	}
}

// wantClusters fails if the machine has more or less than what that many clusters need.
func wantClusters(t *testing.T, tine *harness.Tine, want int) {
	t.Helper()
	for kind, dir := range map[string]string{
		"volumes":    filepath.Join(tine.PoolDir(), "volumes"),
		"histories":  filepath.Join(tine.PoolDir(), "history"),
		"sockets":    filepath.Join(tine.DataDir(), "sockets"),
		"logs":       filepath.Join(tine.DataDir(), "logs"),
		"containers": filepath.Join(tine.DataDir(), "sandbox", "containers"),
	} {
		entries, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return strings.TrimSuffix(e.Name(), ".log") == "control" })
		if len(entries) != want {
			t.Errorf("%d %s are on the machine, want %d: %v", len(entries), kind, want, entries)
		}
	}
}

// wantFreePorts fails if anybody still listens where clusters may.
func wantFreePorts(t *testing.T, tine *harness.Tine) {
	t.Helper()
	first, last, _ := strings.Cut(tine.Ports, "-")
	from, _ := strconv.Atoi(first)
	to, _ := strconv.Atoi(last)
	for port := from; port <= to; port++ {
		var lc net.ListenConfig
		ln, err := lc.Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Errorf("a port is not free: %v", err)
			continue
		}
		_ = ln.Close()
	}
}

// use is what a process has.
type use struct{ goroutines, files, mounts int }

func measureUse(t *testing.T, tine *harness.Tine, pooled *http.Transport) use {
	t.Helper()
	pooled.CloseIdleConnections()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", tine.PID()))
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return use{goroutines: goroutines(t, tine, pooled), files: len(files), mounts: strings.Count(string(mounts), tine.Dir)}
}

// goroutines is what tine up says of itself.
func goroutines(t *testing.T, tine *harness.Tine, pooled *http.Transport) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tine.URL+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(tine.DataDir(), "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := pooled.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			return n
		}
	}
	t.Fatal("there is no metric of goroutines")
	return 0
}

// slack is for what comes and goes by itself: connections to the control plane's database and their goroutines.
const slack = 12

// wantNoMore fails if the process has more than before. What is about to end is waited for.
func (before use) wantNoMore(t *testing.T, tine *harness.Tine, pooled *http.Transport) {
	t.Helper()
	var now use
	ended := eventually(t, func() bool {
		now = measureUse(t, tine, pooled)
		return now.goroutines <= before.goroutines+slack && now.files <= before.files+slack && now.mounts == before.mounts
	})
	if !ended {
		t.Errorf("tine up has %+v, and had %+v before", now, before)
	}
	t.Logf("before %+v, after %+v", before, now)
}
