package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// begin starts a transaction and returns its context.
func begin(tb testing.TB, client *mongo.Client) (context.Context, *mongo.Session) {
	tb.Helper()
	s := must(client.StartSession())(tb)
	tb.Cleanup(func() { s.EndSession(context.WithoutCancel(tb.Context())) })
	if err := s.StartTransaction(); err != nil {
		tb.Fatal(err)
	}
	return mongo.NewSessionContext(tb.Context(), s), s
}

func ok(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func count(tb testing.TB, coll *mongo.Collection) int64 {
	tb.Helper()
	return must(coll.CountDocuments(tb.Context(), bson.D{}))(tb)
}

func wantLabel(tb testing.TB, err error, label string, want bool) {
	tb.Helper()
	var se mongo.ServerError
	if got := errors.As(err, &se) && se.HasErrorLabel(label); got != want {
		tb.Errorf("label %s on %v: %v, want %v", label, err, got, want)
	}
}

func inc(by int) bson.D { return bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: by}}}} }

func byID(id any) bson.D { return bson.D{{Key: "_id", Value: id}} }

func TestTransactionIsAllOrNothingAcrossDatabases(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	a, b := db.Collection("a"), db.Client().Database(db.Name()+"2").Collection("b")
	t.Cleanup(func() { _ = b.Database().Drop(context.WithoutCancel(t.Context())) })
	for _, commit := range []bool{false, true} {
		ctx, s := begin(t, db.Client())
		must(a.InsertOne(ctx, bson.D{{Key: "x", Value: 1}}))(t) // makes the collection, in the transaction
		must(b.InsertOne(ctx, bson.D{{Key: "x", Value: 1}}))(t)
		must(a.UpdateOne(ctx, bson.D{}, inc(1)))(t)
		if n := must(a.CountDocuments(ctx, bson.D{{Key: "n", Value: 1}}))(t); n != 1 {
			t.Errorf("the transaction sees %d of its own documents", n)
		}
		if n := count(t, a) + count(t, b); n != 0 {
			t.Errorf("%d documents are visible before the commit", n)
		}
		if commit {
			ok(t, s.CommitTransaction(t.Context()))
		} else {
			ok(t, s.AbortTransaction(t.Context()))
		}
		want := int64(0)
		if commit {
			want = 1
		}
		if na, nb := count(t, a), count(t, b); na != want || nb != want {
			t.Errorf("after commit %v: %d and %d documents", commit, na, nb)
		}
	}
}

func TestTransactionReadsOneSnapshot(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	must(coll.InsertMany(t.Context(), []any{byID(1), byID(2)}))(t)
	ctx, s := begin(t, coll.Database().Client())
	if n := must(coll.CountDocuments(ctx, bson.D{}))(t); n != 2 {
		t.Fatalf("%d documents", n)
	}
	must(coll.InsertOne(t.Context(), byID(3)))(t)
	must(coll.DeleteOne(t.Context(), byID(1)))(t)
	cur := must(coll.Find(ctx, bson.D{}, options.Find().SetSort(byID(1))))(t)
	var docs []struct {
		ID int `bson:"_id"`
	}
	ok(t, cur.All(ctx, &docs))
	if len(docs) != 2 || docs[0].ID != 1 || docs[1].ID != 2 {
		t.Errorf("a transaction saw what was written after it began: %v", docs)
	}
	ok(t, s.CommitTransaction(t.Context()))
}

func TestConflictIsATransientError(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	must(coll.InsertOne(t.Context(), byID(1)))(t)
	must(coll.InsertOne(t.Context(), byID(2)))(t)
	client := coll.Database().Client()

	for name, write := range map[string]func(context.Context) error{
		"update": func(ctx context.Context) error {
			_, err := coll.UpdateOne(ctx, byID(1), inc(1))
			return err
		},
		"delete": func(ctx context.Context) error {
			_, err := coll.DeleteOne(ctx, byID(1))
			return err
		},
		"findAndModify": func(ctx context.Context) error {
			return coll.FindOneAndUpdate(ctx, byID(1), inc(1)).Err()
		},
		"insert": func(ctx context.Context) error {
			_, err := coll.InsertOne(ctx, byID(99))
			return err
		},
	} {
		first, s1 := begin(t, client)
		ok(t, write(first))
		second, s2 := begin(t, client)
		must(coll.CountDocuments(second, bson.D{}))(t)
		err := write(second) // the first holds the document
		wantCode(t, err, 112)
		wantLabel(t, err, "TransientTransactionError", true)
		third, s3 := begin(t, client)
		must(coll.CountDocuments(third, bson.D{}))(t)
		ok(t, s1.CommitTransaction(t.Context()))
		if name != "insert" { // which meets a duplicate key
			err = write(third) // the first has changed what the third's snapshot shows
			if name == "delete" {
				ok(t, s3.AbortTransaction(t.Context()))
			}
			wantCode(t, err, 112)
			wantLabel(t, err, "TransientTransactionError", true)
		}
		_ = s2.AbortTransaction(t.Context())
		_ = s3.AbortTransaction(t.Context())
		must(coll.DeleteMany(t.Context(), bson.D{}))(t)
		must(coll.InsertOne(t.Context(), byID(1)))(t)
	}
}

// A write error leaves PostgreSQL's transaction open, with what was written before it.
func TestWriteErrorEndsTheTransaction(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	must(coll.InsertOne(t.Context(), byID(1)))(t)
	ctx, s := begin(t, coll.Database().Client())
	must(coll.InsertOne(ctx, byID(2)))(t)
	_, err := coll.InsertOne(ctx, byID(1))
	if !mongo.IsDuplicateKeyError(err) {
		t.Errorf("error is %v, want a duplicate key", err)
	}
	_, err = coll.InsertOne(ctx, byID(3))
	wantCode(t, err, 251)
	wantLabel(t, err, "TransientTransactionError", true)
	wantCode(t, s.CommitTransaction(t.Context()), 251)
	if n := count(t, coll); n != 1 {
		t.Errorf("%d documents, want the one from before", n)
	}
}

func TestCursorsOfATransactionRunSideBySide(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	var docs []any
	for i := range 1000 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "s", Value: strings.Repeat("x", 1000)}})
	}
	must(coll.InsertMany(t.Context(), docs))(t)
	ctx, s := begin(t, coll.Database().Client())
	sorted := func(direction int) *mongo.Cursor {
		return must(coll.Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "s", Value: 1}, {Key: "_id", Value: direction}}).SetBatchSize(10)))(t)
	}
	up, down := sorted(1), sorted(-1)
	group := must(coll.Aggregate(ctx, bson.A{bson.D{{Key: "$sort", Value: byID(1)}}}, options.Aggregate().SetBatchSize(7)))(t)
	for i := range 1000 {
		for cur, want := range map[*mongo.Cursor]int{up: i, down: 999 - i, group: i} {
			if !cur.Next(ctx) {
				t.Fatalf("a cursor ended after %d documents: %v", i, cur.Err())
			}
			if id := cur.Current.Lookup("_id").AsInt64(); id != int64(want) {
				t.Fatalf("document %d is %d, want %d", i, id, want)
			}
		}
	}
	for _, cur := range []*mongo.Cursor{up, down, group} {
		if cur.Next(ctx) || cur.ID() != 0 {
			t.Error("a cursor goes on after the last document")
		}
	}
	left := sorted(1)
	must(coll.InsertOne(ctx, byID(5000)))(t)
	ok(t, s.CommitTransaction(t.Context()))
	if left.RemainingBatchLength(); left.ID() == 0 {
		t.Error("the first of many batches closed the cursor")
	}
	for left.RemainingBatchLength() > 0 {
		left.Next(t.Context())
	}
	if left.Next(t.Context()) {
		t.Error("a cursor outlived its transaction")
	}
}

func TestTransactionRefusesWhatCannotBePartOfIt(t *testing.T) {
	t.Parallel()
	coll := open(t, nil).database(t).Collection("c")
	db := coll.Database()
	must(coll.InsertOne(t.Context(), byID(1)))(t)
	for _, c := range []struct {
		name    string
		command bson.D
		code    int
	}{
		{"count", bson.D{{Key: "count", Value: "c"}}, 263},
		{"listCollections", bson.D{{Key: "listCollections", Value: 1}}, 263},
		{"drop", bson.D{{Key: "drop", Value: "c"}}, 263},
		{"$out", bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$out", Value: "d"}}}}, {Key: "cursor", Value: bson.D{}}}, 263},
		{"writeConcern", bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{byID(9)}}, {Key: "writeConcern", Value: bson.D{{Key: "w", Value: 1}}}}, 72},
	} {
		ctx, s := begin(t, db.Client())
		must(coll.InsertOne(ctx, byID(2)))(t)
		wantCode(t, db.RunCommand(ctx, c.command).Err(), c.code)
		_ = s.AbortTransaction(t.Context())
	}
	if n := count(t, coll); n != 1 {
		t.Errorf("%d documents, want 1", n)
	}
}

// inSession has the fields that put a command into a transaction.
func inSession(id byte, number int64, more ...bson.E) bson.D {
	uuid := bson.Binary{Subtype: 4, Data: append(make([]byte, 15), id)}
	return append(bson.D{{Key: "lsid", Value: bson.D{{Key: "id", Value: uuid}}}, {Key: "txnNumber", Value: number}}, more...)
}

func TestTransactionNumbers(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	c := g.login(t, "doadmin", password)
	insert := func(id int, fields bson.D) bson.D {
		doc := bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{byID(id)}}, {Key: "$db", Value: db.Name()}}
		return append(doc, fields...)
	}
	autocommit, start := bson.E{Key: "autocommit", Value: false}, bson.E{Key: "startTransaction", Value: true}
	end := func(command string, number int64) bson.D {
		return append(bson.D{{Key: command, Value: 1}, {Key: "$db", Value: "admin"}}, inSession(1, number, autocommit)...)
	}
	for i, step := range []struct {
		command bson.D
		code    int32
	}{
		{insert(1, inSession(1, 1, autocommit)), 251},        // nothing to go on with
		{insert(1, inSession(1, 1, start)), 72},              // autocommit is missing
		{insert(1, inSession(1, 1, autocommit, start)), 0},   //
		{insert(2, inSession(1, 1, autocommit, start)), 117}, // started already
		{insert(2, inSession(1, 1, autocommit)), 0},          //
		{end("commitTransaction", 2), 251},                   // there is no such transaction
		{end("commitTransaction", 1), 0},                     //
		{end("commitTransaction", 1), 0},                     // the answer was lost
		{end("abortTransaction", 1), 256},                    //
		{insert(3, inSession(1, 1, autocommit)), 256},        //
		{insert(3, inSession(1, 5, autocommit, start)), 0},   //
		{insert(4, inSession(1, 6)), 0},                      // a retryable write ends the transaction before it
		{insert(4, inSession(1, 6)), 0},                      // repeated
		{end("commitTransaction", 5), 225},                   //
		{insert(4, inSession(1, 6, autocommit)), 251},        // 6 was no transaction
		{insert(5, inSession(1, 4)), 225},                    //
		{insert(5, inSession(1, 7, autocommit, start)), 0},   //
		{insert(6, inSession(1, 8, autocommit, start)), 0},   // ends 7
		{end("abortTransaction", 8), 0},                      //
		{end("abortTransaction", 8), 251},                    //
		{end("commitTransaction", 8), 251},                   //
		{bson.D{{Key: "commitTransaction", Value: 1}, {Key: "$db", Value: "admin"}}, 72},
	} {
		reply := c.command(t, step.command)
		if code, _ := reply.Lookup("code").Int32OK(); code != step.code {
			t.Errorf("step %d: reply %s, want code %d", i, reply, step.code)
		}
	}
	if n := count(t, db.Collection("c")); n != 3 {
		t.Errorf("%d documents, want 1, 2 and 4", n)
	}
}

// The record of a commit is in the cluster's data: another gateway, as after a kill -9, finds it.
func TestCommitIsRememberedByTheCluster(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	must(db.Collection("c").InsertOne(t.Context(), byID(0)))(t)
	autocommit := bson.E{Key: "autocommit", Value: false}
	run := func(g *gw, command bson.D, db string, fields bson.D) int32 {
		t.Helper()
		reply := g.login(t, "doadmin", password).command(t, append(append(command, bson.E{Key: "$db", Value: db}), fields...))
		code, _ := reply.Lookup("code").Int32OK()
		return code
	}
	c := g.login(t, "doadmin", password)
	c.command(t, append(bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{byID(1)}}, {Key: "$db", Value: db.Name()}},
		inSession(7, 3, autocommit, bson.E{Key: "startTransaction", Value: true})...))
	c.command(t, append(bson.D{{Key: "commitTransaction", Value: 1}, {Key: "$db", Value: "admin"}}, inSession(7, 3, autocommit)...))

	other := open(t, nil)
	commit := bson.D{{Key: "commitTransaction", Value: 1}}
	if code := run(other, commit, "admin", inSession(7, 3, autocommit)); code != 0 {
		t.Errorf("the repeated commit fails with %d", code)
	}
	if code := run(other, commit, "admin", inSession(7, 4, autocommit)); code != 251 {
		t.Errorf("the commit of a transaction that never was ends with %d", code)
	}
	update := bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: byID(1)}, {Key: "u", Value: inc(1)}}}}}
	for i, g := range []*gw{g, other, open(t, nil)} {
		if code := run(g, update, db.Name(), inSession(8, 1)); code != 0 {
			t.Errorf("repetition %d fails with %d", i, code)
		}
	}
	var doc struct{ N int }
	ok(t, db.Collection("c").FindOne(t.Context(), byID(1)).Decode(&doc))
	if doc.N != 1 {
		t.Errorf("a write that was sent to three gateways happened %d times", doc.N)
	}
	if code := run(open(t, nil), update, db.Name(), inSession(8, 0)); code != 225 {
		t.Errorf("an older number ends with %d", code)
	}
}

func TestTransactionEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	g := open(t, nil)
	db := g.database(t)
	coll := db.Collection("c")
	must(coll.InsertOne(t.Context(), byID(1)))(t)
	c := g.login(t, "doadmin", password)
	fields := inSession(1, 1, bson.E{Key: "autocommit", Value: false}, bson.E{Key: "startTransaction", Value: true})
	update := bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: byID(1)}, {Key: "u", Value: inc(1)}}}}}
	reply := c.command(t, append(append(update, bson.E{Key: "$db", Value: db.Name()}), fields...))
	if reply.Lookup("ok").Double() != 1 {
		t.Fatal(reply)
	}
	ok(t, c.Close())
	// It would wait for the transaction's lifetime.
	must(coll.UpdateOne(t.Context(), byID(1), inc(10)))(t)
	var doc struct{ N int }
	ok(t, coll.FindOne(t.Context(), byID(1)).Decode(&doc))
	if doc.N != 10 {
		t.Errorf("n is %d: the transaction of a client that has gone was committed", doc.N)
	}
}

// Transfers between accounts never change the sum, whatever conflicts they meet, and every snapshot shows it.
func TestTransfersKeepTheSum(t *testing.T) {
	t.Parallel()
	const accounts, workers, transfers = 6, 8, 25
	coll := open(t, nil).database(t).Collection("c")
	for i := range accounts {
		must(coll.InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}, {Key: "n", Value: 100}}))(t)
	}
	client := coll.Database().Client()
	sum := func(ctx context.Context) (int, error) {
		cur, err := coll.Aggregate(ctx, bson.A{bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: nil}, {Key: "n", Value: bson.D{{Key: "$sum", Value: "$n"}}}}}}})
		if err != nil {
			return 0, err
		}
		var docs []struct{ N int }
		if err := cur.All(ctx, &docs); err != nil {
			return 0, err
		}
		return docs[0].N, nil
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range transfers {
				from, to := (w+i)%accounts, (w+3*i+1)%accounts
				if err := transfer(t.Context(), client, coll, from, to, sum); err != nil {
					t.Errorf("transfer: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := must(sum(t.Context()))(t); n != accounts*100 {
		t.Errorf("the sum is %d, want %d", n, accounts*100)
	}
}

func transfer(ctx context.Context, client *mongo.Client, coll *mongo.Collection, from, to int, sum func(context.Context) (int, error)) error {
	s, err := client.StartSession()
	if err != nil {
		return err
	}
	defer s.EndSession(ctx)
	_, err = s.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		n, err := sum(ctx)
		if err != nil {
			return nil, err
		}
		if n != 600 {
			return nil, fmt.Errorf("a snapshot has the sum %d", n)
		}
		if _, err := coll.UpdateOne(ctx, byID(from), inc(-1)); err != nil {
			return nil, err
		}
		_, err = coll.UpdateOne(ctx, byID(to), inc(1))
		return nil, err
	})
	return err
}

func TestCollectionMadeAfterTheSnapshotIsAConflict(t *testing.T) {
	t.Parallel()
	db := open(t, nil).database(t)
	must(db.Collection("a").InsertOne(t.Context(), bson.D{}))(t)
	ctx, _ := begin(t, db.Client())
	must(db.Collection("a").CountDocuments(ctx, bson.D{}))(t) // takes the snapshot
	must(db.Collection("b").InsertOne(t.Context(), bson.D{}))(t)
	_, err := db.Collection("b").InsertOne(ctx, bson.D{})
	wantCode(t, err, 112)
	wantLabel(t, err, "TransientTransactionError", true)
}
