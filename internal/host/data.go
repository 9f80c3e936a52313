package host

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tine/internal/engine"
	"tine/internal/store"
)

// Use runs do with a connection to a cluster's node as the gateway's role, which may change users and take the role of their work. It is how the control plane reaches users and databases, which are
// in the cluster and nowhere else.
func (h *Host) Use(ctx context.Context, c store.Cluster, do func(*pgx.Conn) error) error {
	conn, err := h.node(c).Connect(ctx, engine.RoleGateway)
	if err != nil {
		return fmt.Errorf("reach cluster %s: %w", c.Name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return do(conn)
}

// UsersChanged has a cluster's gateway read its users again.
func (h *Host) UsersChanged(clusterID string) { h.cfg.Gateway.UsersChanged(clusterID) }
