//go:build soak

package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/digitalocean/godo"

	"tine/e2e/harness"
)

const (
	writers = 4
	atOnce  = 3    // forks that are made at the same time
	keep    = 2000 // documents that each writer leaves, so that to compare a fork takes no longer than to make it
	enough  = 1000 // forks
	longest = 10 * time.Minute
)

type soak struct {
	t      *testing.T
	tine   *harness.Tine
	source *godo.Database
	oracle *harness.Oracle
	names  atomic.Int64

	mu    sync.Mutex
	took  []time.Duration // by each fork, from the request until it is online
	kinds map[string]int
}

func TestForksOfABusyClusterAreExact(t *testing.T) { //nolint:paralleltest // it is alone here
	tine, err := harness.New(harness.Options{ImageGiB: 40, Parent: os.Getenv("TINE_SOAK_DIR")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tine.Destroy(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	tine.Quiet = true
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := &soak{t: t, tine: tine, oracle: harness.NewOracle(writers), kinds: map[string]int{}}
	s.oracle.Keep = keep
	if s.source, err = tine.Make(t.Context(), harness.CreateRequest("busy")); err != nil {
		t.Fatal(err)
	}
	stop := s.write()
	begin := time.Now()
	deadline := begin.Add(longest)
	var running sync.WaitGroup
	var done atomic.Int64
	for range atOnce {
		running.Go(func() {
			for time.Now().Before(deadline) && done.Add(1) <= enough && !t.Failed() {
				if err := s.check(begin); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	stop()
	s.report(time.Since(begin))
	s.bounded(begin, time.Now())
}

// bounded fails the test if there is a moment for which more is replayed than the budget and as much again.
func (s *soak) bounded(from, to time.Time) {
	const moments, megabyte, budget = 1000, 1 << 20, 64 << 20
	all, err := s.tine.Replays(s.t.Context(), s.source.ID, from, to, moments)
	if err != nil {
		s.t.Fatal(err)
	}
	most := all[moments-1]
	s.t.Logf("replay of %d moments: p50 %d MB, p95 %d MB, at most %d MB", moments, all[moments/2]/megabyte, all[moments*95/100]/megabyte, most/megabyte)
	if most > 2*budget {
		s.t.Errorf("for some moment %d MB are replayed", most/megabyte)
	}
}

// write starts the writers and returns what ends them.
func (s *soak) write() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	for n := range writers {
		client, err := harness.Connect(ctx, s.source.Connection.URI)
		if err != nil {
			s.t.Fatal(err)
		}
		running.Go(func() {
			if err := s.oracle.Run(ctx, n, client.Database("d").Collection("c")); err != nil {
				s.t.Error(err)
			}
			_ = client.Disconnect(context.WithoutCancel(ctx))
		})
	}
	return func() { cancel(); running.Wait() }
}

// check makes one fork, or two around a transaction, at a random moment since begin.
func (s *soak) check(begin time.Time) error {
	at := begin.Add(time.Duration(rand.Int64N(int64(time.Since(begin))))).Truncate(time.Microsecond)
	if rand.IntN(3) == 0 {
		return s.checkTransaction(at)
	}
	held, err := s.fork("moment", map[string]any{"backup_created_at": at.UTC().Format(time.RFC3339Nano)}, at)
	_ = held
	return err
}

// checkTransaction compares the forks right before and right after a transaction: exactly one write is between them.
func (s *soak) checkTransaction(at time.Time) error {
	id, err := s.transaction(at)
	if err != nil || id == "" {
		return err
	}
	before, err := s.fork("before", map[string]any{"before_transaction": id}, time.Time{})
	if err != nil {
		return err
	}
	after, err := s.fork("after", map[string]any{"after_transaction": id}, time.Time{})
	if err != nil {
		return err
	}
	more := 0
	for n := range after {
		if after[n] < before[n] {
			return fmt.Errorf("transaction %s: writer %d has %d documents before it and %d after it", id, n, before[n], after[n])
		}
		more += after[n] - before[n]
	}
	if more > 1 { // one that is not a writer's changes nothing
		return fmt.Errorf("transaction %s: %d writes are between the forks before and after it", id, more)
	}
	return nil
}

// transaction is the id of one near a moment; "" if there is none yet.
func (s *soak) transaction(at time.Time) (string, error) {
	var answer struct {
		Transactions []struct {
			ID string `json:"id"`
		} `json:"transactions"`
	}
	query := url.Values{"around": {at.UTC().Format(time.RFC3339Nano)}, "count": {"1"}}
	err := s.call(http.MethodGet, "v2/databases/"+s.source.ID+"/history/transactions?"+query.Encode(), nil, &answer)
	if err != nil || len(answer.Transactions) == 0 {
		return "", err
	}
	return answer.Transactions[len(answer.Transactions)-1].ID, nil
}

// fork makes a fork, compares it with the oracle if a moment is given, and returns how many documents of each writer it holds.
func (s *soak) fork(kind string, restore map[string]any, at time.Time) ([]int, error) {
	ctx := s.t.Context()
	restore["database_name"] = s.source.Name
	var made struct {
		Database *godo.Database `json:"database"`
	}
	start := time.Now()
	body := map[string]any{"name": fmt.Sprintf("fork-%d", s.names.Add(1)), "engine": "mongodb", "backup_restore": restore}
	if err := s.call(http.MethodPost, "v2/databases", body, &made); err != nil {
		return nil, err
	}
	if err := s.tine.WaitOnline(ctx, made.Database.ID); err != nil {
		return nil, err
	}
	s.note(kind, time.Since(start))
	held, err := s.holds(ctx, made.Database.Connection.URI)
	if err == nil && !at.IsZero() {
		err = s.oracle.Compare(held, at)
	}
	if err != nil {
		return nil, err
	}
	return held, s.tine.Remove(ctx, made.Database.ID)
}

// holds is what a fork holds of each writer. It disconnects before the fork is destroyed: afterwards a driver would look for it for half a minute.
func (s *soak) holds(ctx context.Context, uri string) (held []int, err error) {
	client, err := harness.Connect(ctx, uri)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Disconnect(context.WithoutCancel(ctx))) }()
	return s.oracle.Holds(ctx, client.Database("d").Collection("c"))
}

func (s *soak) note(kind string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = append(s.took, took)
	s.kinds[kind]++
}

func (s *soak) call(method, path string, body, into any) error {
	r, err := s.tine.API.NewRequest(s.t.Context(), method, path, body)
	if err != nil {
		return err
	}
	var text strings.Builder
	if _, err := s.tine.API.Do(s.t.Context(), r, io.Writer(&text)); err != nil {
		return err
	}
	return json.Unmarshal([]byte(text.String()), into)
}

func (s *soak) report(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.took)
	quantile := func(q float64) time.Duration {
		if len(s.took) == 0 {
			return 0
		}
		return s.took[int(q*float64(len(s.took)-1))].Round(time.Millisecond)
	}
	s.t.Logf("%d forks (%v) in %s beside %d writes; online after p50 %s, p95 %s, at most %s",
		len(s.took), s.kinds, took.Round(time.Second), s.oracle.Acknowledged(), quantile(0.5), quantile(0.95), quantile(1))
}
