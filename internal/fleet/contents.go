package fleet

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"tine/internal/databases"
	"tine/internal/store"
	"tine/internal/users"
)

// Contents are the users and databases that a cluster has. Every cluster has doadmin and defaultdb.
type Contents struct {
	Users     []User   // doadmin first, without passwords
	Databases []string // in alphabetical order
}

const (
	// contentsAge is how long what a node said is taken for true. A change through the fleet counts at once, one through mongosh after that.
	contentsAge = 2 * time.Second
	// contentsPatience is how long whoever asks waits for the node.
	contentsPatience = 300 * time.Millisecond
	// changePatience is how long they wait if the fleet has changed something since the node answered last: who made a user must see it.
	changePatience = 3 * time.Second
)

// Contents returns what is in a cluster: what its node says, or if it has just said so, what it said. A cluster without data has what every cluster
// has. A node that does not answer keeps nobody waiting for longer than contentsPatience, or changePatience after a change, and that once in contentsAge: then
// the last that was known is returned.
func (f *Fleet) Contents(ctx context.Context, c store.Cluster) Contents {
	if !c.IsServed() {
		return f.KnownContents(c)
	}
	e := f.contents.entry(c.ID)
	e.asking.Lock() // whoever comes meanwhile gets the same answer
	defer e.asking.Unlock()
	changes, now := e.changes.Load(), f.cfg.Clock()
	if e.seen == changes && e.asked && e.node == c.Node.ID && now.Sub(e.at) < contentsAge {
		return f.KnownContents(c)
	}
	patience := contentsPatience
	if e.told != changes {
		patience = changePatience
	}
	// Not the client's context: one that goes away says nothing about the node.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if read, err := f.readContents(ctx, c); err == nil {
		e.known.Store(&knownContents{Contents: read, node: c.Node.ID, at: now})
		e.told = changes
	}
	e.asked, e.at, e.seen, e.node = true, now, changes, c.Node.ID
	return f.KnownContents(c)
}

// KnownContents returns what was last known of a cluster's contents, and asks nobody. It is for lists. Of a cluster that is suspended it is what the row says, unless the node
// was asked since: it may run by now, and the row not say so yet.
func (f *Fleet) KnownContents(c store.Cluster) Contents {
	if !c.IsServed() {
		return everyCluster()
	}
	heard := f.contents.entry(c.ID).known.Load()
	if heard != nil && heard.node != c.Node.ID {
		heard = nil
	}
	if known, ok := suspendedContents(c); ok && (heard == nil || !heard.at.After(c.Suspension.At)) {
		return known
	}
	if heard != nil {
		return heard.Contents
	}
	return everyCluster()
}

// everyCluster is what every cluster has from its beginning.
func everyCluster() Contents {
	return Contents{Users: []User{{Name: AdminUser, Role: "primary"}}, Databases: []string{defaultDatabase}}
}

// readContents asks the node, whatever the row says of it. If it is suspended nobody can have changed what the row says that it contains.
func (f *Fleet) readContents(ctx context.Context, c store.Cluster) (read Contents, err error) {
	err = f.cfg.Data.Look(ctx, c, func(conn *pgx.Conn) error {
		all, err := users.List(ctx, conn)
		if err != nil {
			return err
		}
		read.Users = describeAll(all)
		read.Databases, err = databases.List(ctx, conn)
		return err
	})
	if errors.Is(err, store.ErrSuspended) { // since the row was read
		if now, failed := f.Get(ctx, c.ID); failed == nil {
			if known, ok := suspendedContents(now); ok {
				return known, nil
			}
		}
	}
	return read, err
}

// contentsCache has what is known of the contents of each cluster that somebody has asked about. It is safe for concurrent use.
type contentsCache struct {
	clusters sync.Map // entries by cluster id
}

type contentsEntry struct {
	known   atomic.Pointer[knownContents] // nil: nothing yet
	changes atomic.Int64                  // that the fleet has made

	asking sync.Mutex // of what follows; held while the node is asked
	asked  bool
	at     time.Time // when it was asked last
	seen   int64     // changes that had been made then
	told   int64     // changes that had been made when it answered last
	node   string    // the node that was asked
}

// knownContents are those of a node, which the cluster may have given away since.
type knownContents struct {
	Contents
	node string
	at   time.Time
}

func (c *contentsCache) entry(id string) *contentsEntry {
	e, ok := c.clusters.Load(id)
	if !ok {
		e, _ = c.clusters.LoadOrStore(id, &contentsEntry{})
	}
	return e.(*contentsEntry) //nolint:errcheck,forcetypeassert // there are no others
}

// changed makes the next who asks hear it from the node.
func (c *contentsCache) changed(id string) { c.entry(id).changes.Add(1) }

func (c *contentsCache) forget(id string) { c.clusters.Delete(id) }
