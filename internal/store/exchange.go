package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// The kinds of exchanges.
const (
	ExchangeRestore = "restore" // with a fork of the cluster at a moment
	ExchangeReset   = "reset"   // with a new fork of the cluster's source
	ExchangeSwap    = "swap"    // with a cluster that was there before
)

// Exchange is what two clusters of one host do that exchange their nodes, and with them data and history. All else stays with its cluster.
type Exchange struct {
	ClusterID, OtherID string
	Kind               string
	At                 *time.Time // the moment whose state the cluster gets; nil means the latest, and nothing for a swap
	ForkLSN            uint64     // the transaction in place of a moment, and its side: see Cluster. BeginExchange takes them from the fork
	ForkAfter          bool
	Keep               time.Duration // how long the other one lives afterwards; 0 means for ever
	ExchangedAt        *time.Time    // when clients were cut off; nil until the nodes are exchanged
}

// BeginExchange asks for a restore or a reset: fork is made as by CreateCluster, and then exchanges its node with the online cluster. The cluster's
// status is restoring until all is done. It is served meanwhile, and cannot be changed, forked or destroyed. Errors as with CreateCluster and Reconfigure.
func (s *Store) BeginExchange(ctx context.Context, x Exchange, fork Cluster, ports PortRange) (Cluster, error) {
	fork = withDefaults(fork)
	err := s.changeOnline(ctx, x.ClusterID, func(tx pgx.Tx, c Cluster) error {
		if err := s.createCluster(ctx, tx, &fork, ports); err != nil {
			return err
		}
		x.OtherID, x.ForkLSN, x.ForkAfter = fork.ID, fork.ForkLSN, fork.ForkAfter
		if err := insertExchange(ctx, tx, x); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE tine.clusters SET status = 'restoring' WHERE id = $1", c.ID); err != nil {
			return err
		}
		return insertEvent(ctx, tx, Event{ClusterID: c.ID, ClusterName: c.Name, Type: "cluster_" + x.Kind, Message: beginning(x, c, fork)})
	})
	if err != nil {
		return Cluster{}, err
	}
	return fork, nil
}

// BeginSwap asks two online clusters of one host to exchange their nodes. The status of both is swapping until all is done; see BeginExchange.
func (s *Store) BeginSwap(ctx context.Context, id, otherID string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		a, b, err := lockBoth(ctx, tx, id, otherID)
		if err != nil {
			return err
		}
		if a.Status != StatusOnline || b.Status != StatusOnline {
			return ErrNotOnline
		}
		if err := insertExchange(ctx, tx, Exchange{ClusterID: id, OtherID: otherID, Kind: ExchangeSwap}); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE tine.clusters SET status = 'swapping' WHERE id IN ($1, $2)", id, otherID); err != nil {
			return err
		}
		for _, c := range [][2]Cluster{{a, b}, {b, a}} {
			message := fmt.Sprintf("The cluster and %s exchange their data.", c[1].Name)
			if err := insertEvent(ctx, tx, Event{ClusterID: c[0].ID, ClusterName: c[0].Name, Type: "cluster_swap", Message: message}); err != nil {
				return err
			}
		}
		return s.queue(ctx, tx, a.Host, newSwapJob(id))
	})
	if err != nil {
		return fmt.Errorf("swap clusters %s and %s: %w", id, otherID, err)
	}
	return nil
}

func newSwapJob(clusterID string) SwapJob {
	return SwapJob{ClusterID: clusterID, Requested: time.Now().UnixMicro()}
}

// Exchange returns the exchange that was asked for a cluster; ErrNotFound if there is none, or no more.
func (s *Store) Exchange(ctx context.Context, clusterID string) (Exchange, error) {
	x, err := readExchange(ctx, s.pool, clusterID, "")
	if err != nil {
		return Exchange{}, fmt.Errorf("read exchange of cluster %s: %w", clusterID, err)
	}
	return x, nil
}

// ExchangeNodes exchanges node and history of two clusters, in one transaction; at is when their clients were cut off. It may be repeated, and must be after ErrUnknown. Nobody may
// use either history meanwhile, nor may either be the source of a fork that is being made.
func (s *Store) ExchangeNodes(ctx context.Context, clusterID string, at time.Time) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		x, err := readExchange(ctx, tx, clusterID, " FOR UPDATE")
		if err != nil || x.ExchangedAt != nil {
			return err
		}
		a, b, err := lockBoth(ctx, tx, x.ClusterID, x.OtherID)
		if err != nil {
			return err
		}
		at := micros(at)
		if x.Kind != ExchangeSwap {
			a.TTLPaused = true // what is kept stays as it is
		}
		for _, c := range [][2]Cluster{{a, b}, {b, a}} {
			if err := takeNode(ctx, tx, c[0], c[1]); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE tine.restore_points SET cluster_id = CASE cluster_id WHEN $1::uuid THEN $2::uuid ELSE $1::uuid END
			WHERE cluster_id IN ($1, $2)`, a.ID, b.ID); err != nil {
			return err
		}
		if err := tellOrigin(ctx, tx, x, a, b, at); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE tine.exchanges SET exchanged_at = $2 WHERE cluster_id = $1", a.ID, at)
		return err
	})
	if err != nil {
		return fmt.Errorf("exchange nodes of cluster %s: %w", clusterID, unknown(err))
	}
	return nil
}

// takeNode gives a cluster what belongs to the node of another one.
func takeNode(ctx context.Context, tx pgx.Tx, c, from Cluster) error {
	_, err := tx.Exec(ctx, `UPDATE tine.clusters SET node_id = $2, node_restarts = $3, node_size = $4, history_id = $5, update_pending = $6, ttl_paused = $7, pool = $8
		WHERE id = $1`, c.ID, from.Node.ID, from.Node.Restarts, from.NodeSize, from.HistoryID, from.UpdatePending, from.TTLPaused, from.Pool)
	return err
}

// tellOrigin keeps what is said of the origin of forks true. The other one of a restore or a reset is a fork of the cluster as it was when it was
// cut off; the cluster itself, if it is a fork, shows the moment that it was reset to. Of two that were swapped, a fork of the other
// has the other's data as they were when it was cut off.
func tellOrigin(ctx context.Context, tx pgx.Tx, x Exchange, a, b Cluster, at time.Time) error {
	set := func(c, source Cluster, forkAt *time.Time) error {
		_, err := tx.Exec(ctx, "UPDATE tine.clusters SET source_id = $2, source_name = $3, fork_at = $4, fork_lsn = 0, fork_after = false WHERE id = $1",
			c.ID, source.ID, source.Name, forkAt)
		return err
	}
	if x.Kind != ExchangeSwap {
		if err := set(b, a, &at); err != nil || x.Kind == ExchangeRestore {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE tine.clusters SET fork_at = $2, fork_lsn = $3, fork_after = $4, requested_at = $5 WHERE id = $1",
			a.ID, b.ForkAt, int64(b.ForkLSN), b.ForkAfter, b.RequestedAt)
		return err
	}
	for _, c := range [][2]Cluster{{a, b}, {b, a}} {
		if c[0].SourceID == c[1].ID {
			if err := set(c[0], c[1], &at); err != nil {
				return err
			}
		}
	}
	return nil
}

// FinishExchange makes both clusters online again; their nodes run with the plans that they have. It changes nothing if it was done before, or if the
// nodes are not exchanged.
func (s *Store) FinishExchange(ctx context.Context, clusterID string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		x, a, b, err := endExchange(ctx, tx, clusterID, true)
		if err != nil || x.ClusterID == "" {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE tine.clusters SET status = 'online', node_size = size WHERE id IN ($1, $2)", a.ID, b.ID); err != nil {
			return err
		}
		if b, err = keepFor(ctx, tx, x, a, b); err != nil {
			return err
		}
		return tellFinished(ctx, tx, x, a, b)
	})
	if err != nil {
		return fmt.Errorf("finish exchange of cluster %s: %w", clusterID, err)
	}
	return nil
}

// leastLife is how long the data of a swapped cluster live at least, whatever their new cluster's expiry was.
const leastLife = 7 * 24 * time.Hour

// keepFor sets when the other one expires. After a swap, a cluster that expires has data that did not, and they are not lost at once.
func keepFor(ctx context.Context, tx pgx.Tx, x Exchange, a, b Cluster) (Cluster, error) {
	if x.Kind == ExchangeSwap {
		least := x.ExchangedAt.Add(leastLife)
		_, err := tx.Exec(ctx, `UPDATE tine.clusters SET expires_at = $3, expiry_announced = false
			WHERE id IN ($1, $2) AND expires_at < $3`, a.ID, b.ID, least)
		return b, err
	}
	b.ExpiresAt = nil
	if x.Keep > 0 {
		until := micros(x.ExchangedAt.Add(x.Keep))
		b.ExpiresAt = &until
	}
	_, err := tx.Exec(ctx, "UPDATE tine.clusters SET expires_at = $2, expiry_announced = false, doadmin_verifier = $3 WHERE id = $1",
		b.ID, b.ExpiresAt, a.DoadminVerifier)
	return b, err
}

// CancelExchange gives an exchange up; sentence says why, for the clusters' owner. Both clusters are as before; a fork that was made for the
// exchange is destroyed. It changes nothing if the nodes are exchanged already, or if there is no such exchange.
func (s *Store) CancelExchange(ctx context.Context, clusterID, sentence string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error { return s.cancelExchange(ctx, tx, clusterID, sentence) })
	if err != nil {
		return fmt.Errorf("cancel exchange of cluster %s: %w", clusterID, err)
	}
	return nil
}

func (s *Store) cancelExchange(ctx context.Context, tx pgx.Tx, clusterID, sentence string) error {
	x, a, b, err := endExchange(ctx, tx, clusterID, false)
	if err != nil || x.ClusterID == "" {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE tine.clusters SET status = 'online' WHERE id = $1 OR id = $2 AND $3 = 'swap'", a.ID, b.ID, x.Kind); err != nil {
		return err
	}
	failed := Event{ClusterID: a.ID, ClusterName: a.Name, Type: "cluster_" + x.Kind + "_failed", Message: sentence}
	if err := insertEvent(ctx, tx, failed); err != nil {
		return err
	}
	if x.Kind != ExchangeSwap {
		return s.markDestroying(ctx, tx, b.ID, "The cluster is being destroyed: nobody needs it any more.")
	}
	failed.ClusterID, failed.ClusterName = b.ID, b.Name
	return insertEvent(ctx, tx, failed)
}

// endExchange removes an exchange that has, or has not, come to its point, and returns it with its clusters. A zero one says that there is none.
func endExchange(ctx context.Context, tx pgx.Tx, clusterID string, exchanged bool) (x Exchange, a, b Cluster, err error) {
	x, err = readExchange(ctx, tx, clusterID, " FOR UPDATE")
	if err == ErrNotFound || err == nil && (x.ExchangedAt != nil) != exchanged { //nolint:errorlint // nothing wraps it
		return Exchange{}, a, b, nil
	}
	if err != nil {
		return Exchange{}, a, b, err
	}
	if a, b, err = lockBoth(ctx, tx, x.ClusterID, x.OtherID); err != nil {
		return Exchange{}, a, b, err
	}
	_, err = tx.Exec(ctx, "DELETE FROM tine.exchanges WHERE cluster_id = $1", x.ClusterID)
	return x, a, b, err
}

// joinExchange is for a fork that was made to exchange its node: it has its data, and its turn has come.
func (s *Store) joinExchange(ctx context.Context, tx pgx.Tx, forkID string) error {
	var clusterID, host string
	row := tx.QueryRow(ctx, "SELECT x.cluster_id, c.host FROM tine.exchanges x JOIN tine.clusters c ON c.id = x.cluster_id WHERE x.other_id = $1", forkID)
	if err := row.Scan(&clusterID, &host); isNoRows(err) {
		return nil
	} else if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE tine.clusters SET status = 'swapping' WHERE id = $1", forkID); err != nil {
		return err
	}
	return s.queue(ctx, tx, host, newSwapJob(clusterID))
}

// cancelExchangeOf gives up the exchange that a fork was made for, if it was.
func (s *Store) cancelExchangeOf(ctx context.Context, tx pgx.Tx, forkID, sentence string) error {
	var clusterID string
	row := tx.QueryRow(ctx, "SELECT cluster_id FROM tine.exchanges WHERE other_id = $1", forkID)
	if err := row.Scan(&clusterID); isNoRows(err) {
		return nil
	} else if err != nil {
		return err
	}
	return s.cancelExchange(ctx, tx, clusterID, sentence)
}

func inExchange(ctx context.Context, tx pgx.Tx, id string) (in bool, err error) {
	err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM tine.exchanges WHERE cluster_id = $1 OR other_id = $1)", id).Scan(&in)
	return in, err
}

func insertExchange(ctx context.Context, tx pgx.Tx, x Exchange) error {
	var keep *time.Duration
	if x.Keep > 0 {
		keep = &x.Keep
	}
	_, err := tx.Exec(ctx, "INSERT INTO tine.exchanges (cluster_id, other_id, kind, at, keep, fork_lsn, fork_after) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		x.ClusterID, x.OtherID, x.Kind, x.At, keep, int64(x.ForkLSN), x.ForkAfter)
	return err
}

// rower is what a pool and a transaction have in common.
type rower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readExchange(ctx context.Context, db rower, clusterID, lock string) (Exchange, error) {
	var x Exchange
	var keep *time.Duration
	var lsn int64
	row := db.QueryRow(ctx, `SELECT cluster_id, other_id, kind, at, keep, fork_lsn, fork_after, exchanged_at
		FROM tine.exchanges WHERE cluster_id = $1`+lock, clusterID)
	err := row.Scan(&x.ClusterID, &x.OtherID, &x.Kind, &x.At, &keep, &lsn, &x.ForkAfter, &x.ExchangedAt)
	if isNoRows(err) {
		return Exchange{}, ErrNotFound
	}
	if keep != nil {
		x.Keep = *keep
	}
	x.ForkLSN = uint64(lsn)
	return x, err
}

// lockBoth reads two clusters and holds them, in the order of their ids, so that two transactions never wait for each other.
func lockBoth(ctx context.Context, tx pgx.Tx, id, otherID string) (c, other Cluster, err error) {
	rows, err := tx.Query(ctx, "SELECT "+clusterColumns+" FROM tine.clusters WHERE id IN ($1, $2) ORDER BY id FOR UPDATE", id, otherID)
	if err != nil {
		return c, other, err
	}
	both, err := pgx.CollectRows(rows, scanCluster)
	if err != nil {
		return c, other, err
	}
	const two = 2
	if len(both) != two {
		return c, other, ErrNotFound
	}
	if both[0].ID == id {
		return both[0], both[1], nil
	}
	return both[1], both[0], nil
}

func beginning(x Exchange, c, fork Cluster) string {
	if x.Kind == ExchangeReset {
		return fmt.Sprintf("The cluster is being reset to the state of %s %s; its own state is kept as %s.", c.SourceName, moment(x), fork.Name)
	}
	return fmt.Sprintf("The cluster is being restored to its state %s; its present state is kept as %s.", moment(x), fork.Name)
}

// moment completes "the state". A transaction says more than when it was committed.
func moment(x Exchange) string {
	if x.At == nil {
		return "of now"
	}
	at := x.At.UTC().Format(time.RFC3339Nano)
	if fork := (Cluster{ForkLSN: x.ForkLSN, ForkAfter: x.ForkAfter}); fork.ForkLSN != 0 {
		return "right " + fork.ForkSide() + " transaction " + fork.ForkTransaction() + ", of " + at
	}
	return "at " + at
}

func tellFinished(ctx context.Context, tx pgx.Tx, x Exchange, a, b Cluster) error {
	forA := fmt.Sprintf("The cluster has the data of %s, and keeps its name, endpoint and users.", b.Name)
	forB := fmt.Sprintf("The cluster has the data of %s, and keeps its name, endpoint and users.", a.Name)
	if x.Kind != ExchangeSwap {
		of := "its own state"
		if x.Kind == ExchangeReset {
			of = "the state of " + a.SourceName
		}
		forA = fmt.Sprintf("The cluster has %s %s. Connections were cut; the state before is kept as %s%s.", of, moment(x), b.Name, until(b.ExpiresAt))
		if a.TTLPaused {
			forA += " TTL indexes delete nothing until they are turned on."
		}
		forB = fmt.Sprintf("The cluster has the state that %s had before the %s, and is kept%s.", a.Name, x.Kind, until(b.ExpiresAt))
	}
	for _, e := range []Event{{ClusterID: a.ID, ClusterName: a.Name, Message: forA}, {ClusterID: b.ID, ClusterName: b.Name, Message: forB}} {
		e.Type = "cluster_" + x.Kind + "_done"
		if err := insertEvent(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

func until(at *time.Time) string {
	if at == nil {
		return " for ever"
	}
	return " until " + at.UTC().Format(time.RFC3339)
}
