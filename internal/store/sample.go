package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Sample is what a cluster did in a span of time.
type Sample struct {
	ClusterID string
	At        time.Time // end of the span
	Span      time.Duration

	Connections             int // at the end, or of several samples the most
	Reads, Writes, Commands int64
	Busy                    time.Duration // of all operations together
	Slow                    time.Duration // 95 of 100 operations took no longer; of several samples the longest
	CPU                     time.Duration
	MemoryBytes             int64
	StorageBytes            int64  // of the data; 0 if it is not known
	LSN                     uint64 // where the write-ahead log ended; 0 if it is not known
}

// AddSamples records samples; those of clusters that are gone are left out, and one that is there already stays.
func (s *Store) AddSamples(ctx context.Context, samples []Sample) error {
	columns := make([][]int64, sampleNumbers)
	ids, ends := make([]string, len(samples)), make([]time.Time, len(samples))
	for i, one := range samples {
		ids[i], ends[i] = one.ClusterID, micros(one.At)
		for j, n := range one.numbers() {
			columns[j] = append(columns[j], n)
		}
	}
	args := []any{ids, ends}
	for _, c := range columns {
		args = append(args, c)
	}
	// The lock keeps a cluster from going between the look and the insertion, which would lose the samples of all.
	_, err := s.pool.Exec(ctx, `INSERT INTO tine.samples (cluster_id, at, `+sampleColumns+`)
		SELECT u.* FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
			$9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[]) AS u (id)
		JOIN tine.clusters c ON c.id = u.id FOR KEY SHARE OF c
		ON CONFLICT DO NOTHING`, args...)
	if err != nil {
		return fmt.Errorf("add %d samples: %w", len(samples), err)
	}
	return nil
}

const (
	sampleColumns = `span_seconds, connections, reads, writes, commands, busy_micros, slow_micros, cpu_micros, memory_bytes, storage_bytes, lsn`
	sampleNumbers = 11
)

// numbers are those of sampleColumns, in their order.
func (s Sample) numbers() [sampleNumbers]int64 {
	return [sampleNumbers]int64{
		int64(s.Span / time.Second), int64(s.Connections), s.Reads, s.Writes, s.Commands, s.Busy.Microseconds(), s.Slow.Microseconds(),
		s.CPU.Microseconds(), s.MemoryBytes, s.StorageBytes, int64(s.LSN),
	}
}

// summed are the columns of several samples as one: what happened is added up, of what was the largest counts.
const summed = `sum(span_seconds)::bigint, max(connections)::bigint, sum(reads)::bigint, sum(writes)::bigint, sum(commands)::bigint,
	sum(busy_micros)::bigint, max(slow_micros), sum(cpu_micros)::bigint, max(memory_bytes), max(storage_bytes), max(lsn)`

// Samples returns a cluster's samples that end after from and not after to, those of each interval of that length as one that ends when
// the last of them does. Intervals without samples are left out. Its cost grows with the samples between from and to.
func (s *Store) Samples(ctx context.Context, clusterID string, from, to time.Time, interval time.Duration) ([]Sample, error) {
	if !isUUID(clusterID) {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, `SELECT max(at), `+summed+` FROM tine.samples
		WHERE cluster_id = $1 AND at > $2 AND at <= $3
		GROUP BY ceil(extract(epoch FROM at - $2) / $4::float8) ORDER BY 1`,
		clusterID, from, to, interval.Seconds())
	if err != nil {
		return nil, fmt.Errorf("read samples of cluster %s: %w", clusterID, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Sample, error) {
		one := Sample{ClusterID: clusterID}
		err := scanSample(row, &one)
		return one, err
	})
	if err != nil {
		return nil, fmt.Errorf("read samples of cluster %s: %w", clusterID, err)
	}
	return list, nil
}

// scanSample reads the end and the numbers.
func scanSample(row pgx.CollectableRow, s *Sample) error {
	var n [sampleNumbers]int64
	to := []any{&s.At}
	for i := range n {
		to = append(to, &n[i])
	}
	err := row.Scan(to...)
	s.At, s.Span, s.Connections, s.Reads, s.Writes, s.Commands = s.At.UTC(), time.Duration(n[0])*time.Second, int(n[1]), n[2], n[3], n[4]
	s.Busy, s.Slow, s.CPU = time.Duration(n[5])*time.Microsecond, time.Duration(n[6])*time.Microsecond, time.Duration(n[7])*time.Microsecond
	s.MemoryBytes, s.StorageBytes, s.LSN = n[8], n[9], uint64(n[10])
	return err
}

// SumUpSamples makes one sample of those of each interval that ends at or before the moment, and deletes those that end before oldest.
// It may be repeated.
func (s *Store) SumUpSamples(ctx context.Context, before, oldest time.Time, interval time.Duration) error {
	if _, err := s.pool.Exec(ctx, "DELETE FROM tine.samples WHERE at < $1", oldest); err != nil {
		return fmt.Errorf("delete old samples: %w", err)
	}
	seconds := int(interval.Seconds())
	_, err := s.pool.Exec(ctx, `WITH fine AS (
			DELETE FROM tine.samples WHERE at <= to_timestamp(floor(extract(epoch FROM $1::timestamptz) / $2) * $2) AND span_seconds < $2 RETURNING *
		) INSERT INTO tine.samples (cluster_id, at, `+sampleColumns+`)
		SELECT cluster_id, to_timestamp(ceil(extract(epoch FROM at) / $2) * $2), $2, max(connections), sum(reads), sum(writes), sum(commands),
			sum(busy_micros), max(slow_micros), sum(cpu_micros), max(memory_bytes), max(storage_bytes), max(lsn)
		FROM fine GROUP BY 1, 2 ON CONFLICT DO NOTHING`, before, seconds)
	if err != nil {
		return fmt.Errorf("sum up samples: %w", err)
	}
	return nil
}

// StorageInUse returns how many bytes the data of these clusters took when they were measured last: by a sample or, if there is none, by a
// restore point. Those that were never measured are left out.
func (s *Store) StorageInUse(ctx context.Context, clusterIDs []string) (map[string]int64, error) {
	rows, err := s.pool.Query(ctx, `SELECT u.cluster::text, coalesce(
			(SELECT storage_bytes FROM tine.samples WHERE cluster_id = u.cluster AND storage_bytes > 0 AND at > now() - interval '1 day' ORDER BY at DESC LIMIT 1),
			(SELECT size_bytes FROM tine.restore_points WHERE cluster_id = u.cluster ORDER BY completed_at DESC, id DESC LIMIT 1), 0)
		FROM unnest($1::uuid[]) AS u (cluster)`, clusterIDs)
	if err != nil {
		return nil, fmt.Errorf("read storage in use: %w", err)
	}
	used := make(map[string]int64, len(clusterIDs))
	var id string
	var bytes int64
	_, err = pgx.ForEachRow(rows, []any{&id, &bytes}, func() error {
		if bytes > 0 {
			used[id] = bytes
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read storage in use: %w", err)
	}
	return used, nil
}

// SetPhase records which step of a cluster's making is complete. A crash right after it may lose it.
func (s *Store) SetPhase(ctx context.Context, id, phase string) error {
	// It is for who watches: nobody should wait for the disk because of it.
	_, err := s.pool.Exec(ctx, "UPDATE tine.clusters SET phase = $2 WHERE id = $1 AND "+lazyCommit, id, phase)
	if err != nil {
		return fmt.Errorf("set phase of cluster %s: %w", id, err)
	}
	return nil
}

// Forks returns the clusters that were made from that one and are there, by name.
func (s *Store) Forks(ctx context.Context, id string) ([]Cluster, error) {
	if !isUUID(id) {
		return nil, nil
	}
	return s.clusters(ctx, "source_id = $1 ORDER BY name", id)
}
