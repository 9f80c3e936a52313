package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tine/e2e/harness"
)

// source is a cluster that is forked.
type source struct {
	cluster *godo.Database
	node    string // name of its volume and of its socket directory
	history string // name of its history
	client  *mongo.Client
	size    int64 // bytes of documents, about
}

const (
	writers   = 4
	batch     = 1000 // documents an insert while filling
	stride    = 100  // documents an insert while a history is written
	payload   = 1000 // bytes of a document that cannot be compressed
	megabyte  = 1_000_000
	fillEvery = 10 * time.Second // between lines of progress
)

func documents(client *mongo.Client) *mongo.Collection {
	return client.Database("bench").Collection("docs")
}

// newSource makes a cluster and fills it with so many bytes.
func (b *bench) newSource(ctx context.Context, name string, bytes int64) (*source, error) {
	s, err := b.emptySource(ctx, name)
	if err != nil {
		return nil, err
	}
	return s, b.fill(ctx, s, bytes)
}

// quietSource is newSource for a source that will not be written to.
func (b *bench) quietSource(ctx context.Context, name string, bytes int64) (*source, error) {
	s, err := b.emptySource(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := b.quiet(ctx, s); err != nil {
		return s, err
	}
	return s, b.fill(ctx, s, bytes)
}

func (b *bench) emptySource(ctx context.Context, name string) (*source, error) {
	return b.emptySourceOf(ctx, name, plan)
}

func (b *bench) emptySourceOf(ctx context.Context, name, plan string) (*source, error) {
	request := harness.CreateRequest(b.newName(name))
	request.SizeSlug = plan
	return b.makeSource(ctx, request)
}

// aloneStorageMiB is the most that the plan may have: the source grows by its history.
const aloneStorageMiB = 61440

// alone puts a fork in the place of a source, which is destroyed: the same data, without the history of how it was filled, which takes more room than the data.
func (b *bench) alone(ctx context.Context, s *source) (*source, error) {
	request := harness.ForkRequest(s.cluster.Name, b.newName("alone"), time.Time{})
	request.StorageSizeMib = aloneStorageMiB
	fork, err := b.makeSource(ctx, request)
	if err != nil {
		return nil, err
	}
	fork.size = s.size
	if err := s.client.Disconnect(ctx); err != nil {
		return nil, fmt.Errorf("disconnect from source %s: %w", s.cluster.Name, err)
	}
	if err := b.tine.Remove(ctx, s.cluster.ID); err != nil {
		return nil, fmt.Errorf("remove source %s: %w", s.cluster.Name, err)
	}
	return fork, nil
}

// makeSource makes a cluster, looks for what belongs to it, and connects.
func (b *bench) makeSource(ctx context.Context, request *godo.DatabaseCreateRequest) (*source, error) {
	nodes, err := b.names("volumes")
	if err != nil {
		return nil, err
	}
	histories, err := b.names("history")
	if err != nil {
		return nil, err
	}
	c, err := b.tine.Make(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("make source %s: %w", request.Name, err)
	}
	node, err := b.addition("volumes", nodes)
	if err != nil {
		return nil, err
	}
	history, err := b.addition("history", histories)
	if err != nil {
		return nil, err
	}
	client, err := mongo.Connect(options.Client().ApplyURI(c.Connection.URI))
	if err != nil {
		return nil, fmt.Errorf("connect to source %s: %w", request.Name, err)
	}
	return &source{cluster: c, node: node, history: history, client: client}, nil
}

// names lists what is in a directory of the pool: volumes has an entry for each node, history one for each history.
func (b *bench) names(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(b.tine.PoolDir(), dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the first one makes it
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// addition is what came to a directory of the pool since it was listed.
func (b *bench) addition(dir string, before []string) (string, error) {
	after, err := b.names(dir)
	if err != nil {
		return "", err
	}
	after = slices.DeleteFunc(after, func(n string) bool { return slices.Contains(before, n) })
	if len(after) != 1 {
		return "", fmt.Errorf("find what belongs to a new cluster: %d entries of %s are new", len(after), dir)
	}
	return after[0], nil
}

// fill inserts documents in batches from several writers, through the gateway.
func (b *bench) fill(ctx context.Context, s *source, bytes int64) error {
	begin := time.Now()
	s.size += bytes
	var left, done atomic.Int64
	left.Store(bytes / payload)
	stop := b.reportFill(s, &done, bytes)
	defer stop()
	err := parallel(ctx, func(ctx context.Context, writer int) error {
		random := newRandom(writer)
		for {
			count := min(batch, left.Add(-batch)+batch)
			if count <= 0 {
				return nil
			}
			if err := s.insert(ctx, random, writer, int(count)); err != nil {
				return err
			}
			done.Add(count * payload)
		}
	})
	if err != nil {
		return fmt.Errorf("fill source %s: %w", s.cluster.Name, err)
	}
	taken := time.Since(begin)
	used, err := b.poolUsed()
	b.progress("%s: %s of documents written in %s, %s/s; the pool uses %s", s.cluster.Name, humanBytes(bytes), human(taken),
		humanBytes(int64(float64(bytes)/taken.Seconds())), humanBytes(used))
	return err
}

func (b *bench) reportFill(s *source, done *atomic.Int64, bytes int64) (stop func()) {
	finished := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() {
		tick := time.NewTicker(fillEvery)
		defer tick.Stop()
		for {
			select {
			case <-finished:
				return
			case <-tick.C:
				b.progress("%s: %s of %s", s.cluster.Name, humanBytes(done.Load()), humanBytes(bytes))
			}
		}
	})
	return func() { close(finished); reporter.Wait() }
}

// parallel runs work once a writer; the first error ends all.
func parallel(ctx context.Context, work func(ctx context.Context, writer int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			if err := work(ctx, w); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// newRandom is the same in every run, so that runs can be compared.
func newRandom(writer int) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{byte(writer)}) }

func (s *source) insert(ctx context.Context, random *rand.ChaCha8, writer, count int) error {
	docs := make([]bson.D, count)
	for i := range docs {
		docs[i] = newDocument(random, writer, i)
	}
	if _, err := documents(s.client).InsertMany(ctx, docs, options.InsertMany().SetOrdered(false)); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return nil
}

func newDocument(random *rand.ChaCha8, writer, number int) bson.D {
	data := make([]byte, payload)
	_, _ = random.Read(data) // cannot fail
	return bson.D{{Key: "w", Value: writer}, {Key: "n", Value: number}, {Key: "data", Value: data}}
}

// writing is what the writers of a history have done.
type writing struct {
	begin     time.Time
	documents atomic.Int64
	stop      func() error // ends them and returns the first error
}

// write has all writers insert documents, in batches as one does who wants to be fast, each as soon as the one before is
// acknowledged, until stop is called.
func (s *source) write(ctx context.Context) *writing {
	ctx, cancel := context.WithCancel(ctx)
	w := &writing{begin: time.Now()}
	ended := make(chan error, 1)
	go func() {
		ended <- parallel(ctx, func(ctx context.Context, writer int) error {
			random := newRandom(writer)
			for ctx.Err() == nil {
				if err := s.insert(ctx, random, writer, stride); err != nil && ctx.Err() == nil {
					return err
				}
				w.documents.Add(stride)
			}
			return nil
		})
	}()
	w.stop = sync.OnceValue(func() error {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	})
	return w
}

// wait returns after d or when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
