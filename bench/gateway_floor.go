package bench

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// What the gateway calls, too.
const (
	sqlFind      = "SELECT cursorpage::bytea FROM documentdb_api.find_cursor_first_page($1, $2::bytea, 0)"
	sqlAggregate = "SELECT cursorpage::bytea FROM documentdb_api.aggregate_cursor_first_page($1, $2::bytea, 0)"
	sqlUpdate    = "SELECT p_result::bytea FROM documentdb_api.update($1, $2::bytea)"
	sqlInsert    = "SELECT p_result::bytea FROM documentdb_api.insert($1, $2::bytea)"
)

// statement is an operation as plain SQL.
type statement struct {
	sql   string
	spec  func(own string, random *rand.Rand) bson.D
	check func(reply bson.Raw) error
}

// floor is what no gateway can be below: the same calls from the client's own process to PostgreSQL, as its superuser.
type floor struct{ pool *pgxpool.Pool }

func newFloor(ctx context.Context, socketDir string) (*floor, error) {
	cfg, err := pgxpool.ParseConfig("user=postgres dbname=postgres host=" + socketDir)
	if err != nil {
		return nil, fmt.Errorf("connect to the node: %w", err)
	}
	cfg.MaxConns = manyClients + 1
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to the node: %w", err)
	}
	return &floor{pool}, nil
}

func (f *floor) close() { f.pool.Close() }

// prepare returns a call on a pool that has a connection for each client. The statement is prepared on its first use.
func (f *floor) prepare(_ context.Context, op operation, worker int) (call, error) {
	random, own := workerRandom(worker), ownCollection(floorName)
	return func(ctx context.Context) error {
		spec, err := bson.Marshal(op.sql.spec(own, random))
		if err != nil {
			return err
		}
		var reply []byte
		if err := f.pool.QueryRow(ctx, op.sql.sql, gatewayDB, spec).Scan(&reply); err != nil {
			return err
		}
		return op.sql.check(reply)
	}, nil
}

func findOneSpec(_ string, random *rand.Rand) bson.D {
	return bson.D{
		{Key: "find", Value: readColl},
		{Key: "filter", Value: bson.D{{Key: "_id", Value: someID(random)}}},
		{Key: "limit", Value: 1},
		{Key: "singleBatch", Value: true},
	}
}

func findGroupSpec(_ string, random *rand.Rand) bson.D {
	return bson.D{{Key: "find", Value: readColl}, {Key: "filter", Value: bson.D{{Key: "group", Value: someGroup(random)}}}}
}

func groupAllSpec(string, *rand.Rand) bson.D {
	return bson.D{{Key: "aggregate", Value: readColl}, {Key: "pipeline", Value: groupPipeline()}, {Key: "cursor", Value: bson.D{}}}
}

func updateOneSpec(_ string, random *rand.Rand) bson.D {
	return bson.D{{Key: "update", Value: updateColl}, {Key: "updates", Value: bson.A{
		bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: someID(random)}}}, {Key: "u", Value: increment()}},
	}}}
}

func insertSpec(n int) func(string, *rand.Rand) bson.D {
	return func(own string, _ *rand.Rand) bson.D {
		docs := make([]bson.D, n)
		for i := range docs {
			docs[i] = append(bson.D{{Key: "_id", Value: bson.NewObjectID()}}, insertDocument()...)
		}
		return bson.D{{Key: "insert", Value: own}, {Key: "documents", Value: docs}}
	}
}

// checkPage wants so many documents in a cursor's first page.
func checkPage(want int) func(bson.Raw) error {
	return func(reply bson.Raw) error {
		list, _ := reply.Lookup("cursor", "firstBatch").ArrayOK()
		values, err := list.Values()
		return expect(err, "documents", len(values), want)
	}
}

// checkWritten wants a number in a field of the reply.
func checkWritten(field string, want int) func(bson.Raw) error {
	return func(reply bson.Raw) error {
		n, _ := reply.Lookup(field).AsInt64OK()
		return expect(nil, field, int(n), want)
	}
}
