package gateway_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tine/internal/gateway"
)

// churn is a name under which one client makes, renames, replaces, drops and makes collections and views again while others read it. All documents of a generation
// are written by one command and have its number.
type churn struct {
	db         *mongo.Database
	begun      atomic.Int64 // the newest generation that there may be
	over       atomic.Int64 // the newest one that is gone for good
	generation int64
}

// inGeneration is how many documents each has.
const inGeneration = 5

func (ch *churn) do(ctx context.Context, command bson.D) error {
	db := ch.db
	if command[0].Key == "renameCollection" {
		db = ch.db.Client().Database("admin")
	}
	if err := db.RunCommand(ctx, command).Err(); err != nil {
		return fmt.Errorf("%v: %w", command, err)
	}
	return nil
}

// next begins a generation.
func (ch *churn) next() int64 {
	ch.generation++
	ch.begun.Store(ch.generation)
	return ch.generation
}

// fill writes a generation into a collection that there is not.
func (ch *churn) fill(ctx context.Context, coll, of string, generation int64) error {
	docs := bson.A{}
	for i := range inGeneration {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "gen", Value: generation}, {Key: "of", Value: of}})
	}
	return ch.do(ctx, bson.D{{Key: "insert", Value: coll}, {Key: "documents", Value: docs}})
}

func (ch *churn) rename(ctx context.Context, from, to string, replace bool) error {
	return ch.do(ctx, bson.D{
		{Key: "renameCollection", Value: ch.db.Name() + "." + from}, {Key: "to", Value: ch.db.Name() + "." + to}, {Key: "dropTarget", Value: replace},
	})
}

func (ch *churn) drop(ctx context.Context, coll string) error {
	return ch.do(ctx, bson.D{{Key: "drop", Value: coll}})
}

// replace makes another collection what the name stands for, which there is at all times.
func (ch *churn) replace(ctx context.Context, name string) error {
	before := ch.generation
	if err := ch.fill(ctx, name+"-next", name, ch.next()); err != nil {
		return err
	}
	err := ch.rename(ctx, name+"-next", name, true)
	ch.over.Store(before)
	return err
}

// round takes the name through everything that can become of it.
func (ch *churn) round(ctx context.Context, name string) error {
	for _, step := range []func() error{
		// It is made, and dropped.
		func() error { return ch.fill(ctx, name, name, ch.next()) },
		func() error { return ch.drop(ctx, name) },
		func() error { ch.over.Store(ch.generation); return nil },
		// It is made again, and renamed away.
		func() error { return ch.fill(ctx, name, name, ch.next()) },
		func() error { return ch.rename(ctx, name, name+"-aside", true) },
		func() error { ch.over.Store(ch.generation); return nil },
		// It is what another one was, and replaced by a third.
		func() error { return ch.fill(ctx, name+"-next", name, ch.next()) },
		func() error { return ch.rename(ctx, name+"-next", name, false) },
		func() error { return ch.fill(ctx, name+"-next", name, ch.next()) },
		func() error { return ch.rename(ctx, name+"-next", name, true) },
		func() error { ch.over.Store(ch.generation - 1); return nil },
		func() error { return ch.drop(ctx, name) },
		func() error { ch.over.Store(ch.generation); return nil },
		// It is a view.
		func() error {
			return ch.do(ctx, bson.D{{Key: "create", Value: name}, {Key: "viewOn", Value: "base"}, {Key: "pipeline", Value: bson.A{
				bson.D{{Key: "$set", Value: bson.D{{Key: "of", Value: name}, {Key: "gen", Value: ch.next()}}}},
			}}})
		},
		func() error { return ch.drop(ctx, name) },
		func() error { ch.over.Store(ch.generation); return nil },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// churnRead is a read that has a shortcut.
type churnRead struct {
	command func(coll string, n int) bson.D
	most    int  // how many documents the answer may have
	grouped bool // they are groups: how many documents there are of each generation
}

func churnReads() map[string]churnRead {
	group := bson.D{{Key: "$group", Value: bson.D{
		{Key: "_id", Value: bson.D{{Key: "gen", Value: "$gen"}, {Key: "of", Value: "$of"}}}, {Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}},
	}}}
	aggregate := func(pipeline ...any) func(string, int) bson.D {
		return func(coll string, _ int) bson.D {
			return bson.D{{Key: "aggregate", Value: coll}, {Key: "pipeline", Value: bson.A(pipeline)}, {Key: "cursor", Value: bson.D{}}}
		}
	}
	return map[string]churnRead{
		"point": {command: func(coll string, n int) bson.D {
			return bson.D{{Key: "find", Value: coll}, {Key: "filter", Value: bson.D{{Key: "_id", Value: n % inGeneration}}}}
		}, most: 1},
		"all": {command: func(coll string, _ int) bson.D { return bson.D{{Key: "find", Value: coll}} }, most: inGeneration},
		"filter and sort": {command: func(coll string, _ int) bson.D {
			return bson.D{{Key: "find", Value: coll}, {Key: "filter", Value: bson.D{{Key: "gen", Value: bson.D{{Key: "$gt", Value: 0}}}}}, {Key: "sort", Value: bson.D{{Key: "_id", Value: -1}}}}
		}, most: inGeneration},
		"groups":          {command: aggregate(group), most: inGeneration, grouped: true},
		"groups in order": {command: aggregate(group, bson.D{{Key: "$sort", Value: bson.D{{Key: "n", Value: 1}}}}), most: inGeneration, grouped: true},
	}
}

// Reads of a name that another client makes, drops, renames, replaces and turns into a view at full speed answer with the documents of one state that the name has had
// since they were asked, or with none: whichever shortcut they take, and never with those of another collection, nor with an error.
func TestShortcutsWhileCollectionsComeAndGo(t *testing.T) {
	t.Parallel()
	g := openWith(t, gateway.Config{Times: gateway.Times{Names: time.Minute}}, nil) // on a busy machine a read may take longer than a change waits for it
	home := g.database(t)
	base := &churn{db: home}
	if err := base.fill(t.Context(), "base", "base", 0); err != nil {
		t.Fatal(err)
	}
	const rounds = 3
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writers, readers sync.WaitGroup
	names := map[string]*churn{}
	for name, round := range map[string]func(*churn, context.Context, string) error{"c": (*churn).round, "decoy": (*churn).round, "swapped": (*churn).replace} {
		ch := &churn{db: g.client(t).Database(home.Name())}
		names[name] = ch
		if name == "swapped" {
			if err := ch.fill(ctx, name, name, ch.next()); err != nil {
				t.Fatal(err)
			}
		}
		writers.Go(func() {
			for range rounds {
				if err := round(ch, ctx, name); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	var answers, filled atomic.Int64
	for kind, read := range churnReads() {
		for name, ch := range names {
			db := g.client(t).Database(home.Name())
			readers.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					over := ch.over.Load()
					raw, err := db.RunCommand(ctx, read.command(name, n)).Raw()
					if ctx.Err() != nil {
						return
					}
					if err == nil {
						err = checkChurned(raw, name, over, ch.begun.Load(), read.most, read.grouped)
					}
					if err != nil {
						t.Errorf("%s of %s: %v", kind, name, err)
						return
					}
					answers.Add(1)
					batch, _ := raw.Lookup("cursor", "firstBatch").Array().Values()
					if len(batch) > 0 {
						filled.Add(1)
					} else if name == "swapped" {
						t.Errorf("%s of %s: nothing, although there is a collection at all times", kind, name)
						return
					}
				}
			})
		}
	}
	writers.Wait()
	stop()
	readers.Wait()
	t.Logf("%d answers, %d with documents; by point %d, whole %d, hash %d", answers.Load(), filled.Load(),
		g.shortcuts(t, "point"), g.shortcuts(t, "whole"), g.shortcuts(t, "hash"))
	for _, way := range []string{"point", "whole", "hash"} {
		if g.shortcuts(t, way) == 0 {
			t.Errorf("no read took the shortcut %s", way)
		}
	}
	if filled.Load() == 0 {
		t.Error("no read found anything")
	}
}

// checkChurned fails unless an answer has documents of one generation that is newer than over and not newer than begun, and of that name.
func checkChurned(raw bson.Raw, name string, over, begun int64, most int, grouped bool) error {
	values, err := raw.Lookup("cursor", "firstBatch").Array().Values()
	if err != nil {
		return err
	}
	if grouped && len(values) > 1 || len(values) > most {
		return fmt.Errorf("more than one state: %v", values)
	}
	generation := int64(0)
	for _, v := range values {
		doc := v.Document()
		if grouped {
			if n := doc.Lookup("n").AsInt64(); n > inGeneration {
				return fmt.Errorf("more documents than there were: %v", doc)
			}
			doc = doc.Lookup("_id").Document()
		}
		gen := doc.Lookup("gen").AsInt64()
		if generation == 0 {
			generation = gen
		}
		if of := doc.Lookup("of").StringValue(); of != name || gen != generation || gen <= over || gen > begun {
			return fmt.Errorf("got %v, want one generation after %d up to %d", values, over, begun)
		}
	}
	return nil
}
