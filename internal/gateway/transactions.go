package gateway

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"tine/internal/gateway/mongoerr"
)

// maxTransactions is how many transactions a cluster may have open; each has a PostgreSQL connection of its own.
const maxTransactions = 60

// transactions bounds and counts a cluster's transactions.
type transactions struct {
	places chan struct{} // has an element for each that is open

	started, committed, aborted, expired atomic.Int64 // aborted includes the expired
}

func newTransactions(limit int) *transactions {
	return &transactions{places: make(chan struct{}, limit)}
}

// enter takes a place for a transaction, and waits a while for one.
func (s *transactions) enter(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, nodePatience)
	defer cancel()
	select {
	case s.places <- struct{}{}:
		s.started.Add(1)
		return nil
	case <-patience.Done():
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return mongoerr.New(mongoerr.LockTimeout, "the cluster has %d open transactions, which is as many as it may; try again later", cap(s.places))
}

// leave gives the place back.
func (s *transactions) leave(how outcome) {
	if how == committed {
		s.committed.Add(1)
	} else {
		s.aborted.Add(1)
	}
	<-s.places
}

func (s *transactions) open() int { return len(s.places) }

// transactionSet is a set of transactions. Its zero value is empty.
type transactionSet struct {
	mu      sync.Mutex
	members map[*transaction]struct{}
}

func (s *transactionSet) add(t *transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members == nil {
		s.members = map[*transaction]struct{}{}
	}
	s.members[t] = struct{}{}
}

func (s *transactionSet) remove(t *transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, t)
}

func (s *transactionSet) all() []*transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.members))
}
