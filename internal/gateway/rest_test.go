package gateway_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/internal/gateway"
)

// sleeper is a gateway whose clock the test moves, and whose node is taken to be stopped although it is not.
type sleeper struct {
	*gw
	client *mongo.Client
	now    atomic.Int64
	wakes  atomic.Int64
	woken  chan struct{} // has something after a wake has begun
	fail   atomic.Bool
}

// newSleeper opens it; wakes wait until hold is closed.
func newSleeper(t *testing.T, hold chan struct{}) *sleeper {
	t.Helper()
	s := &sleeper{woken: make(chan struct{}, 1)}
	s.now.Store(time.Now().UnixNano())
	s.gw = openWith(t, gateway.Config{
		Clock: func() time.Time { return time.Unix(0, s.now.Load()) },
		Wake: func(id string) error {
			s.wakes.Add(1)
			select {
			case s.woken <- struct{}{}:
			default:
			}
			<-hold
			if s.fail.Load() {
				return errors.New("no")
			}
			s.server.Woken(id)
			return nil
		},
	}, func(c *gateway.Cluster) { c.Settings.SuspendAfter = time.Minute })
	s.client = s.connect(t)
	return s
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (s *sleeper) connect(t *testing.T) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(s.uri("doadmin", password)).SetMaxPoolSize(50))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	return client
}

func (s *sleeper) find(ctx context.Context) error {
	_, err := s.client.Database("rest").Collection("c").CountDocuments(ctx, bson.D{})
	return err
}

func (s *sleeper) isIdle() bool { return slices.Contains(s.server.Idle(), s.id) }

func (s *sleeper) pass(d time.Duration) { s.now.Add(int64(d)) }

func TestOnlyWorkKeepsANodeFromBeingIdle(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, closed())
	if err := s.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.isIdle() {
		t.Error("the node is idle right after a command")
	}
	s.pass(59 * time.Second)
	if err := s.client.Ping(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	s.pass(time.Second)
	if !s.isIdle() {
		t.Error("a ping counts as work")
	}
	if err := s.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.isIdle() || s.server.Suspend(s.id, time.Second) {
		t.Error("a command does not count as work")
	}
	if !s.server.Suspend(s.id, 0) || s.isIdle() {
		t.Error("the node cannot be suspended, or is still asked for")
	}
}

func TestCommandsWaitForOneWake(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	s := newSleeper(t, hold)
	if err := s.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.server.Suspend(s.id, 0) {
		t.Fatal("the node is in use")
	}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if err := s.find(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	select {
	case <-s.woken:
	case <-t.Context().Done():
		t.Fatal("nobody woke the node")
	}
	watcher, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + s.addr + "/?directConnection=true"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = watcher.Disconnect(t.Context()) }()
	if err := watcher.Ping(t.Context(), nil); err != nil {
		t.Errorf("a ping while the node wakes: %v", err)
	}
	close(hold)
	wg.Wait()
	if n := s.wakes.Load(); n != 1 {
		t.Errorf("the node was woken %d times", n)
	}
}

func TestOpenTransactionsAndCursorsKeepANodeAwake(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, closed())
	coll := s.client.Database("rest").Collection("kept")
	if _, err := coll.InsertMany(t.Context(), []bson.D{{}, {}, {}}); err != nil {
		t.Fatal(err)
	}
	cursor, err := coll.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(1))
	if err != nil {
		t.Fatal(err)
	}
	if s.server.Suspend(s.id, 0) {
		t.Error("a node with an open cursor was suspended")
	}
	if err := cursor.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = s.client.UseSession(t.Context(), func(ctx context.Context) error {
		session := mongo.SessionFromContext(ctx)
		if err := session.StartTransaction(); err != nil {
			return err
		}
		if _, err := coll.InsertOne(ctx, bson.D{}); err != nil {
			return err
		}
		if s.server.Suspend(s.id, 0) {
			t.Error("a node with an open transaction was suspended")
		}
		return session.AbortTransaction(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	if !s.server.Suspend(s.id, 0) {
		t.Error("a node that nobody uses was not suspended")
	}
}

func TestANodeThatCannotBeWokenIsToldToClients(t *testing.T) {
	t.Parallel()
	s := newSleeper(t, closed())
	if err := s.find(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.server.Suspend(s.id, 0) {
		t.Fatal("the node is in use")
	}
	s.fail.Store(true)
	err := s.client.Database("rest").RunCommand(t.Context(), bson.D{{Key: "count", Value: "c"}}).Err()
	if ce, ok := errors.AsType[mongo.CommandError](err); !ok || ce.Name != "PrimarySteppedDown" {
		t.Errorf("the command ended with %v", err)
	}
	s.fail.Store(false)
	if err := s.find(t.Context()); err != nil {
		t.Errorf("after a failed wake: %v", err)
	}
}
