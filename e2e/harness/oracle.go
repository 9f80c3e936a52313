package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Oracle knows what a fork at any moment must hold. Each of its writers inserts documents numbered from 0, one after the other, so what a
// fork holds of it must be the documents below some number, or the last Keep of them.
type Oracle struct {
	// Patient makes writers try again what failed, as long as it takes: for tests in which nodes die.
	Patient bool
	// Padding is how many bytes each document has beside its numbers; 0 means 2000.
	Padding int
	// Keep is how many documents a writer keeps: behind each write it deletes the one that many before. 0 means all.
	Keep int

	mu     sync.Mutex
	writes [][]oracleWrite // by writer
}

// oracleWrite is one write, as its client saw it.
type oracleWrite struct{ started, acknowledged time.Time }

// NewOracle returns an oracle for that many writers.
func NewOracle(writers int) *Oracle {
	return &Oracle{writes: make([][]oracleWrite, writers)}
}

// Run writes until ctx ends, which is no error.
func (o *Oracle) Run(ctx context.Context, writer int, c *mongo.Collection) error {
	size := o.Padding
	if size == 0 {
		size = 2000
	}
	padding := make([]byte, size)
	for i := 0; ctx.Err() == nil; i++ {
		o.begin(writer)
		doc := bson.D{{Key: "_id", Value: id(writer, i)}, {Key: "w", Value: writer}, {Key: "i", Value: i}, {Key: "padding", Value: padding}}
		err := o.insert(ctx, c, doc)
		if err == nil {
			o.end(writer)
			err = o.forget(ctx, c, writer, i)
		}
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // that is how writing ends
		case err != nil:
			return fmt.Errorf("writer %d: %w", writer, err)
		}
	}
	return nil
}

// id is that of a writer's document with that number.
func id(writer, number int) string { return fmt.Sprintf("%d/%d", writer, number) }

// insert writes a document once, whatever happens meanwhile. That it is there already says that an earlier try was carried out.
func (o *Oracle) insert(ctx context.Context, c *mongo.Collection, doc bson.D) error {
	return o.patiently(ctx, func() error {
		_, err := c.InsertOne(ctx, doc)
		if mongo.IsDuplicateKeyError(err) {
			return nil
		}
		return err
	})
}

// forget deletes the document that is not to be kept any more behind that with the number.
func (o *Oracle) forget(ctx context.Context, c *mongo.Collection, writer, number int) error {
	if o.Keep == 0 || number < o.Keep {
		return nil
	}
	return o.patiently(ctx, func() error {
		_, err := c.DeleteOne(ctx, bson.D{{Key: "_id", Value: id(writer, number-o.Keep)}})
		return err
	})
}

// patiently does what may be done again until it succeeds, or once.
func (o *Oracle) patiently(ctx context.Context, do func() error) error {
	for {
		err := do()
		switch {
		case err == nil:
			return nil
		case !o.Patient || ctx.Err() != nil:
			return err
		}
		if err := sleep(ctx); err != nil {
			return err
		}
	}
}

func (o *Oracle) begin(writer int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes[writer] = append(o.writes[writer], oracleWrite{started: time.Now()})
}

func (o *Oracle) end(writer int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes[writer][len(o.writes[writer])-1].acknowledged = time.Now()
}

// Acknowledged is how many writes were so far.
func (o *Oracle) Acknowledged() (count int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, list := range o.writes {
		for _, w := range list {
			if !w.acknowledged.IsZero() {
				count++
			}
		}
	}
	return count
}

// bounds are how many documents of a writer a fork at at holds: at least those acknowledged by then, at most those started by then.
func (o *Oracle) bounds(writer int, at time.Time) (least, most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.writes[writer] {
		if !w.started.After(at) {
			most++
		}
		if !w.acknowledged.IsZero() && !w.acknowledged.After(at) {
			least++
		}
	}
	return least, most
}

// Lost returns how many writes were acknowledged by a moment and are not among those found, by writer.
func (o *Oracle) Lost(found []int, at time.Time) (lost int) {
	for writer, count := range found {
		least, _ := o.bounds(writer, at)
		lost += max(0, least-count)
	}
	return lost
}

// Holds returns how many documents of each writer have been written to a collection; it fails if any is missing below the last that should be there, or
// one is there that should not.
func (o *Oracle) Holds(ctx context.Context, c *mongo.Collection) ([]int, error) {
	cursor, err := c.Aggregate(ctx, mongo.Pipeline{{{Key: "$group", Value: bson.D{
		{Key: "_id", Value: "$w"},
		{Key: "count", Value: bson.D{{Key: "$sum", Value: 1}}},
		{Key: "first", Value: bson.D{{Key: "$min", Value: "$i"}}},
		{Key: "last", Value: bson.D{{Key: "$max", Value: "$i"}}},
	}}}})
	if err != nil {
		return nil, fmt.Errorf("read what the collection holds: %w", err)
	}
	var groups []struct {
		Writer int `bson:"_id"`
		Count  int `bson:"count"`
		First  int `bson:"first"`
		Last   int `bson:"last"`
	}
	if err := cursor.All(ctx, &groups); err != nil {
		return nil, fmt.Errorf("read what the collection holds: %w", err)
	}
	found := make([]int, len(o.writes))
	for _, g := range groups {
		least, most := 0, 0 // the number that the first may have
		if o.Keep > 0 {     // one more than is kept, until the delete behind the last
			least, most = max(0, g.Last-o.Keep), max(0, g.Last-o.Keep+1)
		}
		if g.Count != g.Last-g.First+1 || g.First < least || g.First > most {
			err = errors.Join(err, fmt.Errorf("of writer %d it holds %d documents from number %d to %d: some are missing, or too many", g.Writer, g.Count, g.First, g.Last))
		}
		found[g.Writer] = g.Last + 1
	}
	return found, err
}

// Check compares a collection with what a fork at a moment must hold. The error says what is wrong.
func (o *Oracle) Check(ctx context.Context, c *mongo.Collection, at time.Time) error {
	found, err := o.Holds(ctx, c)
	if err != nil {
		return fmt.Errorf("fork at %s: %w", at, err)
	}
	return o.Compare(found, at)
}

// Compare is Check for what Holds has returned.
func (o *Oracle) Compare(found []int, at time.Time) (err error) {
	for writer, count := range found {
		if least, most := o.bounds(writer, at); count < least || count > most {
			err = errors.Join(err, fmt.Errorf("fork at %s: of writer %d it holds %d documents; %d were acknowledged and %d started by then",
				at, writer, count, least, most))
		}
	}
	return err
}
