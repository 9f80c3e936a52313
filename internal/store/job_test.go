package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tine/internal/store"
	"tine/internal/store/storetest"
)

func TestJobsRunOnTheirHostWithTheirKind(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	jobs := startWorkers(t, s, "local")
	created := mustCreate(t, s, newCluster(1))
	expect(t, jobs, "cluster_create", created.ID)
	_ = must(s.SetOnline(t.Context(), created.ID))(t)
	fork := newCluster(2)
	fork.SourceID = created.ID
	forked := mustCreate(t, s, fork)
	expect(t, jobs, "cluster_fork", forked.ID)
	if err := s.MarkDestroying(t.Context(), forked.ID); err != nil {
		t.Fatal(err)
	}
	expect(t, jobs, "cluster_destroy", forked.ID)
	elsewhere := newCluster(3)
	elsewhere.Host = "other"
	mustCreate(t, s, elsewhere)
	last := mustCreate(t, s, newCluster(4))
	expect(t, jobs, "cluster_create", last.ID) // and not the other host's
}

// A burst is where River spares notifications, and a job whose notification was spared waits for the next poll: a second.
func TestEveryJobOfABurstIsNotified(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	conn := must(s.Pool().Acquire(t.Context()))(t)
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `LISTEN "tine.river_insert"`); err != nil {
		t.Fatal(err)
	}
	const burst = 12
	for n := range burst {
		mustCreate(t, s, newCluster(n))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for n := range burst {
		notification, err := conn.Conn().WaitForNotification(ctx)
		if err != nil {
			t.Fatalf("notification %d of %d: %v", n+1, burst, err)
		}
		if !strings.Contains(notification.Payload, `"host_local"`) {
			t.Errorf("notification %q, want the host's queue", notification.Payload)
		}
	}
}

func TestRequeueInterruptedResumesWhatAKilledProcessLeft(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	running := mustCreate(t, s, newCluster(1))
	waiting := mustCreate(t, s, newCluster(2))
	lost := mustCreate(t, s, newCluster(3))
	done := mustOnline(t, s, newCluster(4))
	elsewhere := newCluster(5)
	elsewhere.Host = "other"
	elsewhere = mustCreate(t, s, elsewhere)
	setJob(t, s, running.ID, "state = 'running', attempt = 1, attempted_at = now()")
	setJob(t, s, elsewhere.ID, "state = 'running', attempt = 1, attempted_at = now()")
	setJob(t, s, waiting.ID, "state = 'retryable', attempt = 3, scheduled_at = now() + interval '1 hour'")
	setJob(t, s, lost.ID, "state = 'discarded', attempt = 25, finalized_at = now()")
	setJob(t, s, done.ID, "state = 'completed', attempt = 1, finalized_at = now()")

	if err := s.RequeueInterrupted(t.Context(), "local"); err != nil {
		t.Fatal(err)
	}
	jobs := startWorkers(t, s, "local")
	got := map[string]bool{}
	for range 3 {
		got[expect(t, jobs, "cluster_create", "").id] = true
	}
	for _, c := range []store.Cluster{running, waiting, lost} {
		if !got[c.ID] {
			t.Errorf("the job of %s did not run again", c.Name)
		}
	}
	for _, tt := range []struct {
		cluster store.Cluster
		want    bool
	}{{running, true}, {waiting, false}, {lost, true}, {done, false}, {elsewhere, false}} {
		events := must(s.Events(t.Context(), tt.cluster.ID))(t)
		last := events[len(events)-1]
		if resumed := last.Type == store.EventResumed; resumed != tt.want {
			t.Errorf("%s has resumed event: %v, want %v", tt.cluster.Name, resumed, tt.want)
		} else if resumed && !strings.HasPrefix(last.Message, "The create was interrupted") {
			t.Errorf("message %q", last.Message)
		}
	}
}

func TestRequeueInterruptedIsRepeatable(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	mustCreate(t, s, newCluster(1))
	before := counts(t, s)
	for range 2 {
		if err := s.RequeueInterrupted(t.Context(), "local"); err != nil {
			t.Fatal(err)
		}
	}
	if after := counts(t, s); after != before {
		t.Errorf("nothing was interrupted, but %+v became %+v", before, after)
	}
}

func TestFailedJobsAreTriedAgainSoon(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	fails := make(chan struct{}, 1)
	fails <- struct{}{}
	jobs := startFailingWorker(t, s, func(context.Context) error {
		select {
		case <-fails:
			return errors.New("the first attempt fails")
		default:
			return nil
		}
	})
	c := mustCreate(t, s, newCluster(1))
	first := expect(t, jobs, "cluster_create", c.ID)
	second := expect(t, jobs, "cluster_create", c.ID)
	if pause := second.at.Sub(first.at); pause < 200*time.Millisecond || pause > 5*time.Second {
		t.Errorf("second attempt after %v, want about a quarter of a second", pause)
	}
}

func TestHostsHaveQueuesThatRiverAccepts(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	seen := map[string]string{}
	for n, host := range []string{"local", "a-b", "a_b", "a--b", "A-B", "host.example.com", "-", "", strings.Repeat("x", 200)} {
		c := newCluster(n)
		c.Host = host
		mustCreate(t, s, c)
		queue := store.QueueForHost(host)
		if other, taken := seen[queue]; taken {
			t.Errorf("hosts %q and %q share queue %s", host, other, queue)
		}
		seen[queue] = host
	}
}

// setJob changes the job of a cluster as a killed process, or 25 failures, would have left it.
func setJob(t *testing.T, s *store.Store, clusterID, set string) {
	t.Helper()
	_, err := s.Pool().Exec(t.Context(), "UPDATE tine.river_job SET "+set+" WHERE args ->> 'cluster_id' = $1", clusterID)
	if err != nil {
		t.Fatal(err)
	}
}

// expect waits for the next job and checks it; an empty id stands for any.
func expect(t *testing.T, jobs <-chan seen, kind, id string) seen {
	t.Helper()
	select {
	case got := <-jobs:
		if got.kind != kind || (id != "" && got.id != id) {
			t.Fatalf("job %s of %s, want %s of %s", got.kind, got.id, kind, id)
		}
		return got
	case <-time.After(20 * time.Second):
		t.Fatalf("no job came, want %s of %s", kind, id)
		return seen{}
	}
}
