package gateway

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"tine/internal/gateway/mongoerr"
)

const (
	// cursorIdle is how long a cursor lives without a getMore. See cursors_files.go for what the engine keeps of it.
	cursorIdle = 10 * time.Minute
	// maxCursors is how many cursors a cluster may have open. The engine has room for 5,000 files.
	maxCursors = 4_500
)

// cursor is a result of which the client has seen a part.
type cursor struct {
	id        int64
	user      string
	db        string
	namespace string     // as in the replies: database and collection
	session   sessionKey // the zero value if the client named none
	peer      peer       // whose last connection takes the cursor with it
	noTimeout bool       // lives as long as its session, without one as long as its client

	continuation []byte // what the engine needs to go on; it changes with each page
	lastUse      time.Time
	busy         bool // a getMore runs
}

// cursors are the open cursors of a cluster.
type cursors struct {
	clock func() time.Time
	limit int

	opened, timedOut atomic.Int64

	mu struct {
		sync.Mutex
		open map[int64]*cursor
	}
}

func newCursors(clock func() time.Time, limit int) *cursors {
	c := &cursors{clock: clock, limit: limit}
	c.mu.open = map[int64]*cursor{}
	return c
}

// newID returns a number for a cursor that nobody can guess. It is positive: the engine takes 0 for "none", and some clients
// print negative ones wrongly.
func newID() int64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // it cannot fail
		if id := int64(binary.LittleEndian.Uint64(b[:]) >> 1); id != 0 {
			return id
		}
	}
}

// add opens a cursor.
func (c *cursors) add(cur *cursor) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.open) >= c.limit {
		return mongoerr.New(mongoerr.ExceededMemoryLimit, "the cluster has %d open cursors, which is as many as it may; close some", c.limit)
	}
	cur.lastUse = c.clock()
	c.mu.open[cur.id] = cur
	c.opened.Add(1)
	return nil
}

func (c *cursors) isFull() bool { return c.count() >= c.limit }

// take gives a cursor to a getMore of its owner, until give or drop. session is that of the getMore.
func (c *cursors) take(id int64, user, namespace string, session sessionKey) (*cursor, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cur := c.mu.open[id]
	switch {
	case cur == nil || !cur.busy && c.isIdleLocked(cur):
		return nil, mongoerr.New(mongoerr.CursorNotFound, "cursor id %d not found", id)
	case cur.user != user:
		return nil, mongoerr.New(mongoerr.Unauthorized, "cursor id %d was not created by the authenticated user", id)
	case cur.namespace != namespace:
		return nil, mongoerr.New(mongoerr.Unauthorized,
			"Requested getMore on namespace '%s', but cursor belongs to a different namespace", namespace)
	case cur.session != session:
		return nil, mongoerr.New(mongoerr.CursorOfOtherSession, "Cannot run getMore on cursor %d, which was created in another session", id)
	case cur.busy:
		return nil, mongoerr.New(mongoerr.CursorInUse, "cursor id %d is already in use", id)
	}
	cur.busy = true
	return cur, nil
}

// give puts a cursor back after a page. Without a continuation it has ended.
func (c *cursors) give(cur *cursor, continuation []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cur.busy = false
	cur.lastUse = c.clock()
	cur.continuation = continuation
	if len(continuation) == 0 {
		c.dropLocked(cur)
	}
}

// drop ends a cursor.
func (c *cursors) drop(cur *cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(cur)
}

func (c *cursors) dropLocked(cur *cursor) {
	if c.mu.open[cur.id] == cur {
		delete(c.mu.open, cur.id)
	}
}

// kill ends a cursor of user in namespace and reports whether there was one. A getMore that runs is not disturbed.
func (c *cursors) kill(id int64, user, namespace string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cur := c.mu.open[id]
	if cur == nil || cur.user != user || cur.namespace != namespace {
		return false
	}
	delete(c.mu.open, id)
	return true
}

// killWhere ends the cursors for which which says so, and returns their numbers. Getmores that run are not disturbed.
func (c *cursors) killWhere(which func(*cursor) bool) []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.killWhereLocked(which)
}

func (c *cursors) killWhereLocked(which func(*cursor) bool) []int64 {
	var killed []int64
	for id, cur := range c.mu.open {
		if which(cur) {
			delete(c.mu.open, id)
			killed = append(killed, id)
		}
	}
	return killed
}

// expire ends the cursors that have been idle too long, and returns their numbers.
func (c *cursors) expire() []int64 {
	killed := c.killWhere(c.isExpired)
	c.timedOut.Add(int64(len(killed)))
	return killed
}

func (c *cursors) isExpired(cur *cursor) bool { return !cur.busy && c.isIdleLocked(cur) }

func (c *cursors) isIdleLocked(cur *cursor) bool {
	return !cur.noTimeout && c.clock().Sub(cur.lastUse) >= cursorIdle
}

// longestIdle is for how long the cursor has not been used that was used longest ago.
func (c *cursors) longestIdle() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var longest time.Duration
	for _, cur := range c.mu.open {
		longest = max(longest, c.clock().Sub(cur.lastUse))
	}
	return longest
}

func (c *cursors) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.mu.open)
}
