package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// warm makes the connections that a first client's log-in and first command need, and has the engine fill its caches: a
// new backend needs some 20 ms for its first statement.
func (n *node) warm(ctx context.Context, log *slog.Logger) {
	var both sync.WaitGroup
	both.Go(func() {
		a := newAccounts(n, time.Now)
		_, _, err := a.credentials(ctx, owner)
		if err == nil {
			_, err = a.get(ctx, owner)
		}
		if err != nil {
			log.DebugContext(ctx, "log-in not prepared", "error", err)
		}
	})
	both.Go(func() {
		if err := n.firstFind(ctx); err != nil {
			log.DebugContext(ctx, "first command not prepared", "error", err)
		}
	})
	both.Wait()
}

// firstFind looks for a document in a collection that does not exist.
func (n *node) firstFind(ctx context.Context) error {
	spec, err := bson.Marshal(bson.D{{Key: "find", Value: "none"}, {Key: "limit", Value: 1}})
	if err != nil {
		return err
	}
	conn, err := n.acquire(ctx, asReader())
	if err != nil {
		return err
	}
	defer conn.Release()
	if err := makeReady(ctx, conn.Conn(), prepared{"find", sqlFind}); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "find", "defaultdb", spec, int64(0))
	return err
}
