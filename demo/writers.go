package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	writerCount = 4
	// breath between two writes of a writer: the demo shows that writes go on, not how many there can be.
	breath = 2 * time.Millisecond
)

// visit is a write that was acknowledged.
type visit struct {
	id                  string
	began, acknowledged time.Time
}

// writers write visits until they are stopped, and remember each one that was acknowledged.
type writers struct {
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu struct {
		sync.Mutex
		visits  []visit
		failure error
	}
}

func startWriters(ctx context.Context, s *shop) *writers {
	ctx, cancel := context.WithCancel(ctx)
	w := &writers{cancel: cancel}
	for writer := range writerCount {
		w.group.Go(func() { w.write(ctx, s, writer) })
	}
	return w
}

// write goes on until ctx ends or a write fails.
func (w *writers) write(ctx context.Context, s *shop, writer int) {
	for number := 0; pause(ctx, breath) == nil; number++ {
		v := visit{id: fmt.Sprintf("%d-%06d", writer, number), began: time.Now()}
		document := bson.D{{Key: "_id", Value: v.id}, {Key: "at", Value: v.began}, {Key: "page", Value: fmt.Sprintf("/products/%d", number%productCount)}}
		// A write that has begun is finished: it must be known whether it happened.
		_, err := s.visits().InsertOne(context.WithoutCancel(ctx), document)
		v.acknowledged = time.Now()
		w.record(v, err)
		if err != nil {
			return
		}
	}
}

func (w *writers) record(v visit, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.mu.failure = errors.Join(w.mu.failure, fmt.Errorf("write visit %s: %w", v.id, err))
		return
	}
	w.mu.visits = append(w.mu.visits, v)
}

// run lets them work for a while and returns an error if a write failed.
func (w *writers) run(ctx context.Context, d time.Duration) error {
	if err := pause(ctx, d); err != nil {
		return err
	}
	return w.err()
}

func (w *writers) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.failure
}

// visits returns all that have been acknowledged so far.
func (w *writers) visits() []visit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]visit(nil), w.mu.visits...)
}

// stop ends them and waits for the writes that have begun.
func (w *writers) stop() {
	w.cancel()
	w.group.Wait()
}

func slowest(visits []visit) time.Duration {
	var most time.Duration
	for _, v := range visits {
		most = max(most, v.acknowledged.Sub(v.began))
	}
	return most
}
