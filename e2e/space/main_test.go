package space

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/godo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sys/unix"

	"tine/e2e/harness"
	"tine/internal/contract"
	"tine/internal/storage"
)

// patience is for everything that takes a moment on a quiet machine.
const patience = time.Minute

// start runs a Tine with a small pool of its own, which is gone after the test.
func start(t *testing.T, opts harness.Options) *harness.Tine {
	t.Helper()
	opts.ImageGiB, opts.ReplayMiB, opts.Transport = 2, 16, contract.Wrap
	if opts.Pool == nil {
		opts.Pool = map[string]string{}
	}
	opts.Pool["space_interval"] = "200ms"
	tine, err := harness.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_ = os.RemoveAll(filler(tine) + ".d")
		_ = os.Remove(filler(tine)) // or Tine could not even be started to clean up
		if err := tine.Destroy(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(head(tine.LogText()))
		}
	})
	tine.Quiet = true
	if err := tine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tine
}

// head is the begin of a log, which is long, without what is not out of the ordinary.
func head(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "level=INFO") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[:min(len(lines), mostLines)], "")
}

const mostLines = 40

func filler(tine *harness.Tine) string { return filepath.Join(tine.PoolDir(), "filler") }

// leave fills the pool up until that share of it is free, in per cent.
func leave(t *testing.T, tine *harness.Tine, percent int64) {
	t.Helper()
	f, err := os.OpenFile(filler(tine), os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	defer func() { _ = f.Close() }()
	pool, err := storage.OpenPool(t.Context(), storage.PoolConfig{Path: tine.PoolDir()}) // it is mounted, and stays so
	must(t, err)
	s, err := pool.Space()
	must(t, err)
	info, err := f.Stat()
	must(t, err)
	grow := s.Free - s.Total*percent/100
	if grow <= 0 {
		t.Fatalf("less than %d %% are free already", percent)
	}
	must(t, unix.Fallocate(int(f.Fd()), 0, info.Size(), grow))
	must(t, f.Sync())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// source is a cluster whose writer remembers what was acknowledged.
type source struct {
	t            *testing.T
	tine         *harness.Tine
	cluster      *godo.Database
	client       *mongo.Client
	coll         *mongo.Collection
	acknowledged int
	payload      string
}

func newSource(t *testing.T, tine *harness.Tine, name string) *source {
	t.Helper()
	made, err := tine.Make(t.Context(), harness.CreateRequest(name))
	must(t, err)
	client, err := harness.Connect(t.Context(), made.Connection.URI)
	must(t, err)
	t.Cleanup(func() { _ = client.Disconnect(context.WithoutCancel(t.Context())) })
	// What compresses badly: PostgreSQL compresses, too.
	payload := make([]byte, 0, 8<<10)
	for i := 0; len(payload) < cap(payload)-40; i++ {
		payload = fmt.Appendf(payload, "%x", uint64(i+1)*0x9E3779B97F4A7C15)
	}
	return &source{t: t, tine: tine, cluster: made, client: client, coll: client.Database("shop").Collection("docs"), payload: string(payload)}
}

// write inserts a batch of about 2 MB, whose documents count as acknowledged if there is no error.
func (s *source) write(ctx context.Context) error {
	const batch = 256
	docs := make([]any, batch)
	for i := range docs {
		n := s.acknowledged + i
		docs[i] = bson.D{{Key: "_id", Value: n}, {Key: "text", Value: fmt.Sprint(n) + s.payload}}
	}
	if _, err := s.coll.InsertMany(ctx, docs); err != nil {
		return err
	}
	s.acknowledged += batch
	return nil
}

// check reads everything that was acknowledged.
func (s *source) check() {
	s.t.Helper()
	for n := range s.acknowledged {
		if n%97 != 0 && n != s.acknowledged-1 {
			continue
		}
		var doc struct{ Text string }
		if err := s.coll.FindOne(s.t.Context(), bson.D{{Key: "_id", Value: n}}).Decode(&doc); err != nil || !strings.HasPrefix(doc.Text, fmt.Sprint(n)) {
			s.t.Fatalf("document %d of %d that were acknowledged: %v", n, s.acknowledged, err)
		}
	}
	count, err := s.coll.CountDocuments(s.t.Context(), bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: s.acknowledged}}}})
	if err != nil || count != int64(s.acknowledged) {
		s.t.Fatalf("%d documents of %d that were acknowledged are there: %v", count, s.acknowledged, err)
	}
}

// event returns the message of a cluster's newest event of that kind, empty if there is none.
func event(t *testing.T, tine *harness.Tine, id, kind string) (message string) {
	t.Helper()
	events, err := tine.Events(t.Context(), id)
	must(t, err)
	for _, e := range events {
		if e.Detail == kind {
			message = e.Message
		}
	}
	return message
}

// eventually repeats a look until it says true.
func eventually(t *testing.T, what string, look func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !look() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain until %s", patience, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// isStatus says whether an error of the API is one of that status.
func isStatus(err error, status int) bool {
	var e *godo.ErrorResponse
	return errors.As(err, &e) && e.Response != nil && e.Response.StatusCode == status
}

// refusesClusters checks how a create is answered while the pool is full.
func refusesClusters(t *testing.T, tine *harness.Tine, r *godo.DatabaseCreateRequest) bool {
	t.Helper()
	made, _, err := tine.API.Databases.Create(t.Context(), r)
	if err == nil {
		_, err := tine.API.Databases.Delete(t.Context(), made.ID)
		must(t, err)
		return false
	}
	if !isStatus(err, http.StatusConflict) || !strings.Contains(err.Error(), "has no room for another cluster") {
		t.Fatal(err)
	}
	return true
}

// grow gives back what leave has taken.
func grow(t *testing.T, tine *harness.Tine) {
	t.Helper()
	must(t, errors.Join(os.RemoveAll(filler(tine)), os.RemoveAll(filler(tine)+".d")))
	dir, err := os.Open(tine.PoolDir())
	must(t, err)
	defer func() { _ = dir.Close() }()
	must(t, unix.Syncfs(int(dir.Fd())))
}

// exhaust fills the pool up completely.
func exhaust(t *testing.T, tine *harness.Tine) {
	t.Helper()
	f, err := os.OpenFile(filler(tine), os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	must(t, err)
	size := info.Size()
	for step := int64(256 << 20); step >= 4<<10; {
		err := unix.Fallocate(int(f.Fd()), 0, size, step)
		switch {
		case err == nil:
			size += step
		case errors.Is(err, unix.ENOSPC):
			step /= 2
		default:
			t.Fatal(err)
		}
	}
}

// exhaustMetadata fills up what btrfs needs for itself, in which small files are kept, as far as that can be done from outside: when the last of it is taken, btrfs
// turns read-only for good.
func exhaustMetadata(t *testing.T, tine *harness.Tine) {
	t.Helper()
	leave(t, tine, 15) // what is left is not given out yet, and can become metadata
	pool, err := storage.OpenPool(t.Context(), storage.PoolConfig{Path: tine.PoolDir()})
	must(t, err)
	dir := filler(tine) + ".d"
	must(t, os.MkdirAll(dir, 0o700))
	content := make([]byte, 2000)
	const batch, most, enough = 500, 1_000_000, 0.09
	for i := 0; i < most; i += batch {
		s, err := pool.Space()
		must(t, err)
		if s.FreeShare() < enough {
			return
		}
		for j := range batch {
			err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i+j)), content, 0o600)
			if errors.Is(err, unix.ENOSPC) {
				return // what is reserved for others is in no statistics
			}
			must(t, err)
		}
		must(t, pool.Sync(t.Context()))
	}
	t.Fatal("a million files fit in")
}
