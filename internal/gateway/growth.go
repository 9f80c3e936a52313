package gateway

import (
	"strings"

	"tine/internal/gateway/mongoerr"
)

// Growth says whether commands may make a cluster's data grow, and if not, why.
type Growth int

// What there is of Growth.
const (
	MayGrow     Growth = iota
	OverStorage        // the data have reached the storage of the cluster's plan
	DiskFull           // the disk that the cluster is on is full
)

// err is what a command is answered that would make the data grow. The first is MongoDB's since 8.0.13, with its words; see docs/decisions.
func (g Growth) err() error {
	switch g {
	case OverStorage:
		return mongoerr.New(mongoerr.UserWritesBlocked,
			"User writes blocked, reason: DiskUseThresholdExceeded: the cluster has used up its storage; delete or drop something and compact, or give it more storage")
	case DiskFull:
		return mongoerr.New(mongoerr.OutOfDiskSpace, "the disk of the cluster's host is full; what is there can be read and deleted")
	default:
		return nil
	}
}

func (c *cluster) setGrowth(g Growth) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := *c.settings()
	next.Growth = g
	c.current.Store(&next)
}

// mayGrow refuses a command that would make the data grow while they may not.
func (c *cluster) mayGrow(r *request) error {
	g := c.settings().Growth
	if g == MayGrow || !r.grows() {
		return nil
	}
	return g.err()
}

// grows reports whether a command may leave more than there was before it. Updates do: PostgreSQL keeps the old version for a while.
func (r *request) grows() bool {
	switch r.command {
	case "insert", "update", "create", "createIndexes":
		return true
	case "findAndModify", "findandmodify":
		return !isTrue(r.field("remove"))
	case "bulkWrite":
		return r.bulkGrows()
	case "aggregate":
		return r.writes // by $out or $merge
	case "renameCollection":
		from, _ := r.target.StringValueOK()
		to, _ := r.field("to").StringValueOK()
		before, _, _ := strings.Cut(from, ".")
		after, _, _ := strings.Cut(to, ".")
		return before != after // the documents are copied
	default:
		return false
	}
}

// bulkGrows reports whether there is anything among the operations but deletes. What cannot be read is refused elsewhere.
func (r *request) bulkGrows() bool {
	docs, err := r.documents("ops")
	if err != nil {
		return false
	}
	for _, doc := range docs {
		if fs, err := fields(doc); err == nil && len(fs) > 0 && fs[0].key != "delete" {
			return true
		}
	}
	return false
}
