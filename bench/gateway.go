package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

const (
	gatewayDocs   = 100_000 // documents that are read
	gatewayGroup  = 100     // documents of them that an indexed find returns
	gatewayPlan   = "db-s-2vcpu-4gb"
	gatewayWarmup = 300 * time.Millisecond
)

// contender is a way to the same data.
type contender struct {
	name    string
	prepare func(ctx context.Context, op operation, worker int) (call, error)
	pid     int // of the process between client and PostgreSQL; 0 if there is none
}

// result is what one contender did in one round.
type result struct {
	perSecond float64
	cpu       time.Duration // of its process, for each operation
}

// gateway measures what the gateway costs, next to FerretDB and to nothing at all, on the same cluster.
func (b *bench) gateway(ctx context.Context) (err error) {
	if err := b.restart(ctx, true); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.restart(context.WithoutCancel(ctx), false)) }()
	src, err := b.gatewaySource(ctx)
	if err != nil {
		return err
	}
	defer func() {
		_ = src.client.Disconnect(ctx)
		err = errors.Join(err, b.tine.Remove(ctx, src.cluster.ID))
	}()
	dir, err := os.MkdirTemp("", "tine-bench-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	socket := filepath.Join(dir, "s") // the path of a socket may have 107 bytes
	if err := os.Symlink(b.socketDir(src.node), socket); err != nil {
		return fmt.Errorf("shorten the path of a socket: %w", err)
	}
	all, missing, stop, err := b.contenders(ctx, src, dir, socket)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	t := gatewayTable(b.opts, missing)
	for _, op := range operations() {
		for _, clients := range []int{1, manyClients} {
			b.progress("gateway: %s, %d clients", op.name, clients)
			rounds, err := b.compete(ctx, all, op, clients)
			if err != nil {
				return err
			}
			t.rows = append(t.rows, gatewayRow(op, clients, rounds))
		}
	}
	return t.write(b.out)
}

const manyClients = 16

// restart starts tine up again, without its debug log or with it: nobody serves with it on.
func (b *bench) restart(ctx context.Context, quiet bool) error {
	if err := b.tine.Stop(ctx); err != nil {
		return err
	}
	b.tine.Quiet = quiet
	return b.tine.Start(ctx)
}

// contenders are Tine, plain SQL and, if it can be built, FerretDB. missing says why not.
func (b *bench) contenders(ctx context.Context, src *source, dir, socket string) (all []contender, missing error, stop func() error, err error) {
	sql, err := newFloor(ctx, socket)
	if err != nil {
		return nil, nil, nil, err
	}
	stop = func() error { sql.close(); return nil }
	if err := b.letEngineBeSuperuser(ctx, src, sql); err != nil {
		return nil, nil, nil, errors.Join(err, stop())
	}
	if _, err := sql.pool.Exec(ctx, "VACUUM ANALYZE"); err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("analyze: %w", err), stop())
	}
	all = []contender{
		{name: tineName, prepare: driverCalls(tineName, src.client), pid: b.tine.PID()},
		{name: floorName, prepare: sql.prepare},
	}
	b.progress("building FerretDB")
	binary, err := buildFerretDB(ctx, dir)
	if err != nil {
		return all, err, stop, nil
	}
	f, err := startFerretDB(ctx, binary, dir, socket)
	if err != nil {
		return nil, nil, nil, errors.Join(err, stop())
	}
	all = append(all, contender{name: ferretName, prepare: driverCalls(ferretName, f.client), pid: f.process.Process.Pid})
	return all, nil, func() error { sql.close(); return f.stop(context.WithoutCancel(ctx)) }, nil
}

// letEngineBeSuperuser allows what Tine's nodes do not: to make a collection the engine connects to itself as the user whose statement
// it runs, which for FerretDB and plain SQL is PostgreSQL's superuser.
func (b *bench) letEngineBeSuperuser(ctx context.Context, src *source, sql *floor) error {
	path := filepath.Join(b.tine.PoolDir(), "volumes", src.node, "pgdata", "pg_ident.conf")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("let the engine be superuser: %w", err)
	}
	_, err = f.WriteString("tine   tine         postgres\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("let the engine be superuser: %w", err)
	}
	if _, err := sql.pool.Exec(ctx, "SELECT pg_reload_conf()"); err != nil {
		return fmt.Errorf("let the engine be superuser: %w", err)
	}
	return nil
}

// gatewaySource is a cluster with the documents that are read.
func (b *bench) gatewaySource(ctx context.Context) (*source, error) {
	s, err := b.emptySourceOf(ctx, "gateway", gatewayPlan)
	if err != nil {
		return nil, err
	}
	coll := s.client.Database(gatewayDB).Collection(readColl)
	for first := 0; first < gatewayDocs; first += batch {
		docs := make([]bson.D, batch)
		for i := range docs {
			docs[i] = gatewayDocument(int32(first + i))
		}
		if _, err := coll.InsertMany(ctx, docs); err != nil {
			return nil, fmt.Errorf("fill source: %w", err)
		}
		if _, err := coll.Database().Collection(updateColl).InsertMany(ctx, docs); err != nil {
			return nil, fmt.Errorf("fill source: %w", err)
		}
	}
	_, err = coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "group", Value: 1}}})
	if err != nil {
		return nil, fmt.Errorf("make index: %w", err)
	}
	return s, nil
}

// compete runs an operation in rounds, in which every contender has its turn, each time in another order.
func (b *bench) compete(ctx context.Context, all []contender, op operation, clients int) (map[string][]result, error) {
	rounds := map[string][]result{}
	calls := map[string][]call{}
	for _, c := range all {
		for worker := range clients {
			do, err := c.prepare(ctx, op, worker)
			if err != nil {
				return nil, fmt.Errorf("prepare %s for %s: %w", c.name, op.name, err)
			}
			calls[c.name] = append(calls[c.name], do)
		}
		if _, err := load(ctx, c, calls[c.name], gatewayWarmup); err != nil {
			return nil, fmt.Errorf("%s by %s: %w", op.name, c.name, err)
		}
	}
	order := slices.Clone(all)
	shuffle := workerRandom(len(all))
	for range b.opts.Rounds {
		shuffle.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] }) // nobody always follows the same other
		for _, c := range order {
			r, err := load(ctx, c, calls[c.name], b.opts.Round)
			if err != nil {
				return nil, fmt.Errorf("%s by %s: %w", op.name, c.name, err)
			}
			rounds[c.name] = append(rounds[c.name], r)
		}
	}
	return rounds, nil
}

const (
	tineName   = "Tine"
	ferretName = "FerretDB"
	floorName  = "SQL"
)

func gatewayTable(o Options, missing error) table {
	t := table{
		title: "Gateway: the same engine behind Tine, behind FerretDB 2.7.0 and by plain SQL",
		header: []string{
			"operation", "clients", "Tine/s", "FerretDB/s", "SQL/s", "Tine : FerretDB", "aim", "Tine : SQL", "CPU Tine", "CPU FerretDB",
		},
		notes: []string{
			fmt.Sprintf("Medians of %d rounds of %s, in which each had its turn; the ratios are medians of the rounds' ratios. Plan %s; clients, gateways and "+
				"node share the machine. CPU is what the gateway's process used for one operation, system calls included; Tine's is all of tine up.",
				o.Rounds, o.Round, gatewayPlan),
			"Clients are the official Go driver, without TLS and compression. Tine has logged in doadmin by SCRAM and runs under a role of its own; FerretDB runs as a library " +
				"without authentication and as PostgreSQL's superuser. Plain SQL is pgx with prepared statements, a connection for each client.",
		},
	}
	if missing != nil {
		t.notes = append(t.notes, "No FerretDB: "+missing.Error())
	}
	return t
}

func gatewayRow(op operation, clients int, rounds map[string][]result) []string {
	speed := func(name string) []float64 { return perSecond(rounds[name]) }
	cpu := func(name string) string {
		if len(rounds[name]) == 0 {
			return "-"
		}
		list := make([]time.Duration, len(rounds[name]))
		for i, r := range rounds[name] {
			list[i] = r.cpu
		}
		return human(quantile(list, median))
	}
	number := func(name string) string {
		if len(rounds[name]) == 0 {
			return "-"
		}
		return count(quantile(speed(name), median))
	}
	return []string{
		op.name, strconv.Itoa(clients), number(tineName), number(ferretName), number(floorName),
		times(speed(tineName), speed(ferretName)), op.aim, times(speed(tineName), speed(floorName)), cpu(tineName), cpu(ferretName),
	}
}

func perSecond(list []result) []float64 {
	speeds := make([]float64, len(list))
	for i, r := range list {
		speeds[i] = r.perSecond
	}
	return speeds
}

// times is the median of the ratios of two series that were measured in turns.
func times(a, b []float64) string {
	if len(a) != len(b) || len(a) == 0 {
		return "-"
	}
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return fmt.Sprintf("%.2f x", quantile(ratios, median))
}

func count(perSecond float64) string {
	if perSecond < 100 {
		return digits(perSecond)
	}
	return strconv.FormatFloat(perSecond, 'f', 0, 64)
}
