package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

// recorder is a worker for all kinds of jobs that says which it saw, and when.
type recorder[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	seen chan seen
	id   func(T) string
	do   func(context.Context) error
}

type seen struct {
	kind, id string
	at       time.Time
}

func (r *recorder[T]) Work(ctx context.Context, job *river.Job[T]) error {
	r.seen <- seen{job.Kind, r.id(job.Args), time.Now()}
	if r.do != nil {
		return r.do(ctx)
	}
	return nil
}

// startWorkers works on the host's jobs until the test ends.
func startWorkers(t testing.TB, s *store.Store, host string) <-chan seen {
	t.Helper()
	return startRecorders(t, s, host, nil)
}

// startFailingWorker works on host local; work is what a create job does.
func startFailingWorker(t testing.TB, s *store.Store, work func(context.Context) error) <-chan seen {
	t.Helper()
	return startRecorders(t, s, "local", work)
}

func startRecorders(t testing.TB, s *store.Store, host string, create func(context.Context) error) <-chan seen {
	t.Helper()
	ch := make(chan seen, 1000)
	startClient(t, newRecorders(t, s, host, ch, create))
	return ch
}

func newRecorders(t testing.TB, s *store.Store, host string, ch chan seen, create func(context.Context) error) *river.Client[pgx.Tx] {
	t.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, &recorder[store.CreateJob]{seen: ch, id: func(j store.CreateJob) string { return j.ClusterID }, do: create})
	river.AddWorker(workers, &recorder[store.ForkJob]{seen: ch, id: func(j store.ForkJob) string { return j.ClusterID }})
	river.AddWorker(workers, &recorder[store.DestroyJob]{seen: ch, id: func(j store.DestroyJob) string { return j.ClusterID }})
	return must(s.NewWorkerClient(host, workers, 4))(t)
}

func startClient(t testing.TB, client *river.Client[pgx.Tx]) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	if err := client.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.StopAndCancel(ctx); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkJobStart measures what a user waits between the commit of a cluster and the start of its job.
func BenchmarkJobStart(b *testing.B) {
	s := storetest.Open(b)
	jobs := startWorkers(b, s, "local")
	var created, latency time.Duration
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		c, err := s.CreateCluster(b.Context(), newCluster(i), anyPort)
		if err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		job := <-jobs
		if job.id != c.ID {
			b.Fatalf("got the job of %s, want %s", job.id, c.ID)
		}
		created += committed.Sub(began)
		latency += job.at.Sub(committed)
	}
	b.ReportMetric(float64(created.Microseconds())/float64(b.N), "us-create/op")
	b.ReportMetric(float64(latency.Microseconds())/float64(b.N), "us-start/op")
}
