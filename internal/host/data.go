package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
	"tine/internal/history"
	"tine/internal/store"
	"tine/internal/wal"
)

// Use runs do with a connection to a cluster's node as the gateway's role, which may change users and take the role of their work. It is how
// the control plane reaches users and databases, which are in the cluster and nowhere else. The cluster has the same node as long as do runs. If it
// is suspended it is woken.
func (h *Host) Use(ctx context.Context, c store.Cluster, do func(*pgx.Conn) error) error {
	return h.use(ctx, c, true, do)
}

// Look is Use for who would rather not wake the cluster: store.ErrSuspended if it is suspended.
func (h *Host) Look(ctx context.Context, c store.Cluster, do func(*pgx.Conn) error) error {
	return h.use(ctx, c, false, do)
}

func (h *Host) use(ctx context.Context, c store.Cluster, wake bool, do func(*pgx.Conn) error) error {
	release, err := h.useNode(ctx, c.ID, wake)
	if err != nil {
		return fmt.Errorf("reach cluster %s: %w", c.Name, err)
	}
	defer release()
	now, err := h.cfg.Store.Cluster(ctx, c.ID) // c may have been read before the node was exchanged
	if err != nil {
		return fmt.Errorf("reach cluster %s: %w", c.Name, err)
	}
	conn, err := h.node(now).Connect(ctx, engine.RoleGateway)
	if err != nil {
		return fmt.Errorf("reach cluster %s: %w: %w", c.Name, store.ErrUnreachable, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = do(conn)
	// Who only looks has lost nothing when the node stops meanwhile. Of who changes something, nobody knows how far it came.
	if cut := err != nil && conn.IsClosed(); cut && !wake {
		return fmt.Errorf("reach cluster %s: %w: %w", c.Name, store.ErrUnreachable, err)
	}
	return err
}

// usePatience is the pause between two attempts to use a cluster whose node is being exchanged.
const usePatience = 5 * time.Millisecond

func (h *Host) usesOf(clusterID string) *sync.RWMutex {
	h.mu.Lock()
	defer h.mu.Unlock()
	uses := h.mu.uses[clusterID]
	if uses == nil {
		uses = new(sync.RWMutex)
		h.mu.uses[clusterID] = uses
	}
	return uses
}

// lockUses waits until nobody uses the data of the clusters, and keeps everybody out until the returned function is called. Only who holds the locks of the
// clusters' operations may call it, so that two of them never wait for each other.
func (h *Host) lockUses(clusterIDs []string) (unlock func()) {
	for _, id := range clusterIDs {
		h.usesOf(id).Lock()
	}
	return func() {
		for _, id := range clusterIDs {
			h.usesOf(id).Unlock()
		}
	}
}

// UsersChanged has a cluster's gateway read its users again.
func (h *Host) UsersChanged(clusterID string) { h.cfg.Gateway.UsersChanged(clusterID) }

// Transactions returns the transactions around a moment of a cluster's history, up to count before and up to count after it; with marked set only
// those that changed the schema.
func (h *Host) Transactions(ctx context.Context, c store.Cluster, at time.Time, count int, marked bool) ([]wal.Commit, error) {
	return h.history(c).Around(ctx, h.source(c, h.node(c)), at, count, marked)
}

// Transaction returns the transaction whose commit record begins at lsn; found is false if the cluster's history has none.
func (h *Host) Transaction(ctx context.Context, c store.Cluster, lsn wal.LSN) (t wal.Commit, found bool, err error) {
	t, err = h.history(c).Commit(ctx, h.source(c, h.node(c)), lsn)
	if errors.Is(err, history.ErrNoCommit) || errors.Is(err, history.ErrOutside) {
		return wal.Commit{}, false, nil
	}
	return t, err == nil, err
}
