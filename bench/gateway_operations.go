package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

const (
	gatewayDB  = "bench"
	readColl   = "read"
	updateColl = "updated"
	kinds      = 10 // groups that $group makes
)

// operation is what is measured: by the driver, and as a call of the engine's function.
type operation struct {
	name   string
	aim    string
	driver func(ctx context.Context, t target) error
	sql    statement
}

// target is where an operation works.
type target struct {
	db     *mongo.Database
	own    string // collection for what this contender inserts
	random *rand.Rand
}

// errWrong is in errors that say that an operation had another result than it must have.
var errWrong = errors.New("wrong result")

func operations() []operation {
	const noSlower, faster = "1.0 x", "1.3 x"
	return []operation{
		{"find by _id", faster, findOne, statement{sqlFind, findOneSpec, checkPage(1)}},
		{"indexed find of 100", faster, findGroup, statement{sqlFind, findGroupSpec, checkPage(gatewayGroup)}},
		{"$group over 100,000", faster, groupAll, statement{sqlAggregate, groupAllSpec, checkPage(kinds)}},
		{"update by _id", noSlower, updateOne, statement{sqlUpdate, updateOneSpec, checkWritten("nModified", 1)}},
		{"insert of 1", noSlower, insertSome(1), statement{sqlInsert, insertSpec(1), checkWritten("n", 1)}},
		{"insert of 1,000", noSlower, insertSome(batch), statement{sqlInsert, insertSpec(batch), checkWritten("n", batch)}},
	}
}

// gatewayDocument has about 200 bytes.
func gatewayDocument(id int32) bson.D {
	return bson.D{
		{Key: "_id", Value: id},
		{Key: "group", Value: id % (gatewayDocs / gatewayGroup)},
		{Key: "kind", Value: id % kinds},
		{Key: "count", Value: int32(0)},
		{Key: "text", Value: strings.Repeat("x", 128)},
	}
}

func driverCalls(name string, client *mongo.Client) func(context.Context, operation, int) (call, error) {
	return func(_ context.Context, op operation, worker int) (call, error) {
		t := target{db: client.Database(gatewayDB), own: ownCollection(name), random: workerRandom(worker)}
		return func(ctx context.Context) error { return op.driver(ctx, t) }, nil
	}
}

func ownCollection(name string) string { return "inserted_by_" + name }

// workerRandom is the same for every contender.
func workerRandom(worker int) *rand.Rand { return rand.New(newRandom(worker)) } //nolint:gosec // no secret

func someID(random *rand.Rand) int32 { return random.Int32N(gatewayDocs) }

func someGroup(random *rand.Rand) int32 { return random.Int32N(gatewayDocs / gatewayGroup) }

func findOne(ctx context.Context, t target) error {
	id := someID(t.random)
	doc, err := t.db.Collection(readColl).FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Raw()
	if err != nil {
		return err
	}
	if got, ok := doc.Lookup("_id").Int32OK(); !ok || got != id {
		return fmt.Errorf("%w: document %d instead of %d", errWrong, got, id)
	}
	return nil
}

func findGroup(ctx context.Context, t target) error {
	group := someGroup(t.random)
	cursor, err := t.db.Collection(readColl).Find(ctx, bson.D{{Key: "group", Value: group}})
	if err != nil {
		return err
	}
	defer func() { _ = cursor.Close(ctx) }()
	n := 0
	for ; cursor.Next(ctx); n++ {
		if got, ok := cursor.Current.Lookup("group").Int32OK(); !ok || got != group {
			return fmt.Errorf("%w: a document of group %d instead of %d", errWrong, got, group)
		}
	}
	return expect(cursor.Err(), "documents", n, gatewayGroup)
}

func groupAll(ctx context.Context, t target) error {
	cursor, err := t.db.Collection(readColl).Aggregate(ctx, groupPipeline())
	if err != nil {
		return err
	}
	defer func() { _ = cursor.Close(ctx) }()
	sum := 0
	for cursor.Next(ctx) {
		n, _ := cursor.Current.Lookup("n").AsInt64OK()
		sum += int(n)
	}
	return expect(cursor.Err(), "documents in all groups", sum, gatewayDocs)
}

func groupPipeline() bson.A {
	return bson.A{bson.D{{Key: "$group", Value: bson.D{
		{Key: "_id", Value: "$kind"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}, {Key: "max", Value: bson.D{{Key: "$max", Value: "$group"}}},
	}}}}
}

func updateOne(ctx context.Context, t target) error {
	r, err := t.db.Collection(updateColl).UpdateOne(ctx, bson.D{{Key: "_id", Value: someID(t.random)}}, increment())
	if err != nil {
		return err
	}
	return expect(nil, "documents modified", int(r.ModifiedCount), 1)
}

func increment() bson.D { return bson.D{{Key: "$inc", Value: bson.D{{Key: "count", Value: 1}}}} }

func insertSome(n int) func(context.Context, target) error {
	return func(ctx context.Context, t target) error {
		coll := t.db.Collection(t.own)
		if n == 1 {
			_, err := coll.InsertOne(ctx, insertDocument())
			return err
		}
		docs := make([]bson.D, n)
		for i := range docs {
			docs[i] = insertDocument()
		}
		r, err := coll.InsertMany(ctx, docs)
		if err != nil {
			return err
		}
		return expect(nil, "documents inserted", len(r.InsertedIDs), n)
	}
}

// insertDocument has no _id, so that it gets one that is new.
func insertDocument() bson.D { return gatewayDocument(1)[1:] }

func expect(err error, what string, got, want int) error {
	if err == nil && got != want {
		return fmt.Errorf("%w: %d %s instead of %d", errWrong, got, what, want)
	}
	return err
}
