package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

const (
	// fetchCooldown is the least time between two looks for jobs: short, because a fork's user waits for it.
	fetchCooldown = 5 * time.Millisecond
	maxAttempts   = 25
	firstBackOff  = 250 * time.Millisecond
	maxBackOff    = 30 * time.Second
	// rescueAfter is when River takes a job for lost and starts it again. Jobs of a killed process are found long before by
	// RequeueInterrupted; a job that still runs must never be started a second time, however long it takes.
	rescueAfter = 7 * 24 * time.Hour
)

// CreateJob asks a host to make a cluster.
type CreateJob struct {
	ClusterID string `json:"cluster_id"`
}

// ForkJob asks a host to make a cluster from another one.
type ForkJob struct {
	ClusterID string `json:"cluster_id"` // the fork's; its row names the source
}

// DestroyJob asks a host to destroy a cluster.
type DestroyJob struct {
	ClusterID string `json:"cluster_id"`
}

// SettingsJob asks a host to put a cluster's settings in force.
type SettingsJob struct {
	ClusterID string `json:"cluster_id"`
	// Revision tells changes apart: one that is made while the job of another runs needs a job of its own.
	Revision int64 `json:"revision"`
}

// ReconfigureJob asks a host to bring a cluster's node to the configuration that the row has.
type ReconfigureJob struct {
	ClusterID string `json:"cluster_id"`
	// Revision tells changes apart: one may be asked for after the job of another has done its work and before River knows that it has.
	Revision int64 `json:"revision"`
}

// MaintenanceJob asks a host to start a cluster's node again.
type MaintenanceJob struct {
	ClusterID string `json:"cluster_id"`
	// Requested tells requests apart, in microseconds: one that comes while the job of another works, which may have started the node already, needs a job of its own.
	Requested int64 `json:"requested"`
}

// SwapJob asks a host to exchange a cluster's node with that of the other one of its exchange.
type SwapJob struct {
	ClusterID string `json:"cluster_id"`
	// Requested tells exchanges apart, in microseconds: one may be asked for after the job of another has done its work and before River knows that it has.
	Requested int64 `json:"requested"`
}

// Kind is the job's name in River.
func (SwapJob) Kind() string { return "cluster_swap" }

// Kind is the job's name in River.
func (ReconfigureJob) Kind() string { return "cluster_change" }

// Kind is the job's name in River.
func (MaintenanceJob) Kind() string { return "cluster_maintenance" }

// Kind is the job's name in River.
func (SettingsJob) Kind() string { return "cluster_settings" }

// Kind is the job's name in River.
func (CreateJob) Kind() string { return "cluster_create" }

// Kind is the job's name in River.
func (ForkJob) Kind() string { return "cluster_fork" }

// Kind is the job's name in River.
func (DestroyJob) Kind() string { return "cluster_destroy" }

// QueueForHost is the queue of the jobs that only that host can do. Hosts of different names have different queues.
// River allows lower-case letters, digits and single separators, 64 characters in all; a host whose name is anything else is
// known to River by a hash of it.
func QueueForHost(host string) string {
	const longestName = 58
	if len(host) <= longestName && queueName.MatchString(host) {
		return "host_" + host
	}
	hash := sha256.Sum256([]byte(host))
	return "hash_" + hex.EncodeToString(hash[:16])
}

var queueName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// NewWorkerClient makes the River client that works on a host's queue with those workers, at most maxWorkers jobs at a time. The caller
// starts and stops it. A job starts within milliseconds of its commit; it has no time limit; when it fails it is
// tried again after a quarter of a second, then twice as long each time up to 30 s, 25 times in all. A job that fails at its last attempt
// is not tried again before the host restarts: the worker must give its cluster up (SetFailed) at that attempt.
func (s *Store) NewWorkerClient(host string, workers *river.Workers, maxWorkers int) (*river.Client[pgx.Tx], error) {
	if err := river.AddWorkerSafely(workers, &pruneWorker{store: s}); err != nil {
		return nil, fmt.Errorf("register store worker: %w", err)
	}
	queue := QueueForHost(host)
	daily := river.NewPeriodicJob(river.PeriodicInterval(24*time.Hour), func() (river.JobArgs, *river.InsertOpts) {
		return pruneJob{}, &river.InsertOpts{Queue: queue}
	}, &river.PeriodicJobOpts{RunOnStart: true})
	client, err := river.NewClient(s.driver, &river.Config{
		Schema:               schema,
		Queues:               map[string]river.QueueConfig{queue: {MaxWorkers: maxWorkers}},
		Workers:              workers,
		FetchCooldown:        fetchCooldown,
		JobTimeout:           -1,
		RescueStuckJobsAfter: rescueAfter,
		MaxAttempts:          maxAttempts,
		RetryPolicy:          backOff{},
		PeriodicJobs:         []*river.PeriodicJob{daily},
		Logger:               s.log,
	})
	if err != nil {
		return nil, fmt.Errorf("make job client of host %s: %w", host, err)
	}
	return client, nil
}

// RequeueInterrupted makes every unfinished operation of the host start at once: jobs that a killed process left running,
// jobs that wait for their next attempt, and clusters whose job is lost or was given up. Interrupted and lost ones get
// an event. The caller must be the only process of that host and must not have started its client yet.
func (s *Store) RequeueInterrupted(ctx context.Context, host string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := resumeJobs(ctx, tx, QueueForHost(host)); err != nil {
			return err
		}
		return s.queueLost(ctx, tx, host)
	})
	if err != nil {
		return fmt.Errorf("requeue jobs of host %s: %w", host, err)
	}
	return nil
}

// resumeJobs takes back the attempt of what was interrupted: being killed says nothing against the job.
func resumeJobs(ctx context.Context, tx pgx.Tx, queue string) error {
	rows, err := tx.Query(ctx, `
		UPDATE tine.river_job AS j SET state = 'available', scheduled_at = now(),
			attempt = CASE WHEN before.state = 'running' THEN greatest(j.attempt - 1, 0) ELSE j.attempt END
		FROM (SELECT id, state FROM tine.river_job WHERE queue = $1 AND state IN ('running', 'retryable', 'scheduled') FOR UPDATE) before
		WHERE j.id = before.id AND j.kind LIKE 'cluster\_%'
		RETURNING before.state = 'running', j.kind, j.args ->> 'cluster_id'`, queue)
	if err != nil {
		return err
	}
	type job struct {
		Interrupted bool
		Kind        string
		ClusterID   string
	}
	jobs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[job])
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if !j.Interrupted || j.Kind == (SettingsJob{}).Kind() { // settings are in force when the gateway opens
			continue
		}
		if err := insertEvent(ctx, tx, resumedEvent(j.ClusterID, strings.TrimPrefix(j.Kind, "cluster_"))); err != nil {
			return err
		}
	}
	return nil
}

// queueLost queues a job for every cluster that needs one and has none.
func (s *Store) queueLost(ctx context.Context, tx pgx.Tx, host string) error {
	rows, err := tx.Query(ctx, "SELECT "+clusterColumns+` FROM tine.clusters
		WHERE host = $1 AND status IN ('creating', 'forking', 'resizing', 'migrating', 'destroying')
			AND NOT EXISTS (SELECT FROM tine.river_job j WHERE j.kind = $2 AND j.args ->> 'cluster_id' = clusters.id::text
				AND j.state IN ('available', 'pending', 'running', 'retryable', 'scheduled') AND clusters.status IN ('resizing', 'migrating'))
		ORDER BY created_at`, host, ReconfigureJob{}.Kind())
	if err != nil {
		return err
	}
	unfinished, err := pgx.CollectRows(rows, scanCluster)
	if err != nil {
		return err
	}
	exchanging, err := exchangesToDo(ctx, tx, host)
	if err != nil {
		return err
	}
	for _, c := range append(unfinished, exchanging...) {
		args := jobFor(c)
		inserted, err := s.insertJob(ctx, tx, host, args)
		if err != nil {
			return err
		}
		if !inserted {
			continue
		}
		if err := insertEvent(ctx, tx, resumedEvent(c.ID, strings.TrimPrefix(args.Kind(), "cluster_"))); err != nil {
			return err
		}
	}
	return nil
}

// exchangesToDo returns the clusters of a host that exchange their nodes, whose other one is ready for it, and that have no job for that.
func exchangesToDo(ctx context.Context, tx pgx.Tx, host string) ([]Cluster, error) {
	rows, err := tx.Query(ctx, "SELECT "+clusterColumns+` FROM tine.clusters
		WHERE host = $1 AND id IN (SELECT x.cluster_id FROM tine.exchanges x JOIN tine.clusters o ON o.id = x.other_id WHERE o.status = 'swapping')
			AND NOT EXISTS (SELECT FROM tine.river_job j WHERE j.kind = $2 AND j.args ->> 'cluster_id' = clusters.id::text
				AND j.state IN ('available', 'pending', 'running', 'retryable', 'scheduled'))`, host, SwapJob{}.Kind())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanCluster)
}

func resumedEvent(clusterID, operation string) Event {
	return Event{
		ClusterID: clusterID, Type: EventResumed,
		Message: fmt.Sprintf("The %s was interrupted by a restart of the host and goes on.", operation),
	}
}

// jobFor is what has to be done next for a cluster that is in an unfinished state.
func jobFor(c Cluster) river.JobArgs {
	switch c.Status {
	case StatusDestroying:
		return DestroyJob{ClusterID: c.ID}
	case StatusForking:
		return ForkJob{ClusterID: c.ID}
	case StatusResizing, StatusMigrating:
		return ReconfigureJob{ClusterID: c.ID}
	case StatusRestoring, StatusSwapping:
		return SwapJob{ClusterID: c.ID}
	default:
		return CreateJob{ClusterID: c.ID}
	}
}

func (s *Store) queueCreation(ctx context.Context, tx pgx.Tx, c Cluster) error {
	return s.queue(ctx, tx, c.Host, jobFor(c))
}

func (s *Store) queue(ctx context.Context, tx pgx.Tx, host string, args river.JobArgs) error {
	_, err := s.insertJob(ctx, tx, host, args)
	return err
}

// insertJob queues a job unless the same is queued, waiting or running already.
func (s *Store) insertJob(ctx context.Context, tx pgx.Tx, host string, args river.JobArgs) (inserted bool, err error) {
	// A client of its own for each job: one that lives on keeps silent about a job that comes within a fetch cooldown of the last one
	// of its queue, and then the job waits for the next poll, a second or more away.
	client, err := river.NewClient(s.driver, &river.Config{Schema: schema, Logger: s.log})
	if err != nil {
		return false, fmt.Errorf("make job client: %w", err)
	}
	result, err := client.InsertTx(ctx, tx, args, &river.InsertOpts{
		Queue:       QueueForHost(host),
		MaxAttempts: maxAttempts,
		UniqueOpts: river.UniqueOpts{
			ByArgs: true, ByQueue: true,
			ByState: []rivertype.JobState{
				rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
				rivertype.JobStateRetryable, rivertype.JobStateScheduled,
			},
		},
	})
	if err != nil {
		return false, fmt.Errorf("queue %s: %w", args.Kind(), err)
	}
	return !result.UniqueSkippedAsDuplicate, nil
}

// backOff is how long a failed job waits: doubled each time, with a cap.
type backOff struct{}

var _ river.ClientRetryPolicy = backOff{}

// NextRetry implements river.ClientRetryPolicy.
func (backOff) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(backOffAfter(len(job.Errors) + 1))
}

// backOffAfter is the pause after that many failures.
func backOffAfter(failures int) time.Duration {
	const doublings = 7 // 250 ms * 2^7 is beyond the cap
	return min(firstBackOff<<min(max(failures-1, 0), doublings), maxBackOff)
}

// pruneJob deletes old events once a day.
type pruneJob struct{}

// Kind is the job's name in River.
func (pruneJob) Kind() string { return "prune_events" }

type pruneWorker struct {
	river.WorkerDefaults[pruneJob]
	store *Store
}

// Work implements river.Worker.
func (w *pruneWorker) Work(ctx context.Context, _ *river.Job[pruneJob]) error {
	return w.store.pruneEvents(ctx)
}
