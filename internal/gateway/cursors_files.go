package gateway

import (
	"context"
	"log/slog"
	"time"
)

// What the engine needs to go on with a sorted or grouped result is a file in the node's data, which it touches with each page. The
// gateway removes the file of a cursor that ends before it was read to its end. Files may be left behind: by a gateway that was
// killed, in the data that a fork got from its source. They belong to nobody, which shows by their age: no cursor of this
// gateway has been idle for so long.
const (
	sqlDeleteCursors = "SELECT documentdb_api_internal.delete_cursors($1)::bytea"
	sqlCleanCursors  = "SELECT documentdb_api_internal.cursor_directory_cleanup($1)"
)

// deleteFiles removes what the engine keeps for cursors. What fails is left to deleteOrphans.
func (c *cluster) deleteFiles(ctx context.Context, ids []int64) {
	if len(ids) == 0 {
		return
	}
	c.orphans.Store(true)
	c.whileAwake(func() {
		if err := c.node.exec(ctx, asReader(), sqlDeleteCursors, ids); err != nil {
			c.log.DebugContext(ctx, "cursor files not deleted", slog.String("cause", cause(err)))
		}
	})
}

// deleteOrphans removes the files that belong to no cursor, if there can be any.
func (c *cluster) deleteOrphans(ctx context.Context) {
	if !c.orphans.Swap(false) {
		return
	}
	idle := max(cursorIdle, c.cursors.longestIdle()) + sweepInterval
	if err := c.node.exec(ctx, asReader(), sqlCleanCursors, int64(idle/time.Second)); err != nil {
		c.log.DebugContext(ctx, "orphaned cursor files not deleted", slog.String("cause", cause(err)))
		c.orphans.Store(true)
	}
	if idle > c.uptime() {
		c.orphans.Store(true) // those of the gateway before this one are not old enough yet
	}
}
