package gateway

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Each backend remembers what the names that it has read stand for, until it is told that something changed. A statement that began before a collection was renamed, or a
// view dropped or changed, may hear that, and read the catalog as it was before all the same: then it remembers that, and answers later statements of that
// backend so, until something else changes. So the backends are told again when no such statement is left. A collection that is dropped needs none of it: its table is gone.

const (
	sqlHorizon = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
	// sqlSeesOlder asks for statements that may see what was before the horizon.
	sqlSeesOlder = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() " +
		"AND age(backend_xmin) > age($1::text::xid8::xid))"
	sqlForgetCollections = "SELECT documentdb_api_internal.invalidate_collection_cache()"

	// namePatience is how long a change waits for statements that began before it. One that goes on longer leaves something old remembered if it reads the catalog
	// only after that.
	namePatience = 2 * time.Second
	namePause    = 2 * time.Millisecond
)

// namesChanged returns when statements to come see what names stand for now.
func (c *cluster) namesChanged(ctx context.Context) error {
	return c.node.with(ctx, login{user: gatewayLogin}, func(db *pgxpool.Conn) error {
		var horizon string
		if err := db.QueryRow(ctx, sqlHorizon).Scan(&horizon); err != nil {
			return err
		}
		for end, older := time.Now().Add(namePatience), true; older && time.Now().Before(end); {
			if err := db.QueryRow(ctx, sqlSeesOlder, horizon).Scan(&older); err != nil {
				return err
			}
			if older && !pause(ctx, namePause) {
				return context.Cause(ctx)
			}
		}
		_, err := db.Exec(ctx, sqlForgetCollections)
		return err
	})
}

// makesView says that a command that makes a view begins or ends.
func (c *cluster) makesView() { c.viewMade.Store(time.Now().UnixNano()) }

// mayHaveMadeView says whether a view may have come since then. One that is made in a transaction comes when that is committed.
func (c *cluster) mayHaveMadeView(since time.Time) bool {
	return c.viewMade.Load() >= since.Add(-c.settings().TransactionLifetime).UnixNano()
}
