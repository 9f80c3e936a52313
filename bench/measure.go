package bench

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
)

// sample is how long a user waited for a cluster, from the sending of the request.
type sample struct {
	posted time.Duration // until the request was answered
	online time.Duration // until the API said "online"
	found  time.Duration // until a find on a new connection was answered
	steps  []stepTime    // of the host, from its log

	recovered bool     // its node's log tells of a recovery
	recovery  recovery // part of the host's step "node"
}

type stepTime struct {
	name  string
	taken time.Duration
}

// makeOnce makes a cluster and measures it. The caller removes it.
func (b *bench) makeOnce(ctx context.Context, r *godo.DatabaseCreateRequest) (s sample, c *godo.Database, err error) {
	logged, logs := len(b.tine.LogText()), b.nodeLogs()
	begin := time.Now()
	c, _, err = b.tine.API.Databases.Create(ctx, r)
	if err != nil {
		return s, nil, fmt.Errorf("make cluster %s: %w", r.Name, err)
	}
	s.posted = time.Since(begin)
	if err := b.tine.WaitOnline(ctx, c.ID); err != nil {
		return s, nil, fmt.Errorf("%w\n%s", err, tail(b.tine.LogText()[logged:]))
	}
	s.online = time.Since(begin)
	if err := find(ctx, c.Connection.URI); err != nil {
		return s, nil, fmt.Errorf("find in cluster %s: %w", c.Name, err)
	}
	s.found = time.Since(begin)
	s.steps = stepsOf(b.tine.LogText()[logged:])
	s.recovery, s.recovered = recoveryOf(b.recoveryLog(logs))
	return s, c, nil
}

// measureOnce makes a cluster, measures it and removes it.
func (b *bench) measureOnce(ctx context.Context, r *godo.DatabaseCreateRequest) (sample, error) {
	s, c, err := b.makeOnce(ctx, r)
	if err != nil {
		return s, err
	}
	if err := b.tine.Remove(ctx, c.ID); err != nil {
		return s, fmt.Errorf("remove cluster %s: %w", c.Name, err)
	}
	return s, nil
}

// measureFork forks a source at a moment, or at the latest if that is zero.
func (b *bench) measureFork(ctx context.Context, src *source, at time.Time) (sample, error) {
	request := harness.ForkRequest(src.cluster.Name, b.newName("fork"), at)
	request.StorageSizeMib = src.cluster.StorageSizeMib
	return b.measureOnce(ctx, request)
}

// find connects, asks for one document and disconnects. That there is none is an answer.
func find(ctx context.Context, uri string) error {
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	err = documents(client).FindOne(ctx, bson.D{}).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = nil
	}
	return errors.Join(err, client.Disconnect(ctx))
}

// stepsOf reads from the debug log of tine up what making a cluster consisted of.
func stepsOf(log string) []stepTime {
	line := regexp.MustCompile(`msg="step done".* operation=(?:create|fork) step=(\S+) duration=(\S+)`)
	var steps []stepTime
	for _, match := range line.FindAllStringSubmatch(log, -1) {
		if taken, err := time.ParseDuration(match[2]); err == nil {
			steps = append(steps, stepTime{match[1], taken})
		}
	}
	return steps
}

// tail is the end of a log, for an error.
func tail(log string) string {
	const count = 20
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}

func found(samples []sample) []time.Duration {
	return pick(samples, func(s sample) time.Duration { return s.found })
}

func pick(samples []sample, of func(sample) time.Duration) []time.Duration {
	list := make([]time.Duration, len(samples))
	for i, s := range samples {
		list[i] = of(s)
	}
	return list
}

// breakdown says where the time went, in medians, which need not add up.
func breakdown(title string, samples []sample) table {
	t := table{title: title, header: []string{"part", "p50", "p95"}}
	add := func(name string, list []time.Duration) {
		t.rows = append(t.rows, []string{name, human(quantile(list, median)), human(quantile(list, high))})
	}
	add("request answered, beside the host's work", pick(samples, func(s sample) time.Duration { return s.posted }))
	var order []string
	byStep := map[string][]time.Duration{}
	for _, s := range samples {
		for _, step := range s.steps {
			if byStep[step.name] == nil {
				order = append(order, step.name)
			}
			byStep[step.name] = append(byStep[step.name], step.taken)
		}
	}
	for _, name := range order {
		add("host: "+name, byStep[name])
		if name == "node" {
			t.rows = append(t.rows, recoveryRows(samples)...)
		}
	}
	add("request, job queue, polling of the API", pick(samples, sample.waiting))
	add("connection and find", pick(samples, func(s sample) time.Duration { return s.found - s.online }))
	return t
}

// recoveryRows are the parts of the step "node". What PostgreSQL's log does not account for is the container before it and the connection behind it.
func recoveryRows(samples []sample) (rows [][]string) {
	samples = slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return !s.recovered })
	if len(samples) == 0 {
		return nil
	}
	add := func(name string, of func(sample) time.Duration) {
		list := pick(samples, of)
		rows = append(rows, []string{name, human(quantile(list, median)), human(quantile(list, high))})
	}
	add("- container, first connection, schema", func(s sample) time.Duration { return s.step("node") - s.recovery.all() })
	add("- PostgreSQL starts", func(s sample) time.Duration { return s.recovery.start })
	add("- redo", func(s sample) time.Duration { return s.recovery.redo })
	add("- end of recovery", func(s sample) time.Duration { return s.recovery.finish })
	add("processor time of redo", func(s sample) time.Duration { return s.recovery.cpu })
	var bytes []int64
	for _, s := range samples {
		bytes = append(bytes, s.recovery.wal)
	}
	return append(rows, []string{"WAL replayed", humanBytes(quantile(bytes, median)), humanBytes(quantile(bytes, high))})
}

// step is how long the host took for one.
func (s sample) step(name string) time.Duration {
	for _, step := range s.steps {
		if step.name == name {
			return step.taken
		}
	}
	return 0
}

// waiting is what the steps of the host do not account for. They begin when the job is committed, which is before the request is
// answered.
func (s sample) waiting() time.Duration {
	rest := s.online
	for _, step := range s.steps {
		rest -= step.taken
	}
	return rest
}
