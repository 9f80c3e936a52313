package clients

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
)

func id(n int) bson.D { return bson.D{{Key: "_id", Value: n}} }

func inc(by int) bson.D {
	return bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: by}}}}
}

func wantN(t *testing.T, c *mongo.Collection, n, want int) {
	t.Helper()
	var got struct{ N int }
	if err := c.FindOne(t.Context(), id(n)).Decode(&got); err != nil || got.N != want {
		t.Errorf("document %d has n = %d, want %d: %v", n, got.N, want, err)
	}
}

const accounts, balance = 5, 1000

// bank is a collection of accounts.
func bank(t *testing.T, client *mongo.Client) *mongo.Collection {
	t.Helper()
	c := client.Database("bank").Collection("accounts")
	docs := make([]bson.D, accounts)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}, {Key: "n", Value: balance}}
	}
	_, err := c.InsertMany(t.Context(), docs)
	fatal(t, "fill the bank", err)
	return c
}

// transfer moves money in a transaction, and counts how often it was tried.
func transfer(ctx context.Context, c *mongo.Collection, from, to int, tries *atomic.Int64) error {
	session, err := c.Database().Client().StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		tries.Add(1)
		var account struct{ N int }
		if err := c.FindOne(ctx, id(from)).Decode(&account); err != nil {
			return nil, err
		}
		if _, err := c.UpdateOne(ctx, id(from), bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: account.N - 1}}}}); err != nil {
			return nil, err
		}
		_, err := c.UpdateOne(ctx, id(to), inc(1))
		return nil, err
	})
	return err
}

// total is the sum of all accounts, read one after the other in a snapshot.
func total(ctx context.Context, c *mongo.Collection) (sum int, err error) {
	session, err := c.Database().Client().StartSession()
	if err != nil {
		return 0, err
	}
	defer session.EndSession(ctx)
	opts := options.Transaction().SetReadConcern(readconcern.Snapshot())
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		sum = 0
		for i := range accounts {
			var account struct{ N int }
			if err := c.FindOne(ctx, id(i)).Decode(&account); err != nil {
				return nil, err
			}
			sum += account.N
		}
		return nil, nil
	}, opts)
	return sum, err
}

// Money is neither made nor lost: eight loops move it between few accounts, so that they get in each other's way, while a reader adds it up.
func TestBankKeepsItsBalance(t *testing.T) {
	t.Parallel()
	const loops, transfers = 8, 15
	c := bank(t, connect(t, newCluster(t, shared)))
	var tries atomic.Int64
	var writers, reader sync.WaitGroup
	stop := make(chan struct{})
	for w := range loops {
		writers.Go(func() {
			for i := range transfers {
				if err := transfer(t.Context(), c, (w+i)%accounts, (w+i+1+i%3)%accounts, &tries); err != nil {
					t.Errorf("transfer: %v", err)
					return
				}
			}
		})
	}
	reads := 0
	reader.Go(func() {
		for done := false; !done; reads++ {
			select {
			case <-stop:
				done = true // and once more, of the end
			default:
			}
			if sum, err := total(t.Context(), c); err != nil || sum != accounts*balance {
				t.Errorf("a snapshot has %d, want %d: %v", sum, accounts*balance, err)
				return
			}
		}
	})
	writers.Wait()
	close(stop)
	reader.Wait()
	retries := tries.Load() - loops*transfers
	if retries <= 0 && !t.Failed() {
		t.Error("no transaction was in another's way: the test shows nothing")
	}
	t.Logf("%d transfers, %d retries, %d sums", loops*transfers, retries, reads)
}

func TestConflictingTransactionIsTransient(t *testing.T) {
	t.Parallel()
	client := connect(t, newCluster(t, shared))
	c := bank(t, client)
	sessions := make([]*mongo.Session, 2)
	for i := range sessions {
		s, err := client.StartSession()
		fatal(t, "start session", err)
		defer s.EndSession(context.WithoutCancel(t.Context()))
		fatal(t, "start transaction", s.StartTransaction())
		sessions[i] = s
	}
	first, second := mongo.NewSessionContext(t.Context(), sessions[0]), mongo.NewSessionContext(t.Context(), sessions[1])
	_, err := c.UpdateOne(first, id(0), inc(1))
	fatal(t, "update in the first transaction", err)
	_, err = c.UpdateOne(second, id(0), inc(1))
	wantCode(t, err, 112)
	wantLabel(t, err, "TransientTransactionError")
	_, err = c.UpdateOne(second, id(1), inc(1))
	wantCode(t, err, 251)
	wantLabel(t, err, "TransientTransactionError")
	fatal(t, "commit the first transaction", sessions[0].CommitTransaction(first))
	fatal(t, "commit the first transaction again", sessions[0].CommitTransaction(first))
	_ = sessions[1].AbortTransaction(second)
	wantN(t, c, 0, balance+1)
	wantN(t, c, 1, balance)
}

func wantLabel(t *testing.T, err error, label string) {
	t.Helper()
	var answer mongo.ServerError
	if !errors.As(err, &answer) || !answer.HasErrorLabel(label) {
		t.Errorf("the error %v has no label %s", err, label)
	}
}

// A transaction ends with the connection that it ran on last: nothing of it stays, and its commit is refused.
func TestTransactionWhoseClientIsGoneIsAborted(t *testing.T) {
	t.Parallel()
	uri := newCluster(t, shared)
	p, through := newProxy(t, uri)
	c := bank(t, connect(t, uri))
	client := connect(t, through)
	session, err := client.StartSession()
	fatal(t, "start session", err)
	fatal(t, "start transaction", session.StartTransaction())
	ctx := mongo.NewSessionContext(t.Context(), session)
	_, err = client.Database("bank").Collection("accounts").UpdateOne(ctx, id(0), inc(100))
	fatal(t, "update in the transaction", err)
	p.cut()
	// While the transaction is open the document is locked.
	for {
		_, err := c.UpdateOne(t.Context(), id(0), inc(1))
		if err == nil {
			break
		}
		if _, answered := errors.AsType[mongo.ServerError](err); !answered {
			t.Fatal(err)
		}
	}
	wantN(t, c, 0, balance+1)
	err = session.CommitTransaction(ctx)
	wantCode(t, err, 251)
	session.EndSession(ctx)
	wantN(t, c, 0, balance+1)
}

// A reply to commitTransaction gets lost: the driver asks again, and the transaction has been carried out once.
func TestCommitWhoseReplyIsLostIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	uri := newCluster(t, shared)
	p, through := newProxy(t, uri)
	c := bank(t, connect(t, through))
	for _, forward := range []bool{true, false} {
		t.Run(fmt.Sprintf("command arrived %t", forward), func(t *testing.T) {
			before := read(t, c)
			lost := p.lose(loss{command: "commitTransaction", forward: forward})
			var tries atomic.Int64
			fatal(t, "transfer", transfer(t.Context(), c, 0, 1, &tries))
			wantDone(t, lost)
			wantN(t, c, 0, before-1)
			wantN(t, c, 1, 2*balance-before+1)
			if forward && tries.Load() != 1 {
				t.Errorf("the transaction ran %d times, want 1", tries.Load())
			}
		})
	}
}

func read(t *testing.T, c *mongo.Collection) int {
	t.Helper()
	var got struct{ N int }
	fatal(t, "read account 0", c.FindOne(t.Context(), id(0)).Decode(&got))
	return got.N
}

func wantDone(t *testing.T, lost <-chan struct{}) {
	t.Helper()
	select {
	case <-lost:
	default:
		t.Error("nothing was lost: the test shows nothing")
	}
}

// writes are the kinds of writes that drivers repeat. Each leaves document 0 with n = balance + 1, if it is carried out once.
func writes() map[string]func(context.Context, *mongo.Collection) error {
	return map[string]func(context.Context, *mongo.Collection) error{
		"update": func(ctx context.Context, c *mongo.Collection) error {
			_, err := c.UpdateOne(ctx, id(0), inc(1))
			return err
		},
		"findAndModify": func(ctx context.Context, c *mongo.Collection) error {
			var got struct{ N int }
			err := c.FindOneAndUpdate(ctx, id(0), inc(1), options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&got)
			if err == nil && got.N != balance+1 {
				return fmt.Errorf("the document after it has n = %d", got.N)
			}
			return err
		},
		"insert": func(ctx context.Context, c *mongo.Collection) error {
			if _, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: 100}}); err != nil {
				return err
			}
			_, err := c.UpdateOne(ctx, id(0), inc(1))
			return err
		},
		"delete": func(ctx context.Context, c *mongo.Collection) error {
			r, err := c.DeleteOne(ctx, id(4))
			if err == nil && r.DeletedCount != 1 {
				return fmt.Errorf("%d documents were deleted", r.DeletedCount)
			}
			if err != nil {
				return err
			}
			_, err = c.UpdateOne(ctx, id(0), inc(1))
			return err
		},
		"bulk": func(ctx context.Context, c *mongo.Collection) error {
			models := make([]mongo.WriteModel, 11)
			for i := range models {
				models[i] = mongo.NewUpdateOneModel().SetFilter(id(0)).SetUpdate(inc(1 - 2*(i%2)))
			}
			_, err := c.BulkWrite(ctx, models)
			return err
		},
	}
}

// commandOf is the command that a kind of write is sent with.
func commandOf(kind string) string {
	if kind == "bulk" {
		return "update"
	}
	return kind
}

// A connection breaks after a write was sent, before or after it arrived: the driver sends it again, and it is carried out once.
func TestRetriedWriteIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	for kind, do := range writes() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p, through := newProxy(t, newCluster(t, shared))
			client := connect(t, through)
			for _, forward := range []bool{true, false} {
				fatal(t, "empty the bank", client.Database("bank").Drop(t.Context()))
				c := bank(t, client)
				lost := p.lose(loss{command: commandOf(kind), forward: forward})
				fatal(t, kind, do(t.Context(), c))
				wantDone(t, lost)
				wantN(t, c, 0, balance+1)
			}
		})
	}
}
