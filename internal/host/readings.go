package host

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
	"tine/internal/insights"
)

var _ insights.Source = (*Host)(nil)

// readingPatience is how long a node may take to say how much it holds.
const readingPatience = 2 * time.Second

// readingsAtOnce is how many nodes are asked at the same time.
const readingsAtOnce = 4

// measured is what a node said last of its data, and after how many operations.
type measured struct {
	operations   int64
	storageBytes int64
	lsn          uint64
}

// Readings implements insights.Source. A node is asked only if its clients have done something that may write since it was asked last.
func (h *Host) Readings(ctx context.Context) []insights.Reading {
	h.mu.Lock()
	watched := make([]*running, 0, len(h.mu.running))
	for _, r := range h.mu.running {
		watched = append(watched, r)
	}
	h.mu.Unlock()
	readings := make([]insights.Reading, len(watched))
	turns := make(chan struct{}, readingsAtOnce)
	var wg sync.WaitGroup
	for i, r := range watched {
		turns <- struct{}{}
		wg.Go(func() {
			readings[i] = h.read(ctx, r)
			<-turns
		})
	}
	wg.Wait()
	return readings
}

func (h *Host) read(ctx context.Context, r *running) insights.Reading {
	reading := insights.Reading{ClusterID: r.clusterID}
	reading.Clients, _ = h.cfg.Gateway.Measure(r.clusterID)
	if usage, ok, err := h.cfg.Runtime.Usage(r.node.ID()); err != nil {
		h.log.DebugContext(ctx, "usage not read", "cluster_id", r.clusterID, "error", err)
	} else if ok {
		reading.CPU, reading.MemoryBytes = usage.CPU, usage.MemoryBytes
	}
	if r.asleep { // it holds what it held
		h.recallMeasured(ctx, r)
		reading.StorageBytes, reading.LSN = r.measured.storageBytes, r.measured.lsn
		return reading
	}
	if done := reading.Clients.Writes + reading.Clients.Commands; r.measured.lsn == 0 || done != r.measured.operations {
		if err := measure(ctx, r.node, r.measured); err != nil {
			h.log.DebugContext(ctx, "node not measured", "cluster_id", r.clusterID, "error", err)
		} else {
			r.measured.operations = done
		}
	}
	reading.StorageBytes, reading.LSN = r.measured.storageBytes, r.measured.lsn
	return reading
}

// recallMeasured fills in what a suspended node held, if this process has never measured it.
func (h *Host) recallMeasured(ctx context.Context, r *running) {
	if r.measured.lsn != 0 {
		return
	}
	points, err := h.cfg.Store.RestorePoints(ctx, r.clusterID)
	if err != nil || len(points) == 0 {
		return
	}
	last := points[len(points)-1]
	r.measured.storageBytes, r.measured.lsn = last.SizeBytes, last.EndLSN
}

// measure asks a node how much it holds, and how far its write-ahead log is.
func measure(ctx context.Context, n *engine.Node, m *measured) error {
	ctx, cancel := context.WithTimeout(ctx, readingPatience)
	defer cancel()
	conn, err := n.Connect(ctx, engine.RoleSuperuser)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	const sql = `SELECT (SELECT sum(pg_database_size(oid))::bigint FROM pg_database WHERE datallowconn),
		(pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint`
	var storage, lsn int64
	if err := conn.QueryRow(ctx, sql, pgx.QueryExecModeExec).Scan(&storage, &lsn); err != nil {
		return fmt.Errorf("measure node: %w", err)
	}
	m.storageBytes, m.lsn = storage, uint64(lsn)
	return nil
}
